"""Qdrant peers as far as `deploy/backup.py` asks them: what a collection holds is bytes, and a snapshot is those."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.support.chart import ROOT
from tests.support.patience import patient

SCRIPT: Final = ROOT / "deploy" / "backup.py"
KEY: Final = "a-key"


class Peer(ThreadingHTTPServer):
    """One peer on loopback, once it serves."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.collections: dict[str, bytes] = {}
        self.aliases: list[dict[str, str]] = []
        self.snapshots: dict[str, bytes] = {}
        self.damaged = False
        self.requests: list[str] = []
        self.held = ""
        """The start of the requests that are not answered until `released`."""
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Requests(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        self._hold()
        if self.path == "/collections":
            self._say({"collections": [{"name": name} for name in self.server.collections]})
        elif self.path == "/aliases":
            self._say({"aliases": self.server.aliases})
        else:
            self._send(self.server.snapshots[self.path.rpartition("/")[2]])

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._hold()
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

    def _hold(self) -> None:
        request = f"{self.command} {self.path}"
        self.server.requests.append(request)
        if self.server.held and request.startswith(self.server.held):
            self.server.released.wait(patient(60))

    def _say(self, result: Any) -> None:
        self._send(json.dumps({"result": result}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200 if self.headers.get("api-key") == KEY else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def backup(
    action: str, folder: Path, sources: Path | str, *urls: str, key: str = KEY
) -> subprocess.CompletedProcess[str]:
    """Run the script against the peers."""
    process = start_backup(action, folder, sources, *urls, key=key)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start_backup(action: str, folder: Path, sources: Path | str, *urls: str, key: str = KEY) -> "subprocess.Popen[str]":
    """Start the script against the peers."""
    environment = os.environ | {
        "QDRANT_URL": " ".join(urls),
        "QDRANT_API_KEY": key,
        "SOURCES": str(sources),
    }
    command = [sys.executable, str(SCRIPT), action, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _form_field(kind: str, body: bytes) -> bytes:
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    (part,) = message.walk() if not message.is_multipart() else list(message.walk())[1:]
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
