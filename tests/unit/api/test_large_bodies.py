"""Bodies of any content up to their limit: the event loop stays free, and what is valid is accepted whole.

Time is that of the loop's thread on the processor, which other load does not change.
"""

import asyncio
import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.auth import check_body
from api.body import StrictJson
from api.body_process import SHORT_BYTES, BodyProcess
from api.keys import FixedKeys, Role, new_key
from api.rates import BodiesInFlight
from api.services import Services
from phoserve.errors import InvalidInput, Overloaded, Unavailable
from phoserve.settings import LimitSettings
from tests.support.services import memory_services

MB = 1 << 20
JSON = {"Content-Type": "application/json"}
MOST_S = 0.6
"""On the loop; the worst of these bodies took 4 s."""
KB = "/v1/collections/kb"


def filled(before: bytes, element: bytes, after: bytes, size: int) -> bytes:
    """A body of `size` bytes that repeats one element."""
    count = (size - len(before) - len(after)) // (len(element) + 1)
    return before + b",".join([element] * count) + after


def documents(element: bytes) -> bytes:
    return filled(b'{"documents":[{"text":"a","metadata":{"a":[', element, b"]}}]}", 16 * MB)


HOSTILE: dict[str, tuple[str, Callable[[], bytes], set[int]]] = {
    "lists in metadata": (f"{KB}/documents", lambda: documents(b"[]"), {413, 422}),
    "objects in metadata": (f"{KB}/documents", lambda: documents(b"{}"), {413, 422}),
    "numbers in metadata": (f"{KB}/documents", lambda: documents(b"1.5"), {413, 422}),
    "many documents": (
        f"{KB}/documents",
        lambda: filled(b'{"documents":[', b'{"text":"a"}', b"]}", 16 * MB),
        {413, 422},
    ),
    "deep metadata": (
        f"{KB}/documents",
        lambda: b'{"documents":[{"text":"a","metadata":' + b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"}]}",
        {413, 422},
    ),
    "lists in a filter": (
        f"{KB}/search",
        lambda: filled(b'{"query":"a","filter":{"a":[', b"[]", b"]}}", 16 * MB),
        {413},
    ),
    "a short filter of lists": (
        f"{KB}/search",
        lambda: filled(b'{"query":"a","filter":{"a":[', b"[]", b"]}}", MB - 100),
        {413, 422},
    ),
    "a filter of marks": (
        f"{KB}/search",
        lambda: json.dumps(
            {"query": "a", "filter": {"a": "e" + "\u0323\u0301" * 200_000}}, ensure_ascii=False
        ).encode(),
        {422},
    ),
    "texts to embed": ("/v1/embeddings", lambda: filled(b'{"input":[', b'"a"', b"]}", 16 * MB), {413}),
    "lists to embed": ("/v1/embeddings", lambda: filled(b'{"input":[', b"[]", b"]}", 16 * MB), {413}),
    "passages to rerank": (
        "/v1/rerank",
        lambda: filled(b'{"query":"a","documents":[', b'"a"', b"]}", 16 * MB),
        {404, 413},
    ),
    "texts to tokenize": ("/v1/tokenize", lambda: filled(b'{"input":[', b'""', b"]}", 16 * MB), {413}),
    "turns": (
        "/v1/chat/completions",
        lambda: filled(b'{"model":"collection/kb","messages":[', b'{"role":"user"}', b"]}", MB - 100),
        {404, 413, 422},
    ),
    "tools": (
        "/v1/chat/completions",
        lambda: filled(
            b'{"model":"collection/kb","messages":[{"role":"user","content":"a"}],"tools":[', b"[]", b"]}", MB - 9
        ),
        {400, 413},
    ),
    "not JSON": (f"{KB}/documents", lambda: b"[" * (16 * MB), {413, 422}),
}


def client_of(services: Services, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(services))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_body_keeps_the_event_loop_busy(tmp_path: Path, name: str) -> None:
    path, make, statuses = HOSTILE[name]
    body = make()
    async with client_of(memory_services(tmp_path)) as client:
        (await client.put(KB, json={})).raise_for_status()
        gc.collect()
        gc.freeze()  # as the server does
        begun = time.thread_time()
        response = await client.post(path, content=body, headers=JSON)
        spent_s = time.thread_time() - begun
        gc.unfreeze()
    assert response.status_code in statuses, response.text[:300]
    assert spent_s < MOST_S, name


async def test_large_uploads_are_accepted_like_small_ones(tmp_path: Path) -> None:
    given = [
        {
            "id": f"d{n}",
            "text": f"Điều {n}. " + "nghỉ phép " * 200,
            "title": f"Số {n}",
            "metadata": {"n": n, "s": ["ạ", None]},
        }
        for n in range(500)
    ]
    async with client_of(memory_services(tmp_path)) as client:
        for name, part in (("small", given[:5]), ("large", given)):
            (await client.put(f"/v1/collections/{name}", json={})).raise_for_status()
            body = json.dumps({"documents": part}, ensure_ascii=False).encode()
            assert (len(body) > SHORT_BYTES) == (name == "large")
            answer = await client.post(f"/v1/collections/{name}/documents", content=body, headers=JSON)
            assert answer.status_code == 202, answer.text
        for n in range(5):
            small, large = [
                (await client.get(f"/v1/collections/{name}/documents/d{n}")).json() for name in ("small", "large")
            ]
            own = {"collection", "url", "created_at", "updated_at"}
            assert {k: v for k, v in small.items() if k not in own} == {k: v for k, v in large.items() if k not in own}


@pytest.mark.parametrize("size", [10, 2000])
async def test_faults_are_named_the_same_in_short_and_long_bodies(tmp_path: Path, size: int) -> None:
    faults: list[tuple[dict[str, Any], str]] = [
        ({"text": "a" * size, "typo": 1}, "documents[60].typo"),
        ({"text": " " * size}, "documents[60].text"),
        ({"text": "a", "metadata": {"a" * 200: 1}}, "documents[60].metadata"),
        ({"text": "a", "metadata": {"a": "x" * 20_000}}, "documents[60].metadata"),
        ({"text": "a", "title": "x" * 2000}, "documents[60].title"),
    ]
    async with client_of(memory_services(tmp_path)) as client:
        (await client.put(KB, json={})).raise_for_status()
        for fault, field in faults:
            documents = [{"text": "x" * size}] * 60 + [fault]
            answer = await client.post(f"{KB}/documents", json={"documents": documents})
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["field"] == field


async def test_every_json_route_lets_another_process_read_large_bodies(tmp_path: Path) -> None:
    app = create_app(memory_services(tmp_path))
    guarded = [
        handler.name or handler.handler_name
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.dto is StrictJson and check_body not in handler.resolve_guards()
    ]
    assert not guarded


async def test_vectors_are_encoded_in_pieces_without_a_difference(tmp_path: Path) -> None:
    texts = [f"nghỉ phép {n}" for n in range(100)]
    async with client_of(memory_services(tmp_path)) as client:
        together = (await client.post("/v1/embeddings", json={"input": texts})).json()
        assert [each["index"] for each in together["data"]] == list(range(100))
        for n in (0, 15, 16, 99):
            alone = (await client.post("/v1/embeddings", json={"input": texts[n]})).json()["data"][0]
            assert alone["embedding"] == pytest.approx(together["data"][n]["embedding"])
            assert together["data"][n].keys() == alone.keys()


async def test_a_key_holds_a_few_large_bodies_at_a_time(tmp_path: Path) -> None:
    secret, entry = new_key("app", Role.WRITER)
    limits = LimitSettings(max_body_bytes=2 * MB)
    services = memory_services(tmp_path, keys=FixedKeys((entry,)), limits=limits)
    async with client_of(services, Authorization=f"Bearer {secret}") as client:
        (await client.put(KB, json={})).raise_for_status()
        body = json.dumps({"documents": [{"text": "a" * (2 * MB - 100)}]}).encode()
        answers = await asyncio.gather(*(client.post(f"{KB}/documents", content=body, headers=JSON) for _ in range(8)))
        assert {each.status_code for each in answers} == {202, 429}
        assert (await client.post(f"{KB}/documents", content=body, headers=JSON)).status_code == 202


def test_bodies_are_counted_by_key_and_in_all() -> None:
    bodies = BodiesInFlight(100, 50)
    bodies.enter("a", 50)
    bodies.enter("b", 50)
    for key in ("a", "c"):
        with pytest.raises(Overloaded):
            bodies.enter(key, 1)
    bodies.leave("a", 50)
    bodies.enter("c", 50)


async def test_the_process_is_started_again_when_it_ends() -> None:
    bodies = BodyProcess()
    try:
        assert await bodies.read(1, b"[1, 2]", 9) == b""
        assert bodies._process is not None
        os.kill(bodies._process.pid, 9)
        bodies._process.wait()
        assert await bodies.read(1, b"[1, 2]", 9) == b""
        with pytest.raises(InvalidInput, match="not JSON"):
            await bodies.read(1, b"[1, 2", 9)
        bodies._process.kill()  # between this look and the next body, or while it is read
        try:
            await bodies.read(1, b"[" + b"1," * 100_000 + b"1]", 200_000)
        except Unavailable:
            assert await bodies.read(1, b"[]", 9) == b""
    finally:
        bodies.close()
