"""POST /v1/embeddings: what goes in, what comes out, what is refused."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.admission import AdmissionGate
from api.app import create_app
from phoserve.errors import DeadlineExceeded, Overloaded, PhoserveError, Unavailable
from phoserve.settings import LimitSettings
from tests.support.embedders import DIM, WordHashEmbedder
from tests.support.memory import MemoryQueue
from tests.support.services import memory_services

Client = TestClient[Litestar]


@pytest.fixture
def embedder() -> WordHashEmbedder:
    return WordHashEmbedder()


@pytest.fixture
def client(embedder: WordHashEmbedder, tmp_path: Path) -> Iterator[Client]:
    with TestClient(create_app(memory_services(tmp_path, embedder))) as client:
        yield client


def test_floats_and_base64_are_the_same_vector(client: Client) -> None:
    floats = client.post("/v1/embeddings", json={"input": "xin chào"}).json()
    packed = client.post("/v1/embeddings", json={"input": "xin chào", "encoding_format": "base64"}).json()
    decoded = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert decoded.shape == (DIM,)
    assert np.array_equal(np.array(floats["data"][0]["embedding"], np.float32), decoded)
    assert floats["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert floats["model"] == "tests/word-hash"


def test_the_order_is_kept(client: Client) -> None:
    texts = [f"văn bản {number}" for number in range(256)]
    rows = client.post("/v1/embeddings", json={"input": texts}).json()["data"]
    assert [row["index"] for row in rows] == list(range(256))
    alone = client.post("/v1/embeddings", json={"input": texts[200]}).json()["data"][0]["embedding"]
    assert rows[200]["embedding"] == alone


def test_input_type_and_the_clients_deadline_go_down(client: Client, embedder: WordHashEmbedder) -> None:
    client.post(
        "/v1/embeddings", json={"input": "a", "input_type": "query"}, headers={"X-Request-Timeout": "1.5"}
    ).raise_for_status()
    (_, input_type, timeout_s) = embedder.calls[-1]
    assert input_type == "query"
    assert timeout_s is not None
    assert 1.0 < timeout_s <= 1.5


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "input"),
        ({"input": []}, 422, "input"),
        ({"input": "  "}, 422, "input"),
        ({"input": ["a", ""]}, 422, "input[1]"),
        ({"input": 5}, 422, "input"),
        ({"input": [1, 2, 3]}, 422, "input[0]"),
        ({"input": ["a"] * 10_000}, 413, "input"),
        ({"input": "a", "encoding_format": "hex"}, 422, "encoding_format"),
        ({"input": "a", "dimensions": 3}, 422, "dimensions"),
        ({"input": "a", "input_type": "title"}, 422, "input_type"),
        ({"input": ["a", "từ " * 300], "truncate": "none"}, 413, "input[1]"),
    ],
)
def test_bad_input_is_named_in_openais_shape(client: Client, body: dict[str, Any], status: int, param: str) -> None:
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"\xff\xfe", b'{"input": "\xff"}', b'{"input": "\\ud800"}'])
def test_a_body_that_is_no_json_is_refused(client: Client, raw: bytes) -> None:
    response = client.post("/v1/embeddings", content=raw, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_long_text_is_cut_and_said_to_be(client: Client) -> None:
    rows = client.post("/v1/embeddings", json={"input": ["ngắn", "từ " * 300]}).json()["data"]
    assert [row["truncated"] for row in rows] == [False, True]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Overloaded("busy", retry_after_s=2.5), 429),
        (Unavailable("triton", "starting"), 503),
        (DeadlineExceeded("late"), 504),
    ],
)
def test_trouble_below_is_answered(
    client: Client, embedder: WordHashEmbedder, failure: PhoserveError, status: int
) -> None:
    embedder.failure = failure
    response = client.post("/v1/embeddings", json={"input": "a"})
    assert response.status_code == status
    if status in {429, 503}:
        assert int(response.headers["Retry-After"]) >= 1


def test_a_slow_embedder_meets_the_deadline(tmp_path: Path) -> None:
    with TestClient(create_app(memory_services(tmp_path, WordHashEmbedder(delay_s=5)))) as client:
        response = client.post("/v1/embeddings", json={"input": "a"}, headers={"X-Request-Timeout": "0.05"})
    assert response.status_code == 504


async def test_a_gate_refuses_what_does_not_fit_and_admits_again() -> None:
    gate = AdmissionGate("texts", 10)
    with gate.hold(8):
        with pytest.raises(Overloaded, match="8 of 10 texts"), gate.hold(3):
            pytest.fail("admitted")
        with gate.hold(2):
            assert gate.in_use == 10
    assert gate.in_use == 0
    with gate.hold(50):
        assert gate.in_use == 50


def test_ready_says_what_is_missing(client: Client, embedder: WordHashEmbedder) -> None:
    embedder.failure = Unavailable("triton", "the embedding server does not answer")
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["dependencies"]["embedder"]["detail"] == "the embedding server does not answer"
    assert client.get("/health/live").status_code == 200


def test_ready_without_a_queue_which_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(self: MemoryQueue, *, bulk: bool | None = None) -> int:
        raise Unavailable("redis", "the queue does not answer")

    monkeypatch.setattr(MemoryQueue, "depth", away)
    response = client.get("/health/ready")
    assert response.status_code == 200
    queue = response.json()["dependencies"]["queue"]
    assert (queue["ok"], queue["detail"]) == (False, "the queue does not answer")


def test_models_and_schema(client: Client) -> None:
    assert client.get("/v1/models").json()["data"][0]["dim"] == DIM
    assert client.get("/v1/models/tests/word-hash").status_code == 200
    error = client.get("/v1/models/gpt").json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "model_not_found", "model")
    assert "/v1/embeddings" in client.get("/schema").json()["paths"]


def test_tokens_as_the_encoder_reads_them(client: Client) -> None:
    [row] = client.post("/v1/tokenize", json={"input": "học sinh"}).json()["data"]
    assert row["segmented"] == "học_sinh"
    assert row["count"] == len(row["tokens"]) == 3
    assert row["truncated"] is False


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/tokenize", "/v1/rerank", "/v1/collections/kb/search"])
def test_a_full_house_refuses_before_it_reads(tmp_path: Path, path: str) -> None:
    app = create_app(memory_services(tmp_path, limits=LimitSettings(max_in_flight=1)))
    with TestClient(app) as client:
        app.state.services.gates.requests.in_use = 1
        response = client.post(path, content=b"not even JSON")
        assert response.status_code == 429
        assert int(response.headers["Retry-After"]) >= 1
