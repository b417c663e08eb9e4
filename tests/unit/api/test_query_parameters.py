"""A query parameter that a route does not have is an error, on the routes of this API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from tests.support.services import memory_services

Client = TestClient[Litestar]
KB = "/v1/collections/kb"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("model")
    with TestClient(create_app(memory_services(folder)), base_url="http://127.0.0.1") as client:
        client.put(KB).raise_for_status()
        client.post(f"{KB}/documents", json={"documents": [{"id": "a/b", "text": "x"}]}).raise_for_status()
        yield client


@pytest.mark.parametrize(
    ("path", "field", "hint"),
    [
        (f"{KB}/documents?states=failed", "states", "`state`"),
        (f"{KB}/documents?limit=5&limt=5", "limt", "`limit`"),
        (f"{KB}/documents?%00=1", "\0", "parameters are"),
        (f"{KB}/documents/a%2Fb/passages?ofset=1", "ofset", "`offset`"),
        (f"{KB}/documents/a%2Fb?x", "x", "there is no query parameter"),
        (f"{KB}?" + "y" * 500, "y" * 64, "there is no query parameter"),
        ("/v1/collections?limit=5", "limit", "there is no query parameter"),
        (f"{KB}/feedback?Vote=up", "Vote", "`vote`"),
    ],
)
def test_an_unknown_parameter_is_named(client: Client, path: str, field: str, hint: str) -> None:
    refused = client.get(path)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == field
    assert hint in refused.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"{KB}/documents?limit=5&state=ready&state=failed",
        f"{KB}/documents?_=1700000000",
        f"{KB}/documents?",
        f"{KB}/documents?&",
        f"{KB}/documents/a%2Fb/passages?offset=0&limit=1",
        "/v1/models?limit=5",
        "/health/live?probe=1",
        "/?utm_source=mail",
    ],
)
def test_known_parameters_and_those_of_other_apis_are_accepted(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{KB}/documents?bulks=true", {"documents": [{"id": "b", "text": "x"}]}),
        ("POST", f"{KB}/search?top_k=5", {"query": "x"}),
        ("PUT", "/v1/collections/new?model=x", {}),
        ("DELETE", f"{KB}?dry_run=1", None),
    ],
)
def test_a_request_with_one_changes_nothing(client: Client, method: str, path: str, body: Any) -> None:
    assert client.request(method, path, json=body).status_code == 422
    assert [each["name"] for each in client.get("/v1/collections").json()["collections"]] == ["kb"]
    assert [each["id"] for each in client.get(f"{KB}/documents").json()["documents"]] == ["a/b"]
