"""Messages about obvious mistakes name what to send instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.hints import ELSEWHERE
from tests.support.services import memory_services

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("hints")
    with TestClient(create_app(memory_services(folder))) as client:
        client.put("/v1/collections/kb").raise_for_status()
        yield client


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/v1/collections/kb/search", {"query": "a", "topk": 3}, "unknown field `topk`; did you mean `top_k`?"),
        ("/v1/collections/kb/search", {"query": "a", "mode": "semantic"}, "use hybrid, dense or lexical"),
        ("/v1/collections/kb/documents", {"docs": []}, "did you mean `documents`?"),
        ("/v1/collections/kb/documents", {"documents": [{"text": "a", "metdata": {}}]}, "did you mean `metadata`?"),
        ("/v1/collections/kb/documents", {"content": "a"}, "fields are documents"),
    ],
)
def test_the_field_or_the_values_meant_are_named(client: Client, path: str, body: object, detail: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("more", "detail"),
    [({"input_type": "search_query"}, "use query or passage"), ({"encoding_format": "int8"}, "use base64 or float")],
)
def test_values_that_embeddings_take_are_named(client: Client, more: dict[str, str], detail: str) -> None:
    answer = client.post("/v1/embeddings", json={"model": "phoserve", "input": "a", **more})
    assert answer.status_code == 422
    assert detail in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/tokenize", "did you mean /v1/tokenize?"),
        ("/v1/v1/embeddings", "did you mean /v1/embeddings?"),
        ("/docs", "use /schema"),
        ("/predict", "use /v1/embeddings"),
        ("/score", "use /rerank"),
        ("/nope", "the API is under /v1"),
        ("/v1/nope", "the API is under /v1"),
    ],
)
def test_a_path_without_a_route_names_the_one_meant(client: Client, path: str, detail: str) -> None:
    answer = client.post(path, json={})
    assert answer.status_code == 404
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("state=lost", "state", "state: Invalid enum value 'lost': use "),
        ("&".join(f"id={number}" for number in range(201)), "id", "id: Expected `array` of length <= 200"),
        ("limit=0", "limit", "limit: Expected `int` >= 1"),
    ],
)
def test_parameters_of_a_query_have_the_names_that_requests_use(
    client: Client, query: str, field: str, detail: str
) -> None:
    answer = client.get(f"/v1/collections/kb/documents?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/completions", "/completions", "/chat/completions"])
def test_openai_clients_read_where_chats_are(client: Client, path: str) -> None:
    answer = client.post(path, json={})
    assert answer.status_code == 404
    assert "/v1/chat/completions" in answer.json()["error"]["message"]


def test_every_route_that_a_hint_names_exists(client: Client) -> None:
    paths = {*client.get("/schema").json()["paths"], "/schema"}
    for named in ELSEWHERE.values():
        assert named in paths, named


def test_another_method_is_named(client: Client) -> None:
    answer = client.get("/v1/embeddings")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}
    assert answer.json()["error"]["message"] == "this method is not allowed here; use POST"


@pytest.mark.parametrize("field", ["metadata", "access"])
def test_json_of_a_form_field_names_the_field(client: Client, field: str) -> None:
    form = {field: '["a' if field == "access" else "{year: 2}"}
    answer = client.post("/v1/collections/kb/documents", data=form, files={"files": ("a.txt", b"a")})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["detail"].startswith(f"{field} is not JSON")


def test_cohere_clients_of_both_versions_find_the_route(client: Client) -> None:
    for path in ("/v1/rerank", "/v2/rerank"):
        answer = client.post(path, json={"query": "q", "documents": ["a"]})
        assert answer.json()["detail"].startswith("this server has no reranker")


def test_a_chat_with_an_embedding_model_is_told_which_models_chat(client: Client) -> None:
    answer = client.post(
        "/v1/chat/completions", json={"model": "phoserve", "messages": [{"role": "user", "content": "a"}]}
    )
    assert answer.status_code == 404
    assert "collection/NAME" in answer.json()["error"]["message"]
