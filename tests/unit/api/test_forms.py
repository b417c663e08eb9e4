"""Multipart forms of any content: files are read as they arrive, other fields are bounded, faults are the caller's."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from tests.support.services import memory_services

Client = TestClient[Litestar]
PATH = "/v1/collections/kb/documents"
BOUNDARY = "xBOUNDARYx"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
MB = 1 << 20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("model")
    with TestClient(create_app(memory_services(folder)), base_url="http://127.0.0.1") as client:
        client.put("/v1/collections/kb").raise_for_status()
        yield client


def part(name: str, content: bytes, filename: str | None = None, kind: str = "") -> bytes:
    of = f'; filename="{filename}"' if filename is not None else ""
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{of}\r\n{typed}\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = part("files", b"nghi phep", "a.txt")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (part("metadata", b'{"a":[' + b"[]," * 300_000 + b"1]}") + FILE, 422, "metadata"),
        (part("metadata", b"x" * 2 * MB) + FILE, 413, None),
        (b"".join(part(f"f{n}", b"x" * 1000) for n in range(1200)) + FILE, 413, None),
        (part("access", b"[" + b'"a",' * 100_000 + b'"a"]') + FILE, 422, "access"),
        (part("metadata", b'{"a": "\xff"}') + FILE, 422, "metadata"),
        (part("id", "é".encode("latin-1")) + FILE, 422, "id"),
        (part("id", b"a", None, "text/plain; charset=no-such") + FILE, 202, None),
        (part("id", b"b", None, "text/plain; charset=idna") + FILE, 202, None),
        (part("id", b"c", None, "text/plain; charset=unicode_escape") + FILE, 202, None),
        (part("other", b"x" * 3 * MB, "other.bin") + FILE, 422, "other"),
        (part("other", b"x", "other.bin"), 422, "other"),
        (part("meta", b"{}") + FILE, 422, "meta"),
        (FILE + part("title", b"x"), 422, "title"),
        (part("", b"x") + FILE, 422, None),
        (part("a" * 300, b"x") + FILE, 422, "a" * 64),
    ],
)
def test_fields_are_bounded_and_text(client: Client, body: bytes, status: int, field: str | None) -> None:
    begun = time.process_time()
    answer = client.post(PATH, content=body + END, headers=HEADERS)
    assert answer.status_code == status, answer.text
    assert field is None or answer.json()["errors"][0]["field"] == field
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=other"])
def test_a_form_without_its_boundary_is_refused(client: Client, boundary: str) -> None:
    answer = client.post(PATH, content=FILE + END, headers={"Content-Type": f"multipart/form-data{boundary}"})
    assert answer.status_code in {400, 422}


@given(st.lists(st.binary(max_size=60), max_size=6), st.binary(max_size=40))
def test_no_body_is_a_server_error(client: Client, contents: list[bytes], tail: bytes) -> None:
    body = b"".join(part("metadata" if n % 2 else "id", each) for n, each in enumerate(contents)) + tail
    for each in (body + FILE + END, body + FILE, body + END, body):
        assert client.post(PATH, content=each, headers=HEADERS).status_code < 500


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=4))
def test_metadata_and_files_arrive_whole(client: Client, metadata: dict[str, object]) -> None:
    content = json.dumps(metadata).encode() + b"\r\n--" + BOUNDARY.encode()[:-1]
    body = (
        part("metadata", json.dumps({"m": "ạ"}).encode())
        + part("id", "số 1".encode())
        + part("files", content, "b.bin")
    )
    answer = client.post(PATH, content=body + END, headers=HEADERS)
    assert answer.status_code == 202, answer.text
    assert client.get(f"{PATH}/s%E1%BB%91%201").json()["metadata"] == {"m": "ạ"}
    assert client.get(f"{PATH}/s%E1%BB%91%201/original").content == content
