"""Web pages that a user merely visits can neither read nor change what an API without keys holds."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from api.keys import FixedKeys, KeyFile, Role, new_key
from phoserve.settings import HttpSettings
from tests.support.services import memory_services

APP = "https://app.example.com"
Client = TestClient[Litestar]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    http = HttpSettings(allowed_hosts="kb.internal", cors_origins=APP)
    with TestClient(create_app(memory_services(tmp_path, http=http)), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST", "kb.internal"])
def test_known_hosts_are_served(client: Client, host: str) -> None:
    assert client.get("/v1/collections", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost@evil.example", "[", "", "10.0.0.5"]
)
@pytest.mark.parametrize("path", ["/v1/collections", "/health/ready", "/metrics", "/", "/schema"])
def test_other_hosts_are_misdirected(client: Client, host: str, path: str) -> None:
    response = client.get(path, headers={"Host": host})
    assert response.status_code == 421
    assert "PHOSERVE_HTTP__ALLOWED_HOSTS" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
        {"Origin": "http://127.0.0.1:8000@evil.example"},
        {"Origin": "//"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_pages_of_other_origins_change_nothing(client: Client, method: str, headers: dict[str, str]) -> None:
    path = "/v1/collections/kb"
    response = client.request(method, path if method != "POST" else f"{path}/documents", headers=headers)
    assert response.status_code == 403
    assert client.get("/v1/collections").json()["collections"] == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_pages_of_other_origins_load_nothing(client: Client, site: str, mode: str, method: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    for path in ("/v1/collections", "/v1/collections/kb/events", "/health/ready", "/console/main.js"):
        assert client.request(method, path, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": APP},
    ],
)
def test_links_and_own_pages_are_served(client: Client, headers: dict[str, str]) -> None:
    for path in ("/", "/v1/collections", "/console/main.js"):
        assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8000"}, {"Origin": APP}]
)
def test_own_pages_other_programs_and_allowed_origins_change_data(client: Client, headers: dict[str, str]) -> None:
    response = client.put("/v1/collections/kb", headers=headers)
    assert response.status_code == 201
    assert response.headers.get("access-control-allow-origin") == (APP if headers.get("Origin") == APP else None)


def test_preflights_are_answered_for_allowed_origins_only(client: Client) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    allowed = client.options("/v1/collections/kb/search", headers=asked | {"Origin": APP})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, APP)
    refused = client.options("/v1/collections/kb/search", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/json"])
def test_json_routes_take_json_only(client: Client, kind: str) -> None:
    client.put("/v1/collections/kb").raise_for_status()
    for path in ("kb/documents", "kb/search", "kb/answers"):
        body = b'{"query": "a", "question": "a", "documents": [{"text": "a"}]}'
        response = client.post(f"/v1/collections/{path}", content=body, headers={"Content-Type": kind})
        assert response.status_code == 415, (path, response.text)


def test_with_keys_any_host_is_served_but_details_need_a_key(tmp_path: Path) -> None:
    secret, entry = new_key("app", Role.READER)
    admin, admin_entry = new_key("root", Role.ADMIN)
    services = memory_services(tmp_path, keys=FixedKeys((entry, admin_entry)))
    with TestClient(create_app(services), base_url="https://kb.example.com") as client:
        reader, root = ({"Authorization": f"Bearer {each}"} for each in (secret, admin))
        assert client.get("/v1/collections", headers=reader).status_code == 200
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").json() == {"ready": True, "status": "ok"}
        assert "dependencies" in client.get("/health/ready", headers=reader).json()
        assert client.get("/schema").status_code == 401
        assert client.get("/schema", headers=reader).status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=reader).status_code == 403
        assert client.get("/metrics", headers=root).status_code == 200
        assert client.get("/v1/collections", headers=reader).headers["cache-control"] == "no-store"


def test_wrong_keys_are_throttled_by_address(tmp_path: Path) -> None:
    secret, entry = new_key("app", Role.READER)
    http = HttpSettings(max_failed_keys_per_minute=5, trusted_proxies="*")
    with TestClient(create_app(memory_services(tmp_path, keys=FixedKeys((entry,)), http=http))) as client:

        def status(key: str, address: str) -> int:
            headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
            return client.get("/v1/collections", headers=headers).status_code

        assert [status(f"guess-{n}", "203.0.113.1") for n in range(8)] == [401] * 5 + [429] * 3
        assert status(secret, "203.0.113.1") == 429
        assert status(secret, "203.0.113.2") == 200


def test_wrong_keys_do_not_lock_out_keys_that_are_in_use_behind_the_same_address(tmp_path: Path) -> None:
    (app, app_entry), (other, other_entry) = new_key("app", Role.READER), new_key("other", Role.READER)
    path = tmp_path / "keys.json"
    path.write_bytes(msgspec.json.encode([app_entry, other_entry]))
    ring = KeyFile(path)
    http = HttpSettings(max_failed_keys_per_minute=5)
    (tmp_path / "model").mkdir()
    with TestClient(create_app(memory_services(tmp_path / "model", keys=ring, http=http))) as client:

        def status(key: str) -> int:
            return client.get("/v1/collections", headers={"Authorization": f"Bearer {key}"}).status_code

        assert status(app) == 200
        assert [status(f"guess-{n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert status(app) == 200
        assert status(other) == 429, "not used from here before"
        path.write_bytes(msgspec.json.encode([other_entry]))
        ring._look_at = 0.0
        assert [status(app) for _ in range(2)] == [401, 429], "a key that is not valid any more proves nothing"
