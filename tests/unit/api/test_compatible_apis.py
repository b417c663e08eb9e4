"""Requests in the shapes of TEI, Infinity and Cohere give the vectors and scores of the routes under /v1."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from numpy.typing import NDArray

from api.app import create_app
from api.keys import FixedKeys, Role, new_key
from tests.support.embedders import DIM, WordHashEmbedder
from tests.support.services import memory_services
from tests.unit.api.test_rerank import ShortFirst

Client = TestClient[Litestar]
TEXTS = ["nghỉ phép", "lương tháng mười ba", "xin chào"]
LONG = "từ " * 300
EMBED = ("/embed", "/", "/v1/embed", "/v2/embed")


@pytest.fixture(scope="module")
def embedder() -> WordHashEmbedder:
    return WordHashEmbedder()


@pytest.fixture(scope="module")
def client(embedder: WordHashEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("model")
    with TestClient(create_app(memory_services(folder, embedder, rerankers=[ShortFirst()]))) as client:
        client.put("/v1/collections/kb").raise_for_status()
        yield client


def expected(client: Client, texts: list[str], **more: Any) -> NDArray[np.float32]:
    data = client.post("/v1/embeddings", json={"input": texts, **more}).raise_for_status().json()["data"]
    return np.array([each["embedding"] for each in data], np.float32)


@pytest.mark.parametrize("path", ["/embed", "/"])
@pytest.mark.parametrize(
    "more",
    [{}, {"truncate": True, "normalize": True}, {"truncate": None, "parameters": {"truncation_direction": None}}],
)
def test_tei_embeds(client: Client, path: str, more: dict[str, Any]) -> None:
    answer = client.post(path, json={"inputs": TEXTS, **more}).raise_for_status()
    assert np.array_equal(np.array(answer.json(), np.float32), expected(client, TEXTS))
    [alone] = client.post(path, json={"inputs": TEXTS[0], **more}).raise_for_status().json()
    assert alone == answer.json()[0]


@pytest.mark.parametrize(("prompt", "input_type"), [("query", "query"), ("passage", "passage"), (None, "passage")])
@pytest.mark.parametrize("wrap", [False, True])
def test_tei_prompts_are_input_types(
    client: Client, embedder: WordHashEmbedder, prompt: str | None, input_type: str, *, wrap: bool
) -> None:
    parameters: dict[str, Any] = {"prompt_name": prompt}
    more = {"parameters": parameters} if wrap else parameters
    client.post("/embed", json={"inputs": f"một câu {prompt} {wrap}", **more}).raise_for_status()
    assert embedder.calls[-1][1] == input_type


def test_tei_refuses_texts_that_are_cut_unless_it_is_asked_to_cut_them(client: Client) -> None:
    refused = client.post("/embed", json={"inputs": ["ngắn", LONG]})
    assert (refused.status_code, refused.json()["error_type"]) == (413, "Validation")
    assert "inputs[1]" in refused.json()["error"]
    assert '"truncate": true' in refused.json()["error"]
    assert len(client.post("/embed", json={"inputs": LONG, "truncate": True}).json()[0]) == DIM


@pytest.mark.parametrize(
    "more",
    [
        {"normalize": False},
        {"truncation_direction": "left"},
        {"prompt_name": "summary"},
        {"dimensions": 7},
        {"inputs": []},
        {"inputs": [" "]},
        {"inputs": [[1, 2]]},
        {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
    ],
)
def test_tei_says_what_it_cannot_do_in_its_own_shape(client: Client, more: dict[str, Any]) -> None:
    refused = client.post("/embed", json={"inputs": "a", **more})
    assert refused.status_code == 422
    assert set(refused.json()) == {"error", "error_type"}


def test_tei_and_infinity_rerank_at_the_same_route(client: Client) -> None:
    passages = ["dài hơn nhiều", "ngắn", "vừa vừa"]
    answer = client.post("/v1/rerank", json={"query": "q", "documents": passages}).json()["results"]
    wanted = [(each["index"], each["relevance_score"]) for each in answer]
    body = {"query": "q", "texts": passages, "raw_scores": False}
    ranks = client.post("/rerank", json=body).raise_for_status().json()
    assert [(each["index"], each["score"]) for each in ranks] == wanted
    assert "text" not in ranks[0]
    ranks = client.post("/rerank", json=body | {"return_text": True}).json()
    assert ranks[0]["text"] == passages[ranks[0]["index"]]
    results = client.post("/rerank", json={"query": "q", "documents": passages, "top_n": 2}).json()["results"]
    assert [(each["index"], each["relevance_score"]) for each in results] == wanted[:2]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"query": "q"}, 422, "`texts`"),
        ({"query": "q", "texts": []}, 422, "is empty"),
        ({"query": "q", "texts": ["a", " "]}, 422, "texts[1] is blank"),
        ({"query": "q", "texts": ["a"], "raw_scores": True}, 422, "`raw_scores`"),
        ({"query": "q", "texts": ["a"] * 257}, 413, "at most 256 texts"),
    ],
)
def test_a_bad_rerank_names_the_field_of_its_shape(
    client: Client, body: dict[str, Any], status: int, message: str
) -> None:
    refused = client.post("/rerank", json=body)
    assert refused.status_code == status
    assert message in refused.json()["error"]


def test_cohere_embeds_by_type(client: Client) -> None:
    body = {"texts": TEXTS, "model": "phoserve", "input_type": "search_document"}
    wanted = expected(client, TEXTS)
    types = body | {"embedding_types": ["float", "base64"]}
    for path in ("/v1/embed", "/v2/embed"):
        answer = client.post(path, json=types).raise_for_status().json()
        assert answer["response_type"] == "embeddings_by_type"
        assert np.array_equal(np.array(answer["embeddings"]["float"], np.float32), wanted)
        packed = [np.frombuffer(base64.b64decode(each), "<f4") for each in answer["embeddings"]["base64"]]
        assert np.array_equal(np.array(packed), wanted)
        assert answer["texts"] == TEXTS
    assert set(client.post("/v2/embed", json=body).json()["embeddings"]) == {"float"}
    floats = client.post("/v1/embed", json=body).json()
    assert floats["response_type"] == "embeddings_floats"
    assert np.array_equal(np.array(floats["embeddings"], np.float32), wanted)


def test_cohere_queries_are_queries_and_cut_texts_are_named(client: Client, embedder: WordHashEmbedder) -> None:
    body = {"texts": ["câu ngắn", LONG], "input_type": "search_query"}
    answer = client.post("/v2/embed", json=body).raise_for_status().json()
    assert embedder.calls[-1][1] == "query"
    [warning] = answer["meta"]["warnings"]
    assert warning.startswith("texts[1] was cut")
    assert answer["meta"]["billed_units"]["input_tokens"] > 4
    assert client.post("/v2/embed", json=body | {"truncate": "NONE"}).status_code == 413


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"texts": None}, 422, "texts"),
        ({"texts": []}, 422, "texts"),
        ({"texts": ["a", ""]}, 422, "texts[1]"),
        ({"images": ["data:"]}, 400, "images"),
        ({"inputs": [{"content": []}]}, 400, "inputs"),
        ({"input_type": "image"}, 400, "input_type"),
        ({"truncate": "START"}, 400, "truncate"),
        ({"embedding_types": ["int8"]}, 422, "embedding_types"),
        ({"embedding_types": []}, 422, "embedding_types"),
        ({"output_dimension": 7}, 422, "output_dimension"),
        ({"model": "embed-v4.0"}, 404, "model"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/embed", "/v2/embed"])
def test_cohere_names_what_it_cannot_do(
    client: Client, path: str, more: dict[str, Any], status: int, field: str
) -> None:
    refused = client.post(path, json={"texts": ["a"], **more})
    assert refused.status_code == status
    if status == 422:
        assert refused.json()["errors"][0]["field"] == field
    assert field in refused.json()["detail"] + str(refused.json().get("errors"))


COMPATIBLE: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": "a"}),
    ("/embeddings", {"input": "a"}),
    ("/v1/rerank", {"query": "q", "documents": ["a"]}),
    ("/v2/rerank", {"query": "q", "documents": ["a"]}),
    ("/rerank", {"query": "q", "documents": ["a"]}),
    ("/rerank", {"query": "q", "texts": ["a"]}),
    ("/embed", {"inputs": "a"}),
    ("/v1/embed", {"texts": ["a"]}),
    ("/v2/embed", {"texts": ["a"]}),
    ("/v1/chat/completions", {"model": "collection/kb", "messages": [{"role": "user", "content": "a"}]}),
]


@pytest.mark.parametrize(("path", "body"), COMPATIBLE)
def test_null_is_the_default_of_every_field(client: Client, path: str, body: dict[str, Any]) -> None:
    document = client.get("/schema").json()
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rsplit("/", 1)[-1]
    fields = set(document["components"]["schemas"][name]["properties"]) - set(body)
    assert fields
    plain = client.post(path, json=body).raise_for_status()
    for field in fields:
        answer = client.post(path, json={**body, field: None})
        assert answer.status_code == 200, (field, answer.text)
    assert client.post(path, json={**body, "a_new_field": {"of": "a client"}}).status_code == 200
    assert plain.json()


def test_every_route_of_another_server_needs_a_reader(tmp_path: Path) -> None:
    _, entry = new_key("app", Role.READER)
    with TestClient(create_app(memory_services(tmp_path, keys=FixedKeys((entry,))))) as closed:
        for path, body in COMPATIBLE:
            assert closed.post(path, json=body).status_code == 401, path
        for path in EMBED:
            assert closed.post(path, json={}).status_code == 401, path
        assert closed.get("/models").status_code == 401
        assert closed.get("/health").json() == {"ready": True, "status": "ok"}
