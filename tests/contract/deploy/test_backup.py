"""Saving and restoring, against the few requests of Qdrant's interface that it takes."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.chart import ROOT

SCRIPT = ROOT / "deploy" / "backup.py"
KEY = "a-key"


class Peer(ThreadingHTTPServer):
    """Collections whose whole content is a few bytes; snapshots are those bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.collections: dict[str, bytes] = {}
        self.aliases: list[dict[str, str]] = []
        self.snapshots: dict[str, bytes] = {}
        self.damaged = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Requests(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        if self.path == "/collections":
            self._say({"collections": [{"name": name} for name in self.server.collections]})
        elif self.path == "/aliases":
            self._say({"aliases": self.server.aliases})
        else:
            self._send(self.server.snapshots[self.path.rpartition("/")[2]])

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/collections/aliases":
            self.server.aliases += [action["create_alias"] for action in json.loads(body)["actions"]]
            self._say(True)
        elif path.endswith("/upload"):
            content = _form_field(self.headers["Content-Type"], body)
            assert f"checksum={hashlib.sha256(content).hexdigest()}" in query
            assert "priority=snapshot" in query
            self.server.collections[path.split("/")[2]] = content
            self._say(True)
        else:
            name = path.split("/")[2]
            content = self.server.collections[name]
            self.server.snapshots[f"{name}.snapshot"] = content
            checksum = hashlib.sha256(b"other" if self.server.damaged else content).hexdigest()
            self._say({"name": f"{name}.snapshot", "checksum": checksum})

    def do_DELETE(self) -> None:
        del self.server.snapshots[self.path.rpartition("/")[2]]
        self._say(True)

    def _say(self, result: Any) -> None:
        self._send(json.dumps({"result": result}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200 if self.headers.get("api-key") == KEY else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    servers = [Peer(), Peer()]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


def run(action: str, folder: Path, peers: list[Peer], sources: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "QDRANT_URL": " ".join(peer.url for peer in peers),
        "QDRANT_API_KEY": KEY,
        "SOURCES": str(sources),
    }
    command = [sys.executable, str(SCRIPT), action, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def state(peers: list[Peer], tmp_path: Path) -> Path:
    """A platform with something to lose; returns its folder of originals."""
    for number, peer in enumerate(peers):
        peer.collections = {"documents": b"registry %d" % number, "passages@abc": bytes(range(256)) * 9000}
    peers[0].aliases = [{"alias_name": "passages", "collection_name": "passages@abc"}]
    originals = tmp_path / "originals"
    (originals / "kb").mkdir(parents=True)
    (originals / "kb" / "d1").write_bytes(b"an original")
    return originals


def test_what_was_saved_comes_back(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert run("save", backup, peers, state).returncode == 0
    assert not any(peer.snapshots for peer in peers), "snapshots left behind would fill the volume"
    before = [peer.collections for peer in peers]
    aliases = peers[0].aliases
    for peer in peers:
        peer.collections, peer.aliases = {}, []
    outcome = run("restore", backup, peers, tmp_path / "fresh")
    assert outcome.returncode == 0, outcome.stderr
    assert [peer.collections for peer in peers] == before
    assert peers[0].aliases == aliases
    assert (tmp_path / "fresh" / "kb" / "d1").read_bytes() == b"an original"


def test_a_damaged_download_is_no_backup(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    peers[0].damaged = True
    outcome = run("save", tmp_path / "backup", peers, state)
    assert outcome.returncode == 1
    assert "damaged" in outcome.stderr
    assert not (tmp_path / "backup" / "manifest.json").exists()


def test_a_damaged_file_stops_the_restore_before_it_begins(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    run("save", backup, peers, state)
    (backup / "peer1-documents.snapshot").write_bytes(b"broken")
    before = [dict(peer.collections) for peer in peers]
    peers[0].collections["documents"] = b"newer"
    outcome = run("restore", backup, peers, state)
    assert outcome.returncode == 1
    assert "peer1-documents.snapshot is damaged" in outcome.stderr
    assert peers[0].collections["documents"] == b"newer"
    assert peers[1].collections == before[1]


def test_fewer_peers_than_were_saved(state: Path, peers: list[Peer], tmp_path: Path) -> None:
    run("save", tmp_path / "backup", peers, state)
    outcome = run("restore", tmp_path / "backup", peers[:1], state)
    assert "the backup is of 2 peers" in outcome.stderr


def _form_field(kind: str, body: bytes) -> bytes:
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    (part,) = message.walk() if not message.is_multipart() else list(message.walk())[1:]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
