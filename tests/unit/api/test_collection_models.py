"""A collection chooses its model when it is created, and changes it on request."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.services import Services
from phoserve.contract import InputType
from phoserve.embedding.models import ServedModel
from phoserve.embedding.stack import stack_embedder
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder, fake_contract
from tests.support.models import tiny_model
from tests.support.services import index_queued, memory_services

Client = TestClient[Litestar]
DEFAULT, SMALL = "tests/word-hash", "team/small-model"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    small = tmp_path / "small"
    small.mkdir()
    text = TextPipeline.load(tiny_model(small, name=SMALL, dim=16))
    embedders = stack_embedder(WordHashEmbedder(text.contract), query_cache_entries=8)
    return memory_services(
        tmp_path, more_models=(ServedModel(text=text, embedders=embedders, triton_name="small-model"),)
    )


@pytest.fixture
def client(services: Services) -> Iterator[Client]:
    with TestClient(create_app(services)) as client:
        yield client


def add(client: Client, services: Services, collection: str, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.put(f"/v1/collections/{collection}", json=body).raise_for_status().json()
    documents = [{"id": "d1", "text": "học sinh nghỉ học"}, {"id": "d2", "text": "nhân viên nghỉ phép"}]
    client.post(f"/v1/collections/{collection}/documents", json={"documents": documents}).raise_for_status()
    asyncio.run(index_queued(services))
    return made


def test_a_collection_has_the_model_that_its_request_names(client: Client, services: Services) -> None:
    assert add(client, services, "a")["model"] == DEFAULT
    made = add(client, services, "b", model="small-model")
    assert made["model"] == SMALL
    assert made["fingerprint"] == services.models.find(SMALL).contract.fingerprint
    for name in ("a", "b"):
        for mode in ("dense", "hybrid", "lexical"):
            body = {"query": "nhân viên nghỉ phép", "mode": mode}
            hits = client.post(f"/v1/collections/{name}/search", json=body).raise_for_status().json()["hits"]
            assert hits[0]["document_id"] == "d2"
        answer = client.post(f"/v1/collections/{name}/answers", json={"question": "học sinh nghỉ học?"})
        assert answer.raise_for_status().json()["hits"][0]["document_id"] == "d1"
        passages = client.get(f"/v1/collections/{name}/documents/d1/passages").json()["passages"]
        assert [each["text"] for each in passages] == ["học sinh nghỉ học"]
    listed = client.get("/v1/collections").json()["collections"]
    assert {each["name"]: (each["model"], each["passages"]) for each in listed} == {"a": (DEFAULT, 2), "b": (SMALL, 2)}


def test_vectors_are_in_the_index_of_their_model_alone(client: Client, services: Services) -> None:
    add(client, services, "a")
    add(client, services, "b", model=SMALL)
    for each in services.directory.models:
        index: Any = each.index
        [collection] = {entry.passage.collection for entry in index._live.values()}
        for entry in index._live.values():
            [wanted] = asyncio.run(each.model.embedders.bulk.embed([entry.passage.text])).vectors
            np.testing.assert_array_equal(entry.vector, wanted)
        assert len(index._live) == 2
        assert collection in {asyncio.run(services.library.collection(name)).id for name in "ab"}


def test_a_query_is_embedded_once_by_the_model_of_its_collection(client: Client, services: Services) -> None:
    add(client, services, "b", model=SMALL)
    client.post("/v1/collections/b/search", json={"query": "nghỉ học", "mode": "dense"}).raise_for_status()
    embedders: list[Any] = [each.model.embedders.bulk for each in services.directory.models]
    queries = [[call for call in each.calls if call[1] is InputType.QUERY] for each in embedders]
    assert [len(each) for each in queries] == [0, 1]


def test_an_unknown_model_is_not_found_and_lists_those_that_exist(client: Client) -> None:
    for method, path in (("PUT", "/v1/collections/kb"), ("POST", "/v1/collections/kb/model")):
        problem = client.request(method, path, json={"model": "bge-m3"})
        assert (problem.status_code, problem.json()["code"]) == (404, "model_not_found")
        assert f"{DEFAULT}, {SMALL}" in problem.json()["detail"]
    assert client.get("/v1/collections/kb").status_code == 404


def test_another_model_for_an_existing_collection_is_a_conflict(client: Client) -> None:
    client.put("/v1/collections/kb", json={"model": SMALL}).raise_for_status()
    assert client.put("/v1/collections/kb", json={"description": "x"}).json()["model"] == SMALL
    assert client.put("/v1/collections/kb", json={"model": "small-model"}).status_code == 200
    problem = client.put("/v1/collections/kb", json={"model": DEFAULT})
    assert problem.status_code == 409
    assert "POST /v1/collections/kb/model" in problem.json()["detail"]


def test_a_change_is_shown_until_it_is_cancelled(client: Client) -> None:
    client.put("/v1/collections/kb").raise_for_status()
    started = client.post("/v1/collections/kb/model", json={"model": SMALL})
    assert started.status_code == 202
    change = started.json()["reembedding"]
    assert (change["model"], change["done"], change["documents"], change["progress"]) == (SMALL, 0, 0, 0.0)
    assert started.json()["model"] == DEFAULT
    assert client.post("/v1/collections/kb/model", json={"model": SMALL}).json() == started.json()
    assert client.get("/v1/collections/kb/model").json() == started.json()
    assert client.get("/v1/collections/kb").json()["reembedding"] == change
    cancelled = client.delete("/v1/collections/kb/model")
    assert (cancelled.status_code, cancelled.json()["reembedding"]) == (200, None)
    assert client.delete("/v1/collections/kb/model").status_code == 200


def test_a_change_to_the_model_that_it_has_changes_nothing(client: Client) -> None:
    client.put("/v1/collections/kb").raise_for_status()
    answer = client.post("/v1/collections/kb/model", json={"model": DEFAULT})
    assert (answer.status_code, answer.json()["reembedding"]) == (202, None)


def test_a_collection_whose_model_is_not_served_says_so(client: Client, services: Services) -> None:
    async def forget() -> None:
        import msgspec

        found = await services.stores.registry.collection("kb")
        await services.stores.registry.update_collection(msgspec.structs.replace(found, fingerprint="f" * 16))

    client.put("/v1/collections/kb").raise_for_status()
    asyncio.run(forget())
    services.library._known.forget("kb")
    problem = client.post("/v1/collections/kb/search", json={"query": "nghỉ"})
    assert problem.status_code == 503
    assert "phoserve reembed" in problem.json()["detail"]
    assert client.get("/v1/collections/kb").json()["passages"] == 0


def test_both_models_are_probed(client: Client, services: Services) -> None:
    assert client.get("/health/ready").json()["ready"]
    small: Any = services.directory.models[1].model.embedders.bulk
    small.contract = fake_contract(8)
    services.readiness._fresh_until = 0.0
    assert client.get("/health/ready").status_code == 503
