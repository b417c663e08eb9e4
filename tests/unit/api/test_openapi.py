"""The OpenAPI document matches what the API does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from tests.support.services import memory_services

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("model")
    with TestClient(create_app(memory_services(folder)), base_url="http://127.0.0.1") as client:
        yield client


def test_every_path_allows_the_methods_of_its_document(client: Client) -> None:
    paths = client.get("/schema").json()["paths"]
    for path, item in paths.items():
        place = path.replace("{", "").replace("}", "")
        documented = {each.upper() for each in item if each in {"get", "put", "post", "patch", "delete"}}
        allowed = set(client.options(place).headers["allow"].split(", "))
        assert allowed - {"OPTIONS", "HEAD"} == documented, path
        refused = client.request("TRACE", place)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == allowed


def test_the_document_describes_bodies_as_they_are_checked(client: Client) -> None:
    document = client.get("/schema").json()
    schemas, paths = document["components"]["schemas"], document["paths"]
    assert schemas["SearchRequest"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["ChatRequest"]
    [whole, _] = schemas["ChatRequest"]["properties"]["top_k"]["anyOf"]
    assert whole == {"type": "integer", "minimum": 1, "maximum": 50}
    assert not paths["/v1/collections/{collection}/reindex"]["post"]["requestBody"]["required"]
    assert paths["/v1/collections/{collection}/search"]["post"]["requestBody"]["required"]


def test_errors_have_the_documented_types(client: Client) -> None:
    seen = 0
    for path, item in client.get("/schema").json()["paths"].items():
        for method, operation in item.items():
            if method not in {"put", "post", "patch"}:
                continue
            place = path.replace("{", "").replace("}", "")
            refused = client.request(method, place, content=b"[", headers={"Content-Type": "application/json"})
            if refused.status_code < 400:  # a body is not needed
                continue
            documented = operation["responses"][str(refused.status_code)]["content"]
            assert refused.headers["content-type"].split(";")[0] in documented, (method, path)
            seen += 1
    assert seen > 10
