"""Documents with groups, over every route: a key without one of the groups gets nothing of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litestar import Litestar

from api.app import create_app
from api.keys import FixedKeys, Role, new_key
from tests.support.live import live_api, live_services
from tests.support.waiting import wait_until

SECRET_WORD = "zebra"
OPEN = {
    "id": "open",
    "title": "Nghỉ phép",
    "text": "Nhân viên được nghỉ phép mười hai ngày.",
    "metadata": {"year": 2024},
}
HIDDEN = {
    "id": "hidden",
    "title": f"Mật {SECRET_WORD}",
    "text": f"Nhân viên {SECRET_WORD} được nghỉ phép chín mươi ngày và lương {SECRET_WORD}.",
    "metadata": {"secret_field": SECRET_WORD},
    "access": ["board"],
}
KB = "/v1/collections/kb"

ROOT, ROOT_ENTRY = new_key("root", Role.ADMIN)
BOARD, BOARD_ENTRY = new_key("board", Role.WRITER, ("kb",), ("board",))
STAFF, STAFF_ENTRY = new_key("staff", Role.WRITER, ("kb",), ("staff",))
PLAIN, PLAIN_ENTRY = new_key("plain", Role.READER, ("kb",))


@dataclass(frozen=True)
class Door:
    """One way to ask for documents; `unknown` is the same request about a document that does not exist."""

    method: str
    path: str
    body: Any = None
    status: int = 200
    """For a key that may not see the document."""
    shows: bool = True
    """Whether a key that may see it gets something of the document."""
    changes: bool = False


def of_document(method: str, suffix: str = "", body: Any = None, *, shows: bool = True, changes: bool = False) -> Door:
    return Door(method, f"{KB}/documents/hidden{suffix}", body, 404, shows, changes)


QUESTION = f"{SECRET_WORD} được nghỉ phép mấy ngày"
MESSAGES = [{"role": "user", "content": QUESTION}]
DOORS: dict[tuple[str, str], list[Door]] = {
    ("GET", "/v1/collections"): [Door("GET", "/v1/collections")],
    ("GET", KB): [Door("GET", KB)],
    ("PUT", KB): [Door("PUT", KB, {"description": "x"})],
    ("GET", f"{KB}/documents"): [
        Door("GET", f"{KB}/documents"),
        Door("GET", f"{KB}/documents?limit=1"),
        Door("GET", f"{KB}/documents?id=hidden&id=open"),
        Door("GET", f"{KB}/documents?state=ready&state=failed"),
    ],
    ("GET", f"{KB}/documents/{{document_id}}"): [of_document("GET")],
    ("PATCH", f"{KB}/documents/{{document_id}}"): [
        of_document("PATCH", body={"access": []}, changes=True),
        of_document("PATCH", body={"access": ["staff"]}, changes=True),
    ],
    ("DELETE", f"{KB}/documents/{{document_id}}"): [of_document("DELETE", shows=False, changes=True)],
    ("GET", f"{KB}/documents/{{document_id}}/passages"): [of_document("GET", "/passages")],
    ("GET", f"{KB}/documents/{{document_id}}/original"): [of_document("GET", "/original")],
    ("GET", f"{KB}/documents/{{document_id}}/text"): [of_document("GET", "/text")],
    ("POST", f"{KB}/documents/{{document_id}}/reindex"): [of_document("POST", "/reindex", changes=True)],
    ("POST", f"{KB}/documents"): [
        Door("POST", f"{KB}/documents", {"documents": [{"id": "hidden", "text": "mới"}]}, 409, changes=True),
        Door("POST", f"{KB}/documents", {"documents": [{"id": "own", "text": "mới"}, HIDDEN]}, 409, changes=True),
    ],
    ("POST", f"{KB}/documents/delete"): [
        Door("POST", f"{KB}/documents/delete", {"filter": {"secret_field": SECRET_WORD}}, changes=True)
    ],
    ("POST", f"{KB}/reindex"): [Door("POST", f"{KB}/reindex", {"states": ["ready"]}, 202, changes=True)],
    ("POST", f"{KB}/search"): [
        *(
            Door("POST", f"{KB}/search", {"query": QUESTION, "top_k": 50, "mode": mode, **more})
            for mode in ("hybrid", "dense", "lexical")
            for more in ({}, {"collapse": True}, {"diversity": 0.5}, {"per_document": 1})
        ),
        Door("POST", f"{KB}/search", {"query": QUESTION, "filter": {"secret_field": {"exists": True}}}),
        Door("POST", f"{KB}/search", {"query": QUESTION, "filter": {"$any": [{"secret_field": {"prefix": "z"}}]}}),
        Door("POST", f"{KB}/search", {"query": QUESTION, "filter": {"access": "board"}}, shows=False),
        Door("POST", f"{KB}/search", {"query": QUESTION, "filter": {"$not": {"visibility": "x"}}}),
    ],
    ("POST", f"{KB}/answers"): [
        Door("POST", f"{KB}/answers", {"question": QUESTION}),
        Door("POST", f"{KB}/answers", {"question": QUESTION, "stream": True, "include_support": True}),
    ],
    ("POST", "/v1/chat/completions"): [
        Door("POST", "/v1/chat/completions", {"model": "collection/kb", "messages": MESSAGES}),
        Door("POST", "/v1/chat/completions", {"model": "collection/kb", "messages": MESSAGES, "stream": True}),
    ],
    ("GET", f"{KB}/feedback"): [Door("GET", f"{KB}/feedback")],
}
TESTED_BELOW = {
    ("GET", f"{KB}/events"),
    ("POST", f"{KB}/answers/{{answer_id}}/feedback"),
}
WITHOUT_DOCUMENTS = {
    ("DELETE", KB): "an administrator's, who sees every document",
    ("GET", f"{KB}/model"): "names of models; counts are for keys that see every document",
    ("POST", f"{KB}/model"): "an administrator's, who sees every document",
    ("DELETE", f"{KB}/model"): "an administrator's, who sees every document",
    ("GET", "/v1/keys"): "an administrator's, who sees every document",
    ("POST", "/v1/keys"): "an administrator's, who sees every document",
    ("DELETE", "/v1/keys/{key_id}"): "an administrator's, who sees every document",
    ("GET", "/v1/audit"): "an administrator's, who sees every document",
    ("GET", "/"): "the console's files",
    ("GET", "/console/{name}"): "the console's files",
    ("GET", "/health/live"): "nothing of any collection",
    ("GET", "/health/ready"): "nothing of any collection",
    ("GET", "/metrics"): "an administrator's, who sees every document",
    ("GET", "/schema"): "nothing of any collection",
    ("GET", "/schema/openapi.json"): "nothing of any collection",
    ("GET", "/schema/{path}"): "nothing of any collection",
    ("GET", "/v1/models"): "names of models and collections",
    ("GET", "/v1/models/{model}"): "names of models and collections",
    ("POST", "/v1/embeddings"): "vectors of the caller's own texts",
    ("POST", "/v1/rerank"): "scores of the caller's own texts",
    ("POST", "/v2/rerank"): "scores of the caller's own texts",
    ("GET", "/health"): "nothing of any collection",
    ("GET", "/models"): "names of models and collections",
    ("POST", "/embeddings"): "vectors of the caller's own texts",
    ("POST", "/embed"): "vectors of the caller's own texts",
    ("POST", "/"): "vectors of the caller's own texts",
    ("POST", "/v1/embed"): "vectors of the caller's own texts",
    ("POST", "/v2/embed"): "vectors of the caller's own texts",
    ("POST", "/rerank"): "scores of the caller's own texts",
    ("POST", "/v1/tokenize"): "tokens of the caller's own texts",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = FixedKeys((ROOT_ENTRY, BOARD_ENTRY, STAFF_ENTRY, PLAIN_ENTRY))
    with live_api(live_services(tmp_path_factory.mktemp("model"), keys=keys, min_confidence=0.0)) as url:
        ask(url, ROOT, "PUT", KB).raise_for_status()
        yield url


@pytest.fixture(autouse=True)
def filled(url: str) -> None:
    """Both documents as they were before the test, with feedback on an answer from the hidden one."""
    ask(url, ROOT, "POST", f"{KB}/documents", {"documents": [OPEN, HIDDEN]}).raise_for_status()
    wait_for(url, 2)
    ask(url, ROOT, "PATCH", f"{KB}/documents/hidden", {"access": ["board"]}).raise_for_status()


def wait_for(url: str, documents: int) -> None:
    def is_indexed() -> bool:
        listed = ask(url, ROOT, "GET", f"{KB}/documents").json()["documents"]
        return len(listed) >= documents and all(each["state"] == "ready" for each in listed)

    wait_until(is_indexed)


def ask(url: str, secret: str, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.request(method, url + path, json=body, headers=headers, timeout=30, **more)


def leaks(response: httpx.Response) -> bool:
    """Whether the response has anything of the hidden document that the request did not have."""
    text = response.text.replace(QUESTION, "")
    return any(word in text for word in (SECRET_WORD, "chín mươi", '"hidden"', "board"))


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """Method and path of every handler; the collection is `kb`."""
    found = set()
    for route in app.routes:
        methods: set[str] = {str(each) for each in route.methods} - {"OPTIONS", "HEAD"}
        path = route.path_format.replace("{collection:str}", "kb")
        for name in ("document_id", "answer_id", "name", "model", "key_id"):
            path = path.replace(f"{{{name}:str}}", f"{{{name}}}").replace(f"{{{name}:path}}", f"{{{name}}}")
        path = path.replace("{collection}", "kb")
        found |= {(method, path) for method in methods}
    return found


def test_every_route_is_tested_for_hidden_documents(tmp_path: Any) -> None:
    """A new route fails here until it is named above: with its doors, or with the reason why it shows no document."""
    app = create_app(live_services(tmp_path))
    assert routes_of(app) == DOORS.keys() | TESTED_BELOW | WITHOUT_DOCUMENTS.keys()


@pytest.mark.parametrize("door", [door for doors in DOORS.values() for door in doors], ids=str)
def test_a_key_without_the_group_sees_nothing(url: str, door: Door) -> None:
    before = ask(url, ROOT, "GET", f"{KB}/documents/hidden").json()
    for secret in (STAFF, PLAIN):
        response = ask(url, secret, door.method, door.path, door.body)
        assert response.status_code in ({door.status} if secret is STAFF else {door.status, 403, 404})
        if response.status_code != 409:
            assert not leaks(response), response.text
    assert ask(url, ROOT, "GET", f"{KB}/documents/hidden").json() == before, "and changes nothing"


@pytest.mark.parametrize(
    "door", [d for doors in DOORS.values() for d in doors if d.shows and not d.changes and d.method != "PUT"], ids=str
)
def test_a_key_with_the_group_sees_the_document(url: str, door: Door) -> None:
    if door.path.endswith("feedback"):
        rate_an_answer(url, BOARD)
    for secret in (BOARD, ROOT):
        response = ask(url, secret, door.method, door.path, door.body)
        assert response.status_code == 200, response.text
        shown: Any = response.json() if "json" in response.headers["content-type"] else None
        if door.path in ("/v1/collections", KB):
            counted = shown if door.path == KB else shown["collections"][0]
            assert (counted["documents"], counted["passages"]) == ({"ready": 2}, 2)
        else:
            assert leaks(response), response.text


def test_counts_are_of_what_the_key_sees(url: str) -> None:
    for secret in (STAFF, PLAIN):
        found = ask(url, secret, "GET", KB).json()
        assert (found["documents"], found["passages"]) == ({"ready": 1}, 1)


def test_a_hidden_document_looks_like_none(url: str) -> None:
    for doors in DOORS.values():
        for door in (each for each in doors if each.status == 404):
            hidden = ask(url, STAFF, door.method, door.path, door.body).json()
            unknown = ask(url, STAFF, door.method, door.path.replace("hidden", "higgen"), door.body).json()
            text = json.dumps({k: v for k, v in hidden.items() if k != "request_id"})
            assert text == json.dumps({k: v for k, v in unknown.items() if k != "request_id"}).replace(
                "higgen", "hidden"
            )


def rate_an_answer(url: str, secret: str) -> str:
    answer = ask(url, secret, "POST", f"{KB}/answers", {"question": QUESTION}).json()
    rated = ask(url, secret, "POST", f"{KB}/answers/{answer['id']}/feedback", {"vote": "up", "comment": SECRET_WORD})
    assert rated.status_code == 204, rated.text
    return str(answer["id"])


def test_feedback_on_answers_from_hidden_documents(url: str) -> None:
    answer_id = rate_an_answer(url, BOARD)
    feedback = f"{KB}/answers/{answer_id}/feedback"
    assert ask(url, STAFF, "POST", feedback, {"vote": "down"}).status_code == 404
    assert not leaks(ask(url, STAFF, "GET", f"{KB}/feedback"))
    shown = ask(url, BOARD, "GET", f"{KB}/feedback").json()
    assert answer_id in [each["answer"]["id"] for each in shown["feedback"]]
    assert "hidden" in [each["positive_id"] for each in shown["labels"]]
    # The groups that the document has now count, and those it had last when it is gone.
    ask(url, ROOT, "PATCH", f"{KB}/documents/hidden", {"access": ["staff"]}).raise_for_status()
    assert answer_id in [f["answer"]["id"] for f in ask(url, STAFF, "GET", f"{KB}/feedback").json()["feedback"]]
    assert answer_id not in [f["answer"]["id"] for f in ask(url, BOARD, "GET", f"{KB}/feedback").json()["feedback"]]
    ask(url, ROOT, "DELETE", f"{KB}/documents/hidden").raise_for_status()
    assert answer_id not in [f["answer"]["id"] for f in ask(url, STAFF, "GET", f"{KB}/feedback").json()["feedback"]]


def test_events_are_of_what_the_key_sees(url: str) -> None:
    seen: dict[str, list[str]] = {STAFF: [], BOARD: []}
    for secret, ids in seen.items():
        headers = {"Authorization": f"Bearer {secret}"}
        with httpx.stream("GET", f"{url}{KB}/events", headers=headers, timeout=30) as stream:
            ask(url, ROOT, "POST", f"{KB}/documents/hidden/reindex").raise_for_status()
            wait_for(url, 2)
            ask(url, ROOT, "POST", f"{KB}/documents/open/reindex").raise_for_status()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    ids.append(json.loads(line[6:])["id"])
                    if ids[-1] == "open":
                        break
    assert set(seen[STAFF]) == {"open"}
    assert set(seen[BOARD]) == {"open", "hidden"}


def test_changed_groups_are_in_force_when_the_response_arrives(url: str) -> None:
    search = {"query": QUESTION, "mode": "lexical"}

    def finds(secret: str) -> bool:
        listed = [each["id"] for each in ask(url, secret, "GET", f"{KB}/documents").json()["documents"]]
        hits = [each["document_id"] for each in ask(url, secret, "POST", f"{KB}/search", search).json()["hits"]]
        assert ("hidden" in hits) == ("hidden" in listed)
        return "hidden" in hits

    for access, expected in [
        (["staff"], (True, False, False)),
        (["staff", "board"], (True, True, False)),
        ([], (True, True, True)),
        (["board"], (False, True, False)),
    ]:
        changed = ask(url, ROOT, "PATCH", f"{KB}/documents/hidden", {"access": access})
        assert changed.json()["access"] == sorted(access)
        assert (finds(STAFF), finds(BOARD), finds(PLAIN)) == expected


def test_a_key_adds_its_own_groups_alone(url: str) -> None:
    def upload(secret: str, id_: str, access: Any) -> int:
        draft = {"id": id_, "text": "mới", **({} if access is None else {"access": access})}
        return ask(url, secret, "POST", f"{KB}/documents", {"documents": [draft]}).status_code

    try:
        assert upload(STAFF, "s", ["board"]) == 403
        assert upload(STAFF, "s", ["staff"]) == 202
        wait_for(url, 3)
        assert ask(url, STAFF, "PATCH", f"{KB}/documents/s", {"access": ["staff", "board"]}).status_code == 403
        assert ask(url, ROOT, "PATCH", f"{KB}/documents/s", {"access": ["staff", "board"]}).status_code == 200
        assert upload(STAFF, "s", None) == 202, "the groups stay"
        assert ask(url, BOARD, "GET", f"{KB}/documents/s").json()["access"] == ["board", "staff"]
        assert upload(BOARD, "s", ["board", "staff"]) == 202, "nothing is added"
        assert upload(BOARD, "s", ["board"]) == 202
        assert ask(url, STAFF, "GET", f"{KB}/documents/s").status_code == 404
        assert upload(STAFF, "s", None) == 409
        assert upload(PLAIN, "x", ["staff"]) == 403, "a reader does not write"
    finally:
        wait_for(url, 3)
        ask(url, ROOT, "DELETE", f"{KB}/documents/s")


@pytest.mark.parametrize(
    ("access", "status"),
    [
        ([], 202), (["a"] * 32, 202), ([f"g{n}" for n in range(32)], 202), (["x" * 64], 202), (["kế toán"], 202),
        ([f"g{n}" for n in range(33)], 422), ([""], 422), ([" a"], 422), (["a,b"], 422), (["a\n"], 422),
        (["x" * 65], 422), (["x" * 10_000], 422), ("a", 422), ([1], 422), ([None], 422), (["\ud800"], 422),
        (["a\x00"], 422),
    ],
)  # fmt: skip
def test_groups_have_limits(url: str, access: Any, status: int) -> None:
    body = json.dumps({"documents": [{"id": "limits", "text": "mới", "access": access}]})
    headers = {"Authorization": f"Bearer {ROOT}", "Content-Type": "application/json"}
    answer = httpx.post(f"{url}{KB}/documents", content=body, headers=headers)
    assert answer.status_code in ({202} if status == 202 else {400, 422}), answer.text
    if status == 202:
        wait_for(url, 3)
        ask(url, ROOT, "DELETE", f"{KB}/documents/limits").raise_for_status()


def test_files_take_groups_from_the_form(url: str) -> None:
    headers = {"Authorization": f"Bearer {ROOT}"}
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"access": '["kế toán", "a"]'}, ["a", "kế toán"]),
        ({"access": ["b", "a"]}, ["a", "b"]),
        ({}, ["a", "b"]),
        ({"access": ""}, []),
    ]
    for fields, expected in cases:
        files = {"files": ("f.txt", "nội dung".encode())}
        sent = httpx.post(f"{url}{KB}/documents", files=files, data={"id": "form", **fields}, headers=headers)
        assert sent.status_code == 202, sent.text
        assert ask(url, ROOT, "GET", f"{KB}/documents/form").json()["access"] == expected
        wait_for(url, 3)
    ask(url, ROOT, "DELETE", f"{KB}/documents/form").raise_for_status()
    refused = httpx.post(
        f"{url}{KB}/documents", files={"files": ("f.txt", b"x")}, data={"access": "[1]"}, headers=headers
    )
    assert refused.status_code == 422
