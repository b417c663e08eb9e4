"""Keys and audit events over REST, with two API processes on one registry."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import sse
from api.keys import FixedKeys, Role, new_key
from phoserve.settings import HttpSettings
from tests.support.live import live_api, live_services
from tests.support.waiting import wait_until

ROOT, ROOT_ENTRY = new_key("root", Role.ADMIN)
KB_ADMIN, KB_ADMIN_ENTRY = new_key("kb-admin", Role.ADMIN, ("kb", "hr"))
PATIENT = HttpSettings(max_failed_keys_per_minute=100_000)
REVOKED_WITHIN_S = 3.0
"""One second, and what a busy machine adds."""


@dataclass(frozen=True)
class Deployment:
    """Two API processes and their state."""

    here: str
    there: str
    folder: Path


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("state")
    keys = FixedKeys((ROOT_ENTRY, KB_ADMIN_ENTRY))
    with (
        live_api(live_services(folder, keys=keys, http=PATIENT)) as here,
        live_api(live_services(tmp_path_factory.mktemp("other"), keys=keys, state=folder, http=PATIENT)) as there,
    ):
        ask(here, ROOT, "PUT", "/v1/collections/kb").raise_for_status()
        yield Deployment(here, there, folder)


def ask(url: str, secret: str, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, url + path, json=body, headers={"Authorization": f"Bearer {secret}"}, timeout=30)


def add(url: str, key_id: str, secret: str = ROOT, **more: Any) -> str:
    response = ask(url, secret, "POST", "/v1/keys", {"id": key_id, **more})
    assert response.status_code == 201, response.text
    return str(response.json()["secret"])


def status(url: str, secret: str, collection: str = "kb") -> int:
    return ask(url, secret, "GET", f"/v1/collections/{collection}").status_code


def test_a_key_is_valid_here_at_once_and_soon_elsewhere_until_it_is_revoked(deployment: Deployment) -> None:
    here, there = deployment.here, deployment.there
    secret = add(here, "intranet", role="writer", collections=["kb"], groups=["hr"])
    assert status(here, secret) == 200
    wait_until(lambda: status(there, secret) == 200, timeout_s=REVOKED_WITHIN_S)
    assert status(there, secret, "other") == 404
    [listed] = [each for each in ask(there, ROOT, "GET", "/v1/keys").json()["keys"] if each["id"] == "intranet"]
    assert listed.pop("created_at")
    assert listed == {
        "id": "intranet",
        "role": "writer",
        "collections": ["kb"],
        "groups": ["hr"],
        "source": "registry",
        "created_by": "root",
        "expires_at": None,
    }
    assert ask(there, ROOT, "DELETE", "/v1/keys/intranet").status_code == 204
    assert status(there, secret) == 401
    wait_until(lambda: status(here, secret) == 401, timeout_s=REVOKED_WITHIN_S)
    assert ask(here, ROOT, "DELETE", "/v1/keys/intranet").status_code == 404


def test_an_open_stream_ends_when_its_key_is_revoked_by_another_process(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_S", 0.2)
    secret = add(deployment.here, "streaming")
    ended = threading.Event()
    opened = threading.Event()

    def follow() -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        path = f"{deployment.here}/v1/collections/kb/events"
        with httpx.stream("GET", path, headers=headers, timeout=30) as stream:
            for _ in stream.iter_lines():
                opened.set()
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert opened.wait(20)
    assert not ended.wait(1.5), "a valid key keeps its stream"
    assert ask(deployment.there, ROOT, "DELETE", "/v1/keys/streaming").status_code == 204
    assert ended.wait(REVOKED_WITHIN_S)
    thread.join()


def test_idempotency_keys_of_two_clients_do_not_meet(deployment: Deployment) -> None:
    def send(secret: str, text: str) -> str:
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "import-1"}
        url, body = f"{deployment.here}/v1/collections/kb/documents", {"documents": [{"text": text}]}
        return str(
            httpx.post(url, json=body, headers=headers, timeout=30).raise_for_status().json()["documents"][0]["id"]
        )

    one, two = (add(deployment.here, each, role="writer", collections=["kb"]) for each in ("import-a", "import-b"))
    assert send(one, "xin") == send(one, "xin") != send(two, "chào")


def test_keys_of_the_settings_are_listed_and_changed_there(deployment: Deployment) -> None:
    listed = {each["id"]: each["source"] for each in ask(deployment.here, ROOT, "GET", "/v1/keys").json()["keys"]}
    assert listed["root"] == listed["kb-admin"] == "settings"
    refused = ask(deployment.here, ROOT, "DELETE", "/v1/keys/kb-admin")
    assert (refused.status_code, "key file" in refused.text) == (409, True)
    assert ask(deployment.here, ROOT, "POST", "/v1/keys", {"id": "root"}).status_code == 409


def test_a_key_of_the_registry_is_revoked_although_the_settings_have_its_id(
    deployment: Deployment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = add(deployment.here, "twin", groups=["hr"])
    listed_secret, listed = new_key("twin", Role.READER)
    services = live_services(tmp_path, keys=FixedKeys((ROOT_ENTRY, listed)), state=deployment.folder, http=PATIENT)
    with live_api(services) as url:
        assert [status(url, each) for each in (stored, listed_secret)] == [200, 200]
        sources = [each["source"] for each in ask(url, ROOT, "GET", "/v1/keys").json()["keys"] if each["id"] == "twin"]
        assert sorted(sources) == ["registry", "settings"]
        assert ask(url, ROOT, "DELETE", "/v1/keys/twin").status_code == 204
        assert [status(url, each) for each in (stored, listed_secret)] == [401, 200]
        refused = ask(url, ROOT, "DELETE", "/v1/keys/twin")
        assert (refused.status_code, "key file" in refused.text) == (409, True)
    wait_until(lambda: status(deployment.there, stored) == 401, timeout_s=REVOKED_WITHIN_S)


def test_an_administrator_of_some_collections_manages_no_others(deployment: Deployment) -> None:
    url = deployment.here
    add(url, "of-all")
    add(url, "of-board", collections=["board"])
    own = add(url, "own", KB_ADMIN, collections=["kb"], role="admin")
    for collections in (["*"], ["board"], ["kb", "board"]):
        refused = ask(url, KB_ADMIN, "POST", "/v1/keys", {"id": "more", "collections": collections})
        assert refused.status_code == 403, refused.text
    assert ask(url, KB_ADMIN, "POST", "/v1/keys", {"id": "more"}).status_code == 403, "all collections by default"
    seen = {each["id"] for each in ask(url, KB_ADMIN, "GET", "/v1/keys").json()["keys"]}
    assert {"own", "kb-admin"} <= seen
    assert seen.isdisjoint({"root", "of-all", "of-board"})
    for key_id in ("of-all", "of-board", "root"):
        foreign = ask(url, KB_ADMIN, "DELETE", f"/v1/keys/{key_id}")
        unknown = ask(url, KB_ADMIN, "DELETE", "/v1/keys/unknown")
        assert foreign.status_code == 404
        assert foreign.json()["detail"].replace(key_id, "unknown") == unknown.json()["detail"]
    assert ask(url, own, "DELETE", "/v1/keys/own").status_code == 204
    assert status(url, own) == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "-a"}, "id"),
        ({"id": "á"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a", "role": "owner"}, "role"),
        ({"id": "a", "collections": []}, "collections"),
        ({"id": "a", "collections": ["kb", "a b"]}, "collections[1]"),
        ({"id": "a", "collections": [""]}, "collections[0]"),
        ({"id": "a", "groups": ["a,b"]}, "groups"),
        ({"id": "a", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"id": "a", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"id": "a", "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"id": "a", "sha256": "0" * 64}, "sha256"),
    ],
    ids=str,
)
def test_a_wrong_request_names_the_field(deployment: Deployment, body: dict[str, Any], field: str) -> None:
    refused = ask(deployment.here, ROOT, "POST", "/v1/keys", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text


def test_an_expired_key_is_refused(deployment: Deployment) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    secret = add(deployment.here, "short", expires_at=soon.isoformat())
    assert status(deployment.here, secret) == 200
    wait_until(lambda: status(deployment.here, secret) == 401, timeout_s=10)


def test_the_secret_is_stored_nowhere(deployment: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        secret = add(deployment.here, "secret-test")
    wait_until(lambda: "secret-test" in json.dumps(events(deployment.here)), timeout_s=10)
    assert secret not in caplog.text
    assert secret not in json.dumps(events(deployment.here))
    # Not read in this process: closing a file of SQLite would release the locks of its connections.
    files = [str(file) for file in deployment.folder.glob("registry.sqlite3*")]
    found = subprocess.run(["grep", "-c", "--text", secret, *files], capture_output=True, text=True, check=False)
    assert {line.rsplit(":", 1)[1] for line in found.stdout.splitlines()} == {"0"}, found.stdout


def test_a_secret_that_is_given_as_an_id_is_not_stored(deployment: Deployment) -> None:
    url, secret = deployment.here, new_key("mistaken", Role.READER)[0]
    assert ask(url, ROOT, "DELETE", f"/v1/keys/{secret}").status_code == 404
    assert ask(url, ROOT, "DELETE", f"/v1/collections/kb/documents/{secret}").status_code == 404
    wait_until(lambda: json.dumps(events(url)).count(secret[:8]) == 2, timeout_s=10)
    assert secret not in json.dumps(events(url))


def events(url: str, secret: str = ROOT, query: str = "") -> list[dict[str, Any]]:
    response = ask(url, secret, "GET", f"/v1/audit?limit=1000{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["events"]
    return found


def test_every_write_is_an_event_that_every_process_lists(deployment: Deployment) -> None:
    url = deployment.here
    path = "/v1/collections/kb/documents"
    sent = ask(url, KB_ADMIN, "POST", path, {"documents": [{"id": "a", "text": "nội dung bí mật"}]})
    refused = ask(url, KB_ADMIN, "DELETE", f"{path}/none")
    made = ask(url, ROOT, "PUT", "/v1/collections/board")
    assert (sent.status_code, refused.status_code, made.is_success) == (202, 404, True)
    query = f"&since={datetime.now(UTC) - timedelta(seconds=20):%Y-%m-%dT%H:%M:%SZ}"
    requests = [each.headers["X-Request-Id"] for each in (sent, refused, made)]

    def listed(more: str = "") -> dict[str, Any]:
        return {each["request_id"]: each for each in events(deployment.there, query=query + more)}

    wait_until(lambda: set(requests) <= set(listed()), timeout_s=10)
    found = listed("&key=kb-admin")
    added, deleted = (found[each] for each in requests[:2])
    assert requests[2] not in found
    assert added["details"] == {"documents": 1}
    assert (added["address"], added["collection"], added["outcome"]) == ("127.0.0.1", "kb", "done")
    assert (deleted["outcome"], deleted["details"]) == ("DocumentNotFound", {"document": "none"})
    assert (added["action"], deleted["action"]) == ("add_documents", "delete_document")
    assert "bí mật" not in json.dumps(found, ensure_ascii=False)


# Every route that is not a GET: one that writes, with a body and its event, or one that only reads.
WRITES: dict[tuple[str, str], tuple[Any, str]] = {
    ("PUT", "/v1/collections/{collection}"): ({}, "put_collection"),
    ("POST", "/v1/collections/{collection}/model"): ({"model": "none"}, "change_model"),
    ("DELETE", "/v1/collections/{collection}/model"): (None, "cancel_model_change"),
    ("POST", "/v1/collections/{collection}/documents"): ({"documents": [{"id": "a/b", "text": "x"}]}, "add_documents"),
    ("POST", "/v1/collections/{collection}/documents/delete"): ({"states": ["failed"]}, "delete_documents"),
    ("POST", "/v1/collections/{collection}/reindex"): (None, "reindex_collection"),
    ("PATCH", "/v1/collections/{collection}/documents/{document_id}"): ({"access": []}, "set_access"),
    ("POST", "/v1/collections/{collection}/documents/{document_id}/reindex"): (None, "reindex_document"),
    ("DELETE", "/v1/collections/{collection}/documents/{document_id}"): (None, "delete_document"),
    ("POST", "/v1/collections/{collection}/answers/{answer_id}/feedback"): ({"vote": "up"}, "give_feedback"),
    ("DELETE", "/v1/collections/{collection}"): (None, "delete_collection"),
    ("POST", "/v1/keys"): ({"id": "audited"}, "add_key"),
    ("DELETE", "/v1/keys/{key_id}"): (None, "revoke_key"),
}
READS = {
    ("POST", "/v1/collections/{collection}/search"),
    ("POST", "/v1/collections/{collection}/answers"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/"),
    ("POST", "/embed"),
    ("POST", "/embeddings"),
    ("POST", "/rerank"),
    ("POST", "/v1/embed"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v2/embed"),
    ("POST", "/v1/rerank"),
    ("POST", "/v2/rerank"),
    ("POST", "/v1/tokenize"),
}


def test_no_route_that_writes_is_without_an_event(deployment: Deployment) -> None:
    url = deployment.here
    paths = ask(url, ROOT, "GET", "/schema").json()["paths"]
    served = {(method.upper(), path) for path, item in paths.items() for method in item} - READS
    assert {each for each in served if each[0] != "GET"} == WRITES.keys()
    ask(url, ROOT, "PUT", "/v1/collections/written").raise_for_status()
    sent: dict[str, tuple[str, str | None]] = {}
    for (method, path), (body, action) in WRITES.items():
        named = path.format(collection="written", document_id="a%2Fb", answer_id="x%2Fy", key_id="audited")
        response = ask(url, ROOT, method, named, body)
        assert response.status_code < 500, response.text
        sent[response.headers["X-Request-Id"]] = action, "written" if "{collection}" in path else None

    def found() -> dict[str, tuple[str, str | None]]:
        return {each["request_id"]: (each["action"], each["collection"]) for each in events(url)}

    wait_until(lambda: sent.items() <= found().items(), timeout_s=10)
    details = [each["details"] for each in events(url) if each["request_id"] in sent]
    assert {each["document"] for each in details if "document" in each} == {"a/b"}, "as the client wrote it"
    assert {each["answer"] for each in details if "answer" in each} == {"x/y"}


def test_an_administrator_of_some_collections_sees_events_of_these(deployment: Deployment) -> None:
    url = deployment.here
    for collection in ("board", "kb"):
        ask(url, ROOT, "PUT", f"/v1/collections/{collection}").raise_for_status()
    wait_until(lambda: {"board", "kb", None} <= {each["collection"] for each in events(url)}, timeout_s=10)
    assert {each["collection"] for each in events(url, KB_ADMIN)} == {"kb"}
    assert events(url, KB_ADMIN, "&collection=board") == []
    assert {each["collection"] for each in events(url, ROOT, "&collection=board")} == {"board"}


def test_pages_of_events_have_each_once(deployment: Deployment) -> None:
    url = deployment.here
    for _ in range(7):
        ask(url, ROOT, "PUT", "/v1/collections/kb").raise_for_status()
    wait_until(lambda: len(events(url, query="&action=put_collection")) >= 7, timeout_s=10)
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = ask(url, ROOT, "GET", f"/v1/audit?limit=3&action=put_collection{cursor and '&cursor='}{cursor}").json()
        seen += [each["id"] for each in page["events"]]
        cursor = page["cursor"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) >= 7


@pytest.mark.parametrize("query", ["cursor=x", "since=2026-01-01T00:00:00", "limit=0", "limit=1001", "since=yesterday"])
def test_a_wrong_listing_is_refused(deployment: Deployment, query: str) -> None:
    assert ask(deployment.here, ROOT, "GET", f"/v1/audit?{query}").status_code in (400, 422)


def test_a_path_of_any_bytes_is_stored_as_an_event(deployment: Deployment) -> None:
    url = deployment.here
    for name in ("%00", "%ED%A0%80", "x" * 4000, "%F0%9F%98%80"):
        ask(url, ROOT, "DELETE", f"/v1/keys/{name}")
    add(url, "after-strange-names")
    wait_until(lambda: "after-strange-names" in json.dumps(events(url)), timeout_s=10)


def test_a_server_without_keys_manages_none(tmp_path: Path) -> None:
    with live_api(live_services(tmp_path)) as url:
        for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/a")):
            refused = httpx.request(method, url + path, json={"id": "a"} if method == "POST" else None)
            assert refused.status_code == 404
            assert "PHOSERVE_KEYS__REQUIRED" in refused.json()["detail"]


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "cli", "keys", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_manages_keys_through_the_api_and_in_the_state_folder(deployment: Deployment) -> None:
    remote = ("--url", deployment.here, "--key", ROOT)
    local = ("--state", str(deployment.folder))
    for number, where in enumerate((remote, local)):
        secret = run("add", f"cli-{number}", "-c", "kb", "-g", "hr", *where).strip()
        wait_until(lambda secret=secret: status(deployment.here, secret) == 200, timeout_s=REVOKED_WITHIN_S)  # type: ignore[misc]
        assert f"cli-{number}" in run("list", *where)
        assert run("revoke", f"cli-{number}", *where) == f"Key cli-{number} is revoked.\n"
        wait_until(lambda secret=secret: status(deployment.here, secret) == 401, timeout_s=REVOKED_WITHIN_S)  # type: ignore[misc]
    wait_until(
        lambda: {"cli", "root"} <= {each["key"] for each in events(deployment.here, query="&action=revoke_key")},
        timeout_s=10,
    )
    added = json.loads(run("add", "cli-json", "--expires", "2099-01-01T00:00:00+07:00", "--json", *local))
    assert added["expires_at"] == "2098-12-31T17:00:00Z"
