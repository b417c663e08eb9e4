"""Slow and greedy clients lose their own connections; everybody else is served."""

import asyncio
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from api.keys import KeyFile, Role, new_key
from api.services import Services
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.texts import text_key
from phoserve.settings import HttpSettings
from tests.integration.api.conftest import fill
from tests.support.embedders import WordHashEmbedder
from tests.support.live import live_api, live_services
from tests.support.patience import patient
from tests.support.services import memory_services
from tests.support.waiting import wait_until

LIMITS = HttpSettings(
    header_timeout_s=0.5, body_timeout_s=0.5, max_connections=60, max_connections_per_client=40, max_event_streams=8,
    max_event_streams_per_key=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live_api(live_services(tmp_path_factory.mktemp("model"), http=LIMITS)) as url:
        fill(url)
        yield url


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=patient(10))


def read_until_closed(sock: socket.socket) -> bytes:
    received = b""
    while part := sock.recv(65536):
        received += part
    return received


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"POST /v1/tokenize HTTP/1.1\r\nHost: localhost\r\n"
     b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"],
)  # fmt: skip
def test_a_request_that_does_not_arrive_ends_its_connection(url: str, sent: bytes) -> None:
    with closing(connect(url)) as sock:
        sock.sendall(sent)
        begun = time.monotonic()
        received = read_until_closed(sock)
        assert time.monotonic() - begun < patient(8)
        assert not received or received.startswith((b"HTTP/1.1 408", b"HTTP/1.1 4"))


@pytest.mark.parametrize("trailer", ["Host: evil.example", "Origin: https://evil.example", "X-Request-Id: chosen"])
def test_fields_behind_a_chunked_body_are_no_headers(url: str, trailer: str) -> None:
    head = "POST /v1/collections/kb/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = '{"query":"a"}'
    with closing(connect(url)) as sock:
        sock.sendall(f"{head}{len(body):x}\r\n{body}\r\n0\r\n{trailer}\r\n\r\n".encode())
        received = read_until_closed(sock)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"chosen" not in received


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: evil.example", "Host: localhost"],
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost", "Origin: https://evil.example", "Origin: http://localhost"],
        ["Host: localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"],
    ],
)
def test_headers_that_are_checked_may_come_once(url: str, headers: list[str]) -> None:
    with closing(connect(url)) as sock:
        lines = ["PUT /v1/collections/planted HTTP/1.1", *headers, "Content-Length: 0", "Connection: close", "", ""]
        sock.sendall("\r\n".join(lines).encode())
        assert read_until_closed(sock).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{url}/v1/collections/planted").status_code == 404


def test_a_byte_now_and_then_does_not_help(url: str) -> None:
    with closing(connect(url)) as sock:
        begun = time.monotonic()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        while time.monotonic() - begun < patient(10) and _accepts(sock, b"X: y\r\n"):
            time.sleep(0.1)
        assert time.monotonic() - begun < patient(8)


@pytest.mark.parametrize("first", [0, 100_000])
def test_a_byte_of_a_body_now_and_then_does_not_help(url: str, first: int) -> None:
    head = b"POST /v1/collections/kb/documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with closing(connect(url)) as sock:
        sock.sendall(head + b"Content-Length: 1000000\r\n\r\n" + b" " * first)
        begun = time.monotonic()
        while time.monotonic() - begun < patient(20) and _accepts(sock, b" "):
            time.sleep(0.1)
        assert time.monotonic() - begun < patient(8)


def test_a_slow_body_is_taken(url: str) -> None:
    body = b'{"query": "' + b"a " * 1500 + b'"}'
    head = "POST /v1/collections/kb/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with closing(connect(url)) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
        for begin in range(0, len(body), 1000):
            time.sleep(0.1)
            sock.sendall(body[begin : begin + 1000])
        assert read_until_closed(sock).startswith(b"HTTP/1.1 200")


def test_endless_headers_are_refused(url: str) -> None:
    with closing(connect(url)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        received = b""
        try:
            for _ in range(100):
                sock.sendall(b"X-Filler: " + b"a" * 4000 + b"\r\n")
            received = read_until_closed(sock)
        except OSError:
            return
        assert b" 431 " in received or not received


def test_a_large_body_in_one_piece_with_its_headers_is_taken(url: str) -> None:
    text = "từ " * 100_000
    response = httpx.post(
        f"{url}/v1/collections/kb/documents", files={"files": ("long.txt", text.encode())}, timeout=30
    )
    assert response.status_code == 202, response.text


def test_idle_connections_of_one_client_do_not_keep_others_out(url: str) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(closing(connect(url)))
        # The address is over its share now; its connections time out within moments.
        wait_until(lambda: _is_served(url))


def test_event_streams_have_a_budget_of_their_own(url: str) -> None:
    with ExitStack() as stack, httpx.Client(base_url=url, timeout=patient(20)) as client:
        statuses = []
        for _ in range(8):
            response = stack.enter_context(client.stream("GET", "/v1/collections/kb/events"))
            statuses.append(response.status_code)
        assert statuses == [200] * 5 + [429] * 3
        assert client.post("/v1/collections/kb/search", json={"query": "nghỉ phép"}).status_code == 200


def test_event_streams_that_open_at_the_same_time_share_the_budget(url: str) -> None:
    request = b"GET /v1/collections/kb/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(connect(url))) for _ in range(20)]
        for sock in sockets:
            sock.sendall(request)
        statuses = [sock.recv(12).decode()[-3:] for sock in sockets]
    assert statuses.count("200") <= LIMITS.max_event_streams_per_key


def test_streams_of_clients_that_left_count_no_more(url: str) -> None:
    request = b"GET /v1/collections/kb/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(30):
        with closing(connect(url)) as sock:
            sock.sendall(request)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
    wait_until(lambda: _streams(url))


def _streams(url: str) -> bool:
    with httpx.stream("GET", f"{url}/v1/collections/kb/events", timeout=patient(5)) as response:
        return response.status_code == 200


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
def test_upgraded_connections_are_counted_to_their_end(url: str, upgrade: str) -> None:
    handshake = (
        f"GET /v1/collections HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    for _ in range(LIMITS.max_connections + 10):
        with closing(connect(url)) as sock:
            sock.sendall(handshake)
            assert not sock.recv(12).startswith(b"HTTP/1.1 101")
    wait_until(lambda: _is_served(url))


def test_a_revoked_key_keeps_no_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.sse.KEEP_ALIVE_S", 0.2)
    path = tmp_path / "keys.json"
    admin, admin_entry = new_key("root", Role.ADMIN)
    reader, reader_entry = new_key("app", Role.READER)
    path.write_bytes(msgspec.json.encode([admin_entry, reader_entry]))
    (tmp_path / "model").mkdir()
    with live_api(live_services(tmp_path / "model", keys=KeyFile(path))) as url:
        fill(url, headers={"Authorization": f"Bearer {admin}"})
        ended = threading.Event()

        def follow() -> None:
            headers = {"Authorization": f"Bearer {reader}"}
            with httpx.stream(
                "GET", f"{url}/v1/collections/kb/events", headers=headers, timeout=patient(30)
            ) as response:
                for _ in response.iter_bytes():
                    pass
            ended.set()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        assert not ended.wait(1.0)
        path.write_bytes(msgspec.json.encode([admin_entry]))
        assert ended.wait(10)


@pytest.mark.parametrize("kind", ["original", "text"])
@pytest.mark.parametrize("changed", ["revoked", "without its group"])
def test_a_revoked_key_gets_no_more_of_a_file(
    tmp_path: Path, kind: str, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.RECHECK_S", 0.1)
    path, size = tmp_path / "keys.json", 60_000_000
    (root, root_entry), (reader, entry) = new_key("root", Role.ADMIN), new_key("app", Role.READER, groups=("hr",))
    path.write_bytes(msgspec.json.encode([root_entry, entry]))
    services = memory_services(
        tmp_path, WordHashEmbedder(), sources=ObjectStoreSources(tmp_path / "originals"), keys=KeyFile(path)
    )
    left = [] if changed == "revoked" else [msgspec.structs.replace(entry, groups=())]
    with live_api(services) as url, httpx.Client(base_url=url, timeout=patient(30)) as client:
        bearer = {"Authorization": f"Bearer {root}"}
        client.put("/v1/collections/kb", headers=bearer).raise_for_status()
        files = {"files": ("long.txt", b"x" * size)}
        client.post("/v1/collections/kb/documents", files=files, data={"id": "long"}, headers=bearer).raise_for_status()
        asyncio.run(_make_live(services, "x" * size))
        with client.stream(
            "GET", f"/v1/collections/kb/documents/long/{kind}", headers={"Authorization": f"Bearer {reader}"}
        ) as response:
            parts = response.iter_raw(65536)
            received = len(next(parts))
            path.write_bytes(msgspec.json.encode([root_entry, *left]))
            time.sleep(1.2)  # the file is read again after a second
            with pytest.raises(httpx.RemoteProtocolError):  # the client notices that it is not the whole file
                received += sum(map(len, parts))
        assert received < size
        assert client.get("/health/live").status_code == 200


def _is_served(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _accepts(sock: socket.socket, data: bytes) -> bool:
    """Send `data`; False once the other side has closed."""
    try:
        sock.sendall(data)
        sock.settimeout(0.05)
        sock.recv(4096)  # an answer or the end: either way the server has given up
        return False
    except TimeoutError:
        return True
    except OSError:
        return False


def test_slow_readers_of_an_original_take_little_memory(tmp_path: Path) -> None:
    readers, size = 20, 24 * 1024 * 1024
    sources = ObjectStoreSources(tmp_path / "originals")
    services = memory_services(tmp_path, WordHashEmbedder(), sources=sources, http=LIMITS)  # indexes nothing
    with live_api(services) as url, ExitStack() as stack:
        httpx.put(url + "/v1/collections/kb").raise_for_status()
        files = {"files": ("big.txt", b"x" * size)}
        response = httpx.post(url + "/v1/collections/kb/documents", files=files, timeout=patient(60))
        [accepted] = response.raise_for_status().json()["documents"]
        del files
        before = resident_bytes()
        for _ in range(readers):
            sock = stack.enter_context(closing(connect(url)))
            sock.sendall(f"GET {accepted['url']}/original HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert sock.recv(12) == b"HTTP/1.1 200"
        time.sleep(1)
        grown = resident_bytes() - before
        assert grown < readers * size / 8
        assert httpx.get(url + accepted["url"]).status_code == 200


def test_a_long_text_is_streamed_and_stops_no_other_request(tmp_path: Path) -> None:
    sources, size = ObjectStoreSources(tmp_path / "originals"), 60_000_000
    services = memory_services(tmp_path, WordHashEmbedder(), sources=sources, http=LIMITS)
    with live_api(services) as url, ExitStack() as stack:
        httpx.put(url + "/v1/collections/kb").raise_for_status()
        httpx.post(url + "/v1/collections/kb/documents", json={"documents": [{"id": "long", "text": "x"}]})
        asyncio.run(_make_live(services, "ữ" * (size // 3)))
        before = resident_bytes()
        for _ in range(8):  # they read nothing
            sock = stack.enter_context(closing(connect(url)))
            sock.sendall(b"GET /v1/collections/kb/documents/long/text HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
        assert resident_bytes() - before < size
        path = f"{url}/v1/collections/kb/documents/long/text"
        assert httpx.get(path, params={"start": size // 3 - 2, "end": 10**30}, timeout=patient(30)).text == "ữữ"
        assert httpx.get(path, params={"start": 10**30}, timeout=patient(30)).text == ""


async def _make_live(services: Services, text: str) -> None:
    registry = services.stores.registry
    document = await registry.get(await registry.collection("kb"), "long")
    await services.stores.sources.put(text_key(document, document.revision), text.encode(), max_bytes=10**9)
    ready = msgspec.structs.replace(document, live_revision=document.revision)
    [saved] = await registry.save([ready])
    assert saved is not None


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
