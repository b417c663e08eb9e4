"""The platform as it is deployed: API and workers as processes of their own, over real Redis, Triton and Qdrant."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import export.bundled
from phoserve.adapters.sql.schema import migrate_now
from tests.support.patience import patient
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.qdrant_server import QdrantServer, qdrant_server
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

MODEL = Path(export.bundled.__path__[0])


class Process:
    """`phoserve COMMAND ...` with an environment; its log goes to a file."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self._log = log
        self._environment = environment
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Process":
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli", *self._arguments],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(timeout=patient(30))


@dataclass
class Deployed:
    """Where everything is, and the processes of ours that were started."""

    folder: Path
    redis: RedisServer
    qdrant: QdrantServer
    postgres: PostgresServer
    database_url: str
    triton_url: str
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PHOSERVE_MODEL__FOLDER": str(MODEL),
            "PHOSERVE_TRITON__URL": self.triton_url,
            "PHOSERVE_QDRANT__URL": self.qdrant.url,
            "PHOSERVE_QDRANT__GRPC_PORT": str(self.qdrant.grpc_port),
            "PHOSERVE_REGISTRY__URL": self.database_url,
            "PHOSERVE_REDIS__URL": self.redis.url,
            "PHOSERVE_SOURCES__URL": f"file://{self.folder / 'originals'}",
            "PHOSERVE_WORKER__RECONCILE_EVERY_S": "1",
            "PHOSERVE_WORKER__LEASE_S": "3",
            **self.settings,
        }

    def worker(self, *arguments: str, **settings: str) -> Process:
        """A worker, being started."""
        return self._started({**self.environment, **settings}, "worker", "--concurrency", "2", *arguments)

    def api(self, **settings: str) -> tuple[Process, httpx.Client]:
        """The API, answering, and a client of it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = self._started({**self.environment, **settings}, "serve", "--port", str(port))
        http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=patient(60))
        self.clients.append(http)
        wait_until(lambda: _is_up(http), timeout_s=60)
        return process, http

    def run(self, *arguments: str) -> dict[str, Any]:
        """The last line that a command of ours prints, which is JSON."""
        command = [sys.executable, "-m", "cli", *arguments]
        outcome = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=True
        )
        answer: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
        return answer

    def stop(self) -> None:
        """End what still runs."""
        for client in self.clients:
            client.close()
        for process in self.processes:
            if process.is_alive:
                process.end(signal.SIGKILL)

    def _started(self, environment: dict[str, str], *arguments: str) -> Process:
        log = self.folder / f"{arguments[0]}-{len(self.processes)}.log"
        process = Process(log, environment, *arguments).start()
        self.processes.append(process)
        return process


@contextmanager
def deployed(folder: Path, triton_url: str) -> Iterator[Deployed]:
    """Redis, PostgreSQL and Qdrant of one test, and what is started on them."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder))
        qdrant = stack.enter_context(qdrant_server(folder / "qdrant"))
        postgres = stack.enter_context(running_postgres(folder / "postgres"))
        url = postgres.new_database()
        migrate_now(url)
        platform = Deployed(folder, redis, qdrant, postgres, url, triton_url)
        stack.callback(platform.stop)
        yield platform


def _is_up(http: httpx.Client) -> bool:
    try:
        return http.get("/health/live").is_success
    except httpx.TransportError:
        return False
