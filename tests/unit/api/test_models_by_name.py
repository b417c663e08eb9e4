"""Several embedding models and rerankers behind one API, chosen by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from numpy.typing import NDArray

from api.app import create_app
from phoserve.embedding.models import ModelCatalog, ServedModel
from phoserve.embedding.stack import stack_embedder
from phoserve.errors import ConfigurationError
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder, fake_contract
from tests.support.models import tiny_model
from tests.support.services import memory_services

Client = TestClient[Litestar]
SMALL = 16


class ConstantReranker:
    """A `Reranker` whose score is its own."""

    def __init__(self, name: str, score: float) -> None:
        self.name, self.score = name, score

    async def rerank(
        self, query: str, passages: Sequence[str], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        return np.full(len(passages), self.score, np.float32)

    async def close(self) -> None:
        pass


def second_model(folder: Path) -> ServedModel:
    folder.mkdir(exist_ok=True)
    contract = msgspec.structs.replace(fake_contract(SMALL), name="team/small-model", dims=(4, 8))
    embedders = stack_embedder(WordHashEmbedder(contract), query_cache_entries=0)
    text = TextPipeline.load(tiny_model(folder, name="team/small-model"))
    return ServedModel(text=text, embedders=embedders, triton_name="small-model")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / "first").mkdir()
    services = memory_services(
        tmp_path / "first",
        more_models=(second_model(tmp_path / "second"),),
        aliases={"text-embedding-3-small": "small-model"},
        rerankers=[ConstantReranker("first", 0.1), ConstantReranker("second", 0.2)],
    )
    with TestClient(create_app(services)) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, "tests/word-hash"),
        ("phoserve", "tests/word-hash"),
        ("tests/word-hash", "tests/word-hash"),
        ("phobert_simcse", "tests/word-hash"),  # its name in Triton
        ("team/small-model", "team/small-model"),
        ("small-model", "team/small-model"),
        ("text-embedding-3-small", "team/small-model"),
    ],
)
def test_requests_name_their_model(client: Client, name: str | None, found: str) -> None:
    answer = client.post("/v1/embeddings", json={"input": "học", "model": name}).json()
    assert answer["model"] == found
    assert len(answer["data"][0]["embedding"]) == (SMALL if found == "team/small-model" else 64)
    assert client.post("/v1/tokenize", json={"input": "học", "model": name}).json()["model"] == found


def test_an_unknown_name_lists_those_that_exist(client: Client) -> None:
    response = client.post("/v1/embeddings", json={"input": "học", "model": "bge-m3"})
    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "model_not_found", "model")
    assert "'bge-m3'" in error["message"]
    assert "tests/word-hash, team/small-model" in error["message"]
    for path, body in (
        ("/v1/tokenize", {"input": "học", "model": "bge-m3"}),
        ("/v1/rerank", {"query": "q", "documents": ["d"], "model": "bge-m3"}),
    ):
        problem = client.post(path, json=body)
        assert (problem.status_code, problem.json()["code"]) == (404, "model_not_found")


def test_models_rerankers_and_collections_are_listed(client: Client) -> None:
    client.put("/v1/collections/kb").raise_for_status()
    cards = client.get("/v1/models").json()["data"]
    assert [(card["id"], card["kind"]) for card in cards] == [
        ("tests/word-hash", "embedding"),
        ("team/small-model", "embedding"),
        ("first", "reranker"),
        ("second", "reranker"),
        ("collection/kb", "collection"),
    ]
    assert (cards[1]["dim"], cards[1]["dims"], cards[1]["max_tokens"]) == (SMALL, [4, 8], 256)
    for name in ("team/small-model", "small-model", "second", "collection/kb"):
        assert client.get(f"/v1/models/{name}").status_code == 200, name


@pytest.mark.parametrize("dimensions", [4, 8, SMALL])
def test_shorter_vectors_are_the_beginnings_at_unit_length(client: Client, dimensions: int) -> None:
    body = {"input": "học sinh", "model": "small-model"}
    whole = np.array(client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"])
    answer = client.post("/v1/embeddings", json={**body, "dimensions": dimensions}).json()
    short = np.array(answer["data"][0]["embedding"])
    np.testing.assert_allclose(short, whole[:dimensions] / np.linalg.norm(whole[:dimensions]), atol=1e-6)


def test_a_dimension_that_the_model_was_not_trained_for_is_refused(client: Client) -> None:
    response = client.post("/v1/embeddings", json={"input": "học", "model": "small-model", "dimensions": 5})
    assert response.status_code == 422
    assert "ask for 4, 8, 16" in response.json()["error"]["message"]


@pytest.mark.parametrize(("name", "score"), [(None, 0.1), ("first", 0.1), ("second", 0.2)])
def test_rerank_requests_name_their_reranker(client: Client, name: str | None, score: float) -> None:
    answer = client.post("/v1/rerank", json={"query": "q", "documents": ["d"], "model": name}).json()
    assert answer["results"][0]["relevance_score"] == pytest.approx(score)


def test_an_alias_of_a_model_that_is_not_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'gpt' stands for 'missing', which is not served"):
        ModelCatalog([second_model(tmp_path)], {"gpt": "missing"})
