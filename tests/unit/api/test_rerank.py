"""Reranking over HTTP, by itself and as a search's second stage, with a reranker that prefers short passages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from numpy.typing import NDArray

from api.app import create_app
from tests.support.services import index_queued, memory_services

Client = TestClient[Litestar]


class ShortFirst:
    """A `Reranker`."""

    name = "short-first"

    async def rerank(
        self, query: str, passages: Sequence[str], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        return np.array([-len(passage) for passage in passages], np.float32)

    async def close(self) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    services = memory_services(tmp_path, rerankers=[ShortFirst()])
    documents = [{"id": "long", "text": "nghỉ phép mười hai ngày mỗi năm"}, {"id": "short", "text": "phép năm"}]
    with TestClient(create_app(services)) as client:
        client.put("/v1/collections/kb").raise_for_status()
        client.post("/v1/collections/kb/documents", json={"documents": documents}).raise_for_status()
        with client.portal() as portal:
            portal.call(index_queued, services)
        yield client


def test_best_first_with_their_places(client: Client) -> None:
    body = {
        "query": "q",
        "documents": ["dài hơn nhiều", {"text": "ngắn"}, "vừa vừa"],
        "top_n": 2,
        "model": "short-first",
    }
    answer = client.post("/v1/rerank", json=body).json()
    assert [(each["index"], each["relevance_score"]) for each in answer["results"]] == [(1, -4.0), (2, -7.0)]
    assert "document" not in answer["results"][0]
    answer = client.post("/v1/rerank", json=body | {"return_documents": True}).json()
    assert answer["results"][0]["document"] == {"text": "ngắn"}
    assert answer["model"] == "short-first"


def test_the_second_stage_decides(client: Client) -> None:
    def first(**more: object) -> dict[str, object]:
        body = {"query": "nghỉ phép mười hai ngày", **more}
        hit: dict[str, object] = client.post("/v1/collections/kb/search", json=body).json()["hits"][0]
        return hit

    assert first()["document_id"] == "long"
    assert (first(rerank=True)["document_id"], first(rerank=True)["rerank_score"]) == ("short", -8.0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": "q", "documents": []}, 422),
        ({"query": " ", "documents": ["a"]}, 422),
        ({"query": "q", "documents": ["a", " "]}, 422),
        ({"query": "q", "documents": ["a"] * 257}, 413),
        ({"query": "q", "documents": ["a"], "top_n": 0}, 422),
    ],
)
def test_bad_input(client: Client, body: dict[str, object], status: int) -> None:
    assert client.post("/v1/rerank", json=body).status_code == status


def test_without_a_reranker_there_is_none(tmp_path: Path) -> None:
    with TestClient(create_app(memory_services(tmp_path))) as client:
        assert client.post("/v1/rerank", json={"query": "q", "documents": ["a"]}).status_code == 404
