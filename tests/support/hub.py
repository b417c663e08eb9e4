"""A stand-in for the Hugging Face hub on loopback: the few routes that `phoserve export` asks, and their troubles."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

COMMIT: Final = "c0ffee" + "0" * 34
BLOCK: Final = 1 << 16


@dataclass
class Hub:
    """Serves the folders of `models` by id; `gated` ones require a token, `cut` files end once after these bytes."""

    models: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes sent of each file."""
    url: str = ""


@contextmanager
def running_hub(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` at its `url` until the block ends."""
    server = _Server(hub)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        if self.hub.broken:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        elif api := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/?]+))?(?:\?.*)?", self.path):
            self._info(*api.groups())
        elif file := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path):
            self._file(*file.groups(), body=body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _info(self, name: str, revision: str | None) -> None:
        if self._refused(name, revision):
            return
        files = [path for path in sorted(self.hub.models[name].rglob("*")) if path.is_file()]
        names = [{"rfilename": str(path.relative_to(self.hub.models[name]))} for path in files]
        self._send(json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": names}).encode())

    def _file(self, name: str, revision: str, file: str, *, body: bool) -> None:
        if self._refused(name, revision):
            return
        path = self.hub.models[name] / file
        if not path.is_file():
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
            return
        content = path.read_bytes()
        start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            self._stream(file, content, start)

    def _stream(self, file: str, content: bytes, start: int) -> None:
        end = self.hub.cut.pop(file, len(content))
        for at in range(start, end, BLOCK):
            piece = content[at : min(at + BLOCK, end)]
            self.wfile.write(piece)
            self.hub.sent[file] += len(piece)
        if end < len(content):
            self.close_connection = True  # the length that was promised does not come

    def _refused(self, name: str, revision: str | None) -> bool:
        if name not in self.hub.models:
            self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif name in self.hub.gated and not self.headers.get("Authorization"):
            self._refuse(HTTPStatus.UNAUTHORIZED, "GatedRepo")
        else:
            return False
        return True

    def _refuse(self, status: HTTPStatus, code: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
