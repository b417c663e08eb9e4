"""Every route, by every role, on its own and on a foreign collection: no door open, no difference to be seen."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.keys import FixedKeys, Role, new_key
from tests.integration.api.conftest import fill
from tests.support.live import live_api, live_services

ROLES = list(Role)
SECRETS = {role: new_key(role, role, ("kb",)) for role in ROLES}
ADMIN, ADMIN_ENTRY = new_key("root", Role.ADMIN)
MESSAGES = [{"role": "user", "content": "nghỉ phép"}]

# method, path, body, the least role, status where it is allowed
COLLECTION_ROUTES: list[tuple[str, str, Any, Role, int]] = [
    ("GET", "/v1/collections/{c}", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/documents", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/documents/pay", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/documents/pay/passages", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/documents/pay/original", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/documents/pay/text", None, Role.READER, 200),
    ("GET", "/v1/collections/{c}/feedback", None, Role.WRITER, 200),
    ("POST", "/v1/collections/{c}/answers/none/feedback", {"vote": "up"}, Role.READER, 404),
    ("POST", "/v1/collections/{c}/search", {"query": "nghỉ phép"}, Role.READER, 200),
    ("POST", "/v1/collections/{c}/answers", {"question": "nghỉ phép"}, Role.READER, 200),
    ("PUT", "/v1/collections/{c}", {}, Role.WRITER, 200),
    ("POST", "/v1/collections/{c}/documents", {"documents": [{"id": "new", "text": "mới"}]}, Role.WRITER, 202),
    ("PATCH", "/v1/collections/{c}/documents/pay", {"access": []}, Role.WRITER, 200),
    ("POST", "/v1/collections/{c}/documents/pay/reindex", None, Role.WRITER, 202),
    ("POST", "/v1/collections/{c}/reindex", None, Role.WRITER, 202),
    ("POST", "/v1/collections/{c}/documents/delete", {"states": ["failed"]}, Role.WRITER, 200),
    ("DELETE", "/v1/collections/{c}/documents/new", None, Role.WRITER, 204),
    ("GET", "/v1/collections/{c}/model", None, Role.READER, 200),
    ("POST", "/v1/collections/{c}/model", {"model": "unknown"}, Role.ADMIN, 404),
    ("DELETE", "/v1/collections/{c}/model", None, Role.ADMIN, 200),
    ("DELETE", "/v1/collections/{c}", None, Role.ADMIN, 204),
]
OTHER_ROUTES: list[tuple[str, str, Any, Role, int]] = [
    ("GET", "/v1/models", None, Role.READER, 200),
    ("GET", "/v1/collections", None, Role.READER, 200),
    ("POST", "/v1/embeddings", {"input": "a"}, Role.READER, 200),
    ("POST", "/v1/tokenize", {"input": "a"}, Role.READER, 200),
    ("POST", "/v1/rerank", {"query": "a", "documents": ["a"]}, Role.READER, 404),
    ("POST", "/v2/rerank", {"query": "a", "documents": ["a"]}, Role.READER, 404),
    ("POST", "/rerank", {"query": "a", "texts": ["a"]}, Role.READER, 404),
    ("GET", "/models", None, Role.READER, 200),
    ("POST", "/embeddings", {"input": "a"}, Role.READER, 200),
    ("POST", "/embed", {"inputs": "a"}, Role.READER, 200),
    ("POST", "/", {"inputs": "a"}, Role.READER, 200),
    ("POST", "/v1/embed", {"texts": ["a"]}, Role.READER, 200),
    ("POST", "/v2/embed", {"texts": ["a"]}, Role.READER, 200),
    ("POST", "/v1/chat/completions", {"model": "collection/kb", "messages": MESSAGES}, Role.READER, 200),
]
ADMIN_ROUTES: list[tuple[str, str, Any, int]] = [
    ("GET", "/v1/keys", None, 200),
    ("POST", "/v1/keys", {"id": "new", "collections": ["kb"]}, 201),
    ("DELETE", "/v1/keys/new", None, 204),
    ("GET", "/v1/audit", None, 200),
]
OPEN_ROUTES = ["/health/live", "/health/ready", "/health", "/", "/console/main.js"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = FixedKeys((*(entry for _, entry in SECRETS.values()), ADMIN_ENTRY))
    with live_api(live_services(tmp_path_factory.mktemp("model"), keys=keys)) as url:
        yield url


@pytest.fixture(autouse=True)
def filled(url: str) -> None:
    for name in ("kb", "board"):
        fill(url, collection=name, headers=bearer(ADMIN))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def ask(url: str, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.request(method, url + path, json=body, headers=headers)


def test_the_table_names_every_route(url: str) -> None:
    paths = httpx.get(url + "/schema", headers=bearer(SECRETS[Role.READER][0])).json()["paths"]
    known = {(method, path.format(c="{collection}")) for method, path, *_ in [*COLLECTION_ROUTES, *OTHER_ROUTES]}
    known |= {(method, path) for method, path, *_ in ADMIN_ROUTES}
    named = {
        (
            m,
            p.replace("/documents/pay", "/documents/{document_id}")
            .replace("/keys/new", "/keys/{key_id}")
            .replace("/new", "/{document_id}")
            .replace("/none/", "/{answer_id}/"),
        )
        for m, p in known
    }
    served = {(m.upper(), p) for p, item in paths.items() for m in item if not p.startswith("/health")}
    # Tested by themselves below: an endless stream, and a name inside the path.
    assert served - named == {("GET", "/v1/collections/{collection}/events"), ("GET", "/v1/models/{model}")}


@pytest.mark.parametrize(("method", "path", "body", "least", "status"), COLLECTION_ROUTES)
@pytest.mark.parametrize("role", ROLES)
def test_roles(url: str, role: Role, method: str, path: str, body: Any, least: Role, status: int) -> None:
    if path.endswith("/new"):
        ask(url, "POST", "/v1/collections/kb/documents", {"documents": [{"id": "new", "text": "m"}]}, bearer(ADMIN))
    headers = bearer(SECRETS[role][0])
    response = ask(url, method, path.format(c="kb"), body, headers)
    assert response.status_code == (status if role.includes(least) else 403), response.text
    assert ask(url, method, path.format(c="kb"), body).status_code == 401


@pytest.mark.parametrize(("method", "path", "body", "least", "status"), COLLECTION_ROUTES)
@pytest.mark.parametrize("role", ROLES)
def test_a_foreign_collection_looks_like_none(
    url: str, role: Role, method: str, path: str, body: Any, least: Role, status: int
) -> None:
    headers = bearer(SECRETS[role][0])
    foreign = ask(url, method, path.format(c="board"), body, headers)
    unknown = ask(url, method, path.format(c="bored"), body, headers)
    assert foreign.status_code == unknown.status_code == 404
    assert same(foreign, "board") == same(unknown, "bored")


def same(response: httpx.Response, name: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    return {key: str(value).replace(name, "NAME") for key, value in problem.items() if key != "request_id"}


@pytest.mark.parametrize(("method", "path", "body", "least", "status"), OTHER_ROUTES)
def test_routes_without_a_collection(url: str, method: str, path: str, body: Any, least: Role, status: int) -> None:
    assert ask(url, method, path, body).status_code == 401
    assert ask(url, method, path, body, bearer("pho_wrong")).status_code == 401
    response = ask(url, method, path, body, bearer(SECRETS[Role.READER][0]))
    assert response.status_code == status
    assert "board" not in response.text


@pytest.mark.parametrize("role", [Role.READER, Role.WRITER, Role.ADMIN])
def test_routes_of_administrators(url: str, role: Role) -> None:
    for method, path, body, status in ADMIN_ROUTES:
        assert ask(url, method, path, body).status_code == 401
        response = ask(url, method, path, body, bearer(SECRETS[role][0]))
        assert response.status_code == (status if role is Role.ADMIN else 403), response.text
        assert "board" not in response.text


@pytest.mark.parametrize("path", OPEN_ROUTES)
def test_what_probes_and_browsers_need_is_open_and_tells_nothing(url: str, path: str) -> None:
    response = httpx.get(url + path)
    assert response.status_code == 200
    assert "board" not in response.text


def test_events_and_models_of_foreign_collections(url: str) -> None:
    headers = bearer(SECRETS[Role.ADMIN][0])
    assert httpx.get(url + "/v1/collections/board/events", headers=headers).status_code == 404
    assert httpx.get(url + "/v1/models/collection/board", headers=headers).status_code == 404
    body = {"model": "collection/board", "messages": MESSAGES}
    assert ask(url, "POST", "/v1/chat/completions", body, headers).status_code == 404
    listed = httpx.get(url + "/v1/collections", headers=headers).json()["collections"]
    assert [each["name"] for each in listed] == ["kb"]


@pytest.mark.parametrize(
    "where",
    [{"collection": "board"}, {"$any": [{"collection": "board"}, {"$not": {"x": 1}}]}, {"$not": {"visibility": "x"}}],
)
def test_filters_do_not_leave_the_collection(url: str, where: Any) -> None:
    ask(
        url,
        "POST",
        "/v1/collections/board/documents",
        {"documents": [{"id": "top", "text": "nghỉ phép mật"}]},
        bearer(ADMIN),
    )
    body = {"query": "nghỉ phép mật", "filter": where}
    hits = ask(url, "POST", "/v1/collections/kb/search", body, bearer(SECRETS[Role.READER][0])).json()["hits"]
    assert "top" not in [hit["document_id"] for hit in hits]


def test_forbidden_and_unknown_take_the_same_time(url: str) -> None:
    headers = bearer(SECRETS[Role.READER][0])
    times: dict[str, list[float]] = {"board": [], "bored": []}
    with httpx.Client(base_url=url, headers=headers) as client:
        for _ in range(100):
            for name, taken in times.items():
                begun = time.perf_counter()
                client.get(f"/v1/collections/{name}")
                taken.append(time.perf_counter() - begun)
    forbidden, unknown = (statistics.median(taken) for taken in times.values())
    assert abs(forbidden - unknown) < 0.15 * max(forbidden, unknown)
