"""Random keys, groups, collections and documents over every route, compared with a model of who may see what.

Each response is checked against every document that the key may not see: one check a response and document.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.keys import FixedKeys, Role, new_key
from tests.support.live import live_api, live_services
from tests.support.waiting import wait_until

GROUPS = ("nhân sự", "kế toán", "ban giám đốc", "it", "pháp chế")
COLLECTIONS = ("kb", "hr", "law")
DOCUMENTS = 24
KEYS = 10
ROUNDS = 1
CHECKS = 10_000
VOTES = 8
QUERY = "nhân viên được nghỉ phép mấy ngày"
ROOT, ROOT_ENTRY = new_key("root", Role.ADMIN)


@dataclass
class Key:
    """A key, and what the model allows it."""

    secret: str
    role: Role
    collections: tuple[str, ...]
    groups: tuple[str, ...]

    def sees(self, collection: str, access: tuple[str, ...]) -> bool:
        may_touch = collection in self.collections or "*" in self.collections
        return may_touch and (self.role is Role.ADMIN or not access or bool(set(access) & set(self.groups)))


@dataclass
class World:
    """The model: documents by collection and id, with their groups and a word that only they have."""

    keys: list[Key]
    rng: random.Random
    client: httpx.Client
    access: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    words: dict[tuple[str, str], str] = field(default_factory=dict)
    keys_of: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often the document was deleted: a new one of the same id is another document."""
    votes: dict[tuple[str, str], list[tuple[str, int, tuple[str, ...]]]] = field(default_factory=dict)
    """By collection and answer, the documents that it was made from, with their groups at that time."""
    requests: int = 0
    checks: int = 0
    leaks: list[str] = field(default_factory=list)

    def ask(self, secret: str, method: str, path: str, body: Any = None) -> httpx.Response:
        self.requests += 1
        headers = {"Authorization": f"Bearer {secret}"}
        return self.client.request(method, path, json=body, headers=headers)

    def put(self, collection: str, id_: str) -> None:
        """Upload a document with random groups, or with those it has."""
        word = f"x{uuid.UUID(int=self.rng.getrandbits(128)).hex}"
        draft: dict[str, Any] = {"id": id_, "title": f"Tài liệu {word}", "metadata": {"kind": "a", "word": word}}
        draft["text"] = f"Nhân viên {word} được nghỉ phép {self.rng.randint(1, 99)} ngày."
        if (collection, id_) not in self.access or self.rng.random() < 0.5:
            self.access[collection, id_] = tuple(self.rng.sample(GROUPS, self.rng.choice((0, 1, 1, 2, 3))))
            draft["access"] = list(self.access[collection, id_])
        self.words[collection, id_] = word
        self.ask(ROOT, "POST", f"/v1/collections/{collection}/documents", {"documents": [draft]}).raise_for_status()

    def settle(self) -> None:
        for collection in COLLECTIONS:
            path = f"/v1/collections/{collection}"
            wait_until(partial(self._is_settled, path), timeout_s=60)

    def _is_settled(self, path: str) -> bool:
        return bool(self.ask(ROOT, "GET", path).json()["documents"].keys() <= {"ready"})

    def check(self, key: Key, response: httpx.Response, request: str) -> None:
        """No word of a document that the key may not see is in the response."""
        text = response.text
        for (collection, id_), word in self.words.items():
            if not key.sees(collection, self.access[collection, id_]):
                self.checks += 1
                if word in text:
                    self.leaks.append(f"{request}: {collection}/{id_} to {key.groups}")

    def same(self, key: Key, request: str, found: object, expected: object) -> None:
        self.checks += 1
        if found != expected:
            self.leaks.append(f"{request} to {key.groups}: {found} instead of {expected}")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    rng = random.Random(20260101)
    keys, entries = [], [ROOT_ENTRY]
    for number in range(KEYS):
        role = rng.choice((Role.READER, Role.WRITER, Role.WRITER, Role.ADMIN))
        collections = rng.choice((("*",), COLLECTIONS[:2], COLLECTIONS[1:], (rng.choice(COLLECTIONS),)))
        groups = tuple(rng.sample(GROUPS, rng.randint(0, 3)))
        secret, entry = new_key(f"key{number}", role, collections, groups)
        keys.append(Key(secret, role, collections, groups))
        entries.append(entry)
    services = live_services(tmp_path, keys=FixedKeys(tuple(entries)), min_confidence=0.0)
    with live_api(services) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield World(keys, rng, client)


def visible(world: World, key: Key, collection: str) -> set[str]:
    return {id_ for (of, id_), access in world.access.items() if of == collection and key.sees(of, access)}


def read_everything(world: World, key: Key, collection: str) -> None:
    """Every route that reads, of one collection."""
    path, seen = f"/v1/collections/{collection}", visible(world, key, collection)
    may_touch = collection in key.collections or "*" in key.collections
    status = 200 if may_touch else 404

    def get(method: str, suffix: str, body: Any = None) -> Any:
        response = world.ask(key.secret, method, path + suffix, body)
        world.check(key, response, f"{method} {suffix}")
        if not (suffix.startswith("/feedback") and key.role is Role.READER):
            world.same(key, f"status of {method} {suffix}", response.status_code, status)
        return response.json() if response.status_code == 200 and "json" in response.headers["content-type"] else None

    if counted := get("GET", ""):
        world.same(key, "counts", (sum(counted["documents"].values()), counted["passages"]), (len(seen), len(seen)))
    listed, cursor = set(), ""
    while page := get("GET", f"/documents?limit=7{cursor}"):
        listed |= {each["id"] for each in page["documents"]}
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    world.same(key, "list", listed, seen)
    for mode in ("hybrid", "dense", "lexical"):
        filters: list[Any] = [None, {"kind": "a"}, {"word": {"exists": True}}]
        for where in filters:
            hits = get("POST", "/search", {"query": QUERY, "mode": mode, "top_k": 100, "filter": where})
            if hits is not None:
                world.same(key, f"search {mode}", {each["document_id"] for each in hits["hits"]}, seen)
    get("POST", "/answers", {"question": QUERY, "top_k": 20})
    get("POST", "/answers", {"question": QUERY, "stream": True})
    get("GET", "/feedback")
    read_feedback(world, key, collection)
    chat = {"model": f"collection/{collection}", "messages": [{"role": "user", "content": QUERY}]}
    world.check(key, world.ask(key.secret, "POST", "/v1/chat/completions", chat), "chat")
    world.check(key, world.ask(key.secret, "GET", "/v1/collections"), "collections")


def read_feedback(world: World, key: Key, collection: str) -> None:
    """Votes on answers from visible documents alone are listed and counted, whatever the limit."""
    may_touch = collection in key.collections or "*" in key.collections
    if key.role is Role.READER or not may_touch:
        return
    expected = visible_votes(world, key, collection)
    for limit in (1, 1000):
        response = world.ask(key.secret, "GET", f"/v1/collections/{collection}/feedback?limit={limit}")
        world.check(key, response, "GET feedback")
        found = {each["answer"]["id"] for each in response.json()["feedback"]}
        world.same(key, "feedback", (found <= expected, len(found)), (True, min(limit, len(expected))))


def knock_on_documents(world: World, key: Key, collection: str) -> None:
    """Every route of one document, visible or hidden, and the writing ones on hidden documents alone."""
    path, seen = f"/v1/collections/{collection}/documents", visible(world, key, collection)
    ids = [id_ for of, id_ in world.access if of == collection]
    for id_ in world.rng.sample(ids, 6):
        for suffix in ("", "/passages", "/text", "/original"):
            response = world.ask(key.secret, "GET", f"{path}/{id_}{suffix}")
            world.check(key, response, f"GET document{suffix}")
            world.same(key, f"status of document{suffix}", response.status_code, 200 if id_ in seen else 404)
    hidden = [id_ for id_ in ids if id_ not in seen]
    if key.role is Role.READER or not hidden:
        return
    may_touch = collection in key.collections or "*" in key.collections
    id_ = world.rng.choice(hidden)
    word = world.words[collection, id_]
    attempts: list[tuple[str, str, Any, int]] = [
        ("PATCH", f"/{id_}", {"access": []}, 404),
        ("DELETE", f"/{id_}", None, 404),
        ("POST", f"/{id_}/reindex", None, 404),
        ("POST", "", {"documents": [{"id": id_, "text": "chiếm chỗ"}]}, 409 if may_touch else 404),
        ("POST", "/delete", {"filter": {"word": word}}, 200 if may_touch else 404),
    ]
    for method, suffix, body, expected in attempts:
        response = world.ask(key.secret, method, path + suffix, body)
        world.same(key, f"status of {method} {suffix}", response.status_code, expected)
        if method != "POST" or suffix != "/delete":
            world.check(key, response, f"{method} document")
    stored = world.ask(ROOT, "GET", f"{path}/{id_}").json()
    world.same(key, "the hidden document afterwards", (stored["metadata"]["word"], stored["state"]), (word, "ready"))


def change_world(world: World) -> None:
    """Change groups, replace and delete documents, and vote on answers from them, as random keys that may."""
    for (collection, id_), access in list(world.access.items()):
        kind = world.rng.random()
        if kind < 0.4:
            access = tuple(world.rng.sample(GROUPS, world.rng.randint(0, 3)))
            path = f"/v1/collections/{collection}/documents/{id_}"
            world.ask(ROOT, "PATCH", path, {"access": list(access)}).raise_for_status()
            world.access[collection, id_] = access
        elif kind < 0.5:
            world.put(collection, id_)
        elif kind < 0.55:
            world.ask(ROOT, "DELETE", f"/v1/collections/{collection}/documents/{id_}").raise_for_status()
            world.keys_of[collection, id_] = world.keys_of.get((collection, id_), 0) + 1
            world.access.pop((collection, id_))
            world.put(collection, id_)
    for collection in COLLECTIONS:
        path = f"/v1/collections/{collection}/answers"
        for number in range(VOTES):
            wanted = {"question": f"{QUERY} {number}", "top_k": world.rng.choice((1, 2, 4))}
            answer = world.ask(ROOT, "POST", path, wanted).json()
            world.ask(ROOT, "POST", f"{path}/{answer['id']}/feedback", {"vote": "up"}).raise_for_status()
            read = {each["document_id"] for each in answer["hits"]}
            world.votes[collection, answer["id"]] = [
                (id_, world.keys_of.get((collection, id_), 0), world.access[collection, id_]) for id_ in read
            ]
    world.settle()


def visible_votes(world: World, key: Key, collection: str) -> set[str]:
    """The answers that were made only from documents that the key may see now, or might when they were deleted."""

    def sees(id_: str, number: int, then: tuple[str, ...]) -> bool:
        is_there = world.keys_of.get((collection, id_), 0) == number
        return key.sees(collection, world.access[collection, id_] if is_there else then)

    return {
        answer
        for (of, answer), documents in world.votes.items()
        if of == collection and all(sees(*each) for each in documents)
    }


def test_nothing_leaks_over_random_worlds(world: World) -> None:
    for collection in COLLECTIONS:
        world.ask(ROOT, "PUT", f"/v1/collections/{collection}").raise_for_status()
        for number in range(DOCUMENTS):
            world.put(collection, f"d{number}")
    world.settle()
    for _ in range(ROUNDS):
        change_world(world)
        for key in world.keys:
            for collection in COLLECTIONS:
                read_everything(world, key, collection)
                knock_on_documents(world, key, collection)
    assert not world.leaks, (Counter(world.leaks).most_common(10), len(world.leaks))
    assert world.checks >= CHECKS, (world.checks, world.requests)
