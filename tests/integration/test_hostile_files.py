"""Hostile files, uploaded like any other, to an API and a worker as processes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.triton_process import TritonProcess
from tests.support import hostile
from tests.support.deployed import Process, deployed
from tests.support.patience import patient
from tests.support.polling import eventually

FILES: dict[str, Callable[[], bytes]] = {
    "bomb.docx": hostile.zip_bomb,
    "entities.docx": hostile.entity_bomb,
    "loop.pdf": hostile.looping_pdf,
    "locked.pdf": hostile.encrypted_pdf,
    "zeros.txt": lambda: bytes(90_000_000),
    "zeros.pdf": lambda: bytes(90_000_000),
    "zeros.docx": lambda: bytes(90_000_000),
    "empty.txt": bytes,
    "blank.docx": lambda: hostile.docx(""),
    "text.pdf": "Chỉ là chữ thường".encode,
    "cut.docx": lambda: hostile.docx(hostile.paragraph("Xin chào"))[:200],
    "program.txt": lambda: b"\x7fELF" + bytes(1000),
}
HARMLESS = {
    "../../../etc/passwd": hostile.docx(hostile.paragraph("Xin chào"), extra={"../../evil.txt": "x"}),
    "really-word.pdf": hostile.docx(hostile.paragraph("Xin chào")),
}
LONGEST_S = 60.0
MAX_GROWTH_BYTES = 400 << 20
"""Of the worker: an upload of 90 MB is read as text in its own process, everything else is not."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


def upload(http: httpx.Client, name: str, content: bytes) -> str:
    """Hand the file in, and return the document's id."""
    response = http.post("/v1/collections/kb/documents", files=[("files", (name, content))])
    return str(response.raise_for_status().json()["documents"][0]["id"])


def record(http: httpx.Client, document_id: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/v1/collections/kb/documents/{document_id}").raise_for_status().json()
    return found


def peak_bytes(worker: Process) -> int:
    """The most memory the process has ever had."""
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def test_every_hostile_file_fails_with_a_reason_and_the_worker_lives(
    tmp_path: Path, triton: TritonProcess
) -> None:
    with deployed(tmp_path, triton.ports.grpc_url) as platform:
        _, http = platform.api()
        worker = platform.worker()
        http.put("/v1/collections/kb").raise_for_status()
        harmless = [upload(http, name, content) for name, content in HARMLESS.items()]
        await eventually(lambda: all(record(http, each)["state"] == "ready" for each in harmless), timeout_s=60)
        before = peak_bytes(worker)
        took = {}
        for name, made in FILES.items():
            document_id, began = upload(http, name, made()), time.monotonic()
            await eventually(
                lambda id_=document_id: record(http, id_)["state"] in {"failed", "ready"},
                timeout_s=2 * LONGEST_S,
                every_s=0.1,
            )
            took[name] = time.monotonic() - began
            outcome = record(http, document_id)
            assert outcome["state"] == "failed", name
            assert len(outcome["error"]["message"]) > 20, name
        assert max(took.values()) < patient(LONGEST_S), took
        assert worker.is_alive
        assert peak_bytes(worker) - before < MAX_GROWTH_BYTES
        after = upload(http, "after.txt", "Nghỉ phép mười hai ngày.".encode())
        await eventually(lambda: record(http, after)["state"] == "ready", timeout_s=60)
        assert "evil.txt" not in {name for _, _, names in os.walk(tmp_path) for name in names}


async def test_half_a_gigabyte_is_refused_on_its_way_in(tmp_path: Path, triton: TritonProcess) -> None:
    hostile.sparse_zeros(tmp_path / "zeros.txt")
    with deployed(tmp_path, triton.ports.grpc_url) as platform:
        api, http = platform.api()
        http.put("/v1/collections/kb").raise_for_status()
        before = peak_bytes(api)
        with (tmp_path / "zeros.txt").open("rb") as file:
            response = http.post("/v1/collections/kb/documents", files=[("files", ("zeros.txt", file))])
        assert response.status_code == 413
        assert peak_bytes(api) - before < 100 << 20
        assert http.get("/v1/collections/kb").json()["documents"] == {}
        assert not [path for path in (tmp_path / "originals").rglob("*") if path.is_file()]
