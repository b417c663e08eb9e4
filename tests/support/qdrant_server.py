"""The Qdrant server of one test: a real one where QDRANT_URL names it, else the stand-in as a process."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
from qdrant_client import AsyncQdrantClient

from phoserve.adapters.qdrant.server import connect
from tests.support.patience import patient
from tests.support.waiting import wait_until

REAL_URL: Final = os.environ.get("QDRANT_URL")
REAL_GRPC_PORT: Final = int(os.environ.get("QDRANT_GRPC_PORT", "6334"))


class QdrantServer:
    """The stand-in on a free loopback port, keeping what it holds in `folder` from one start to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as rest, socket.socket() as grpc:
            rest.bind(("127.0.0.1", 0))
            grpc.bind(("127.0.0.1", 0))
            self._port, self.grpc_port = (int(probe.getsockname()[1]) for probe in (rest, grpc))
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "tests.support.qdrant_standin", "--folder", str(self._folder)]
        self._process = subprocess.Popen([*command, "--port", str(self._port), "--grpc-port", str(self.grpc_port)])
        wait_until(self._answers, timeout_s=30)
        return self

    def kill(self) -> None:
        """Kill it at once, as an outage does."""
        self._process.kill()
        self._process.wait()

    def kill_replicas(self, dead: int) -> int:
        """Have `dead` of three replicas dead; return how many reads asked for consistency so far."""
        answer = httpx.put(f"{self.url}/test/replicas/{dead}", timeout=patient(5)).raise_for_status()
        return int(answer.json()["consistent_reads"])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=patient(1)).is_success
        except httpx.HTTPError:
            return False


class RealQdrant(QdrantServer):
    """An external server, which is emptied first and never killed."""

    def __init__(self, url: str) -> None:
        self.url, self.grpc_port = url, REAL_GRPC_PORT

    def start(self) -> Self:
        empty(self.url)
        return self

    def kill(self) -> None: ...


def qdrant_server(folder: Path) -> QdrantServer:
    """What this machine has; not started yet."""
    return RealQdrant(REAL_URL) if REAL_URL else QdrantServer(folder)


def empty(url: str) -> None:
    """Drop every collection."""
    answer = httpx.get(f"{url}/collections", timeout=patient(10)).raise_for_status()
    for collection in answer.json()["result"]["collections"]:
        httpx.delete(f"{url}/collections/{collection['name']}", timeout=patient(30)).raise_for_status()


@contextlib.asynccontextmanager
async def qdrant_client(
    server: QdrantServer, *, emptied: bool = True, rest: bool = False
) -> AsyncIterator[AsyncQdrantClient]:
    """Yield a client of a server, emptied first, over gRPC or REST."""
    if emptied:
        empty(server.url)
    client = connect(server.url, grpc_port=None if rest else server.grpc_port)
    try:
        yield client
    finally:
        await client.close()
