"""A backup taken while documents arrive is restored: nothing acknowledged before it is lost, and the doctor is content.

`deploy/backup.py` copies the originals and the texts of revisions, dumps PostgreSQL, and copies what arrived meanwhile.
The double for Qdrant has no snapshots, so its passages are those of a later moment, and the repair rebuilds them.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.deployed import Deployed
from tests.support.patience import patient
from tests.support.polling import eventually
from tests.support.postgres_server import postgres_programs
from tests.support.snapshots import Peer, backup

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def is_deleted_soon(id_: str) -> bool:
    return id_.startswith("n") and int(id_[1:]) % 5 == 4


@dataclass
class Client(threading.Thread):
    """Adds, replaces and deletes documents until it is stopped, and knows the newest acknowledged content of each."""

    base_url: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        with httpx.Client(base_url=self.base_url, timeout=patient(60)) as http:
            number = 0
            while not self.stopped.is_set():
                self.put(http, f"n{number}", f"Văn bản {number}, bản một. Nghỉ phép mười hai ngày.")
                self.put(http, f"d{number % 10}", f"Điều {number % 10}, bản {number + 2}. Lương tháng mười ba.")
                if is_deleted_soon(f"n{number}"):
                    http.delete(f"/v1/collections/kb/documents/n{number}")
                    self.acknowledged.pop(f"n{number}")
                number += 1

    def put(self, http: httpx.Client, id_: str, text: str) -> None:
        answer = http.post("/v1/collections/kb/documents", json={"documents": [{"id": id_, "text": text}]})
        if answer.status_code == 202:
            self.acknowledged[id_] = text
        else:
            self.refused.append(answer.status_code)


def doctor(platform: Deployed, *arguments: str) -> dict[str, dict[str, Any]]:
    """Return what the doctor found, by event."""
    command = [sys.executable, "-m", "cli", "doctor", "--json", *arguments]
    outcome = subprocess.run(
        command, env=os.environ | platform.environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in outcome.stderr, outcome.stderr
    return {each["event"]: each for each in map(json.loads, outcome.stdout.splitlines())}


async def test_what_was_acknowledged_before_a_backup_comes_back(
    platform: Deployed, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, http = platform.api()
    worker = platform.worker()
    http.put("/v1/collections/kb").raise_for_status()
    client = Client(str(http.base_url))
    client.start()
    await eventually(lambda: http.get("/v1/collections/kb").json()["documents"].get("ready", 0) >= 12, timeout_s=90)

    before = {id_: text for id_, text in client.acknowledged.items() if not is_deleted_soon(id_)}
    save(platform, peer, tmp_path, monkeypatch)
    assert set(client.acknowledged) > set(before), "documents arrived during the backup"
    client.stopped.set()
    client.join()
    assert not client.refused
    for process in (api, worker):
        process.end()

    restore(platform, peer, tmp_path, monkeypatch)
    found = doctor(platform)
    assert found["collection"]["missing_texts"] == [], "texts of live revisions are part of the backup"
    assert set(found["collection"]["missing_originals"]).isdisjoint(before)
    _, http = platform.api()
    platform.worker()
    doctor(platform, "--repair")
    await eventually(lambda: is_at_rest(http), timeout_s=120, every_s=0.5)
    assert doctor(platform)["examined"]["healthy"] is True
    for id_, text in before.items():
        original = http.get(f"/v1/collections/kb/documents/{id_}/original").raise_for_status().text
        stored = http.get(f"/v1/collections/kb/documents/{id_}/text").raise_for_status().text
        assert original == stored
        assert original == text or id_.startswith("d"), "those alone were replaced later"
        assert original[: len("Điều 1")] == text[: len("Điều 1")]
    search = {"query": "lương tháng mười ba", "mode": "lexical", "top_k": 50}
    hits = http.post("/v1/collections/kb/search", json=search).raise_for_status().json()["hits"]
    assert {f"d{n}" for n in range(10)} <= {hit["document_id"] for hit in hits}


def is_at_rest(http: httpx.Client) -> bool:
    return set(http.get("/v1/collections/kb").raise_for_status().json()["documents"]) == {"ready"}


def save(platform: Deployed, peer: Peer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = postgres_programs()
    assert programs is not None
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("REGISTRY_URL", platform.database_url)
    saved = backup("save", folder / "backup", folder / "originals", peer.url)
    assert saved.returncode == 0, saved.stderr


def restore(platform: Deployed, peer: Peer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore into an empty database and an empty folder, and have the platform use them."""
    url = platform.postgres.new_database()
    monkeypatch.setenv("REGISTRY_URL", url)
    restored = backup("restore", folder / "backup", folder / "restored", peer.url)
    assert restored.returncode == 0, restored.stderr
    platform.settings["PHOSERVE_REGISTRY__URL"] = url
    platform.settings["PHOSERVE_SOURCES__URL"] = f"file://{folder / 'restored'}"
