"""Servers under test: start, monitor, measure and stop them as separate processes."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.benchmark.memory import resident_bytes
from phoserve.errors import ConfigurationError

READY_TIMEOUT_S: Final = 600.0
STOP_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.2
LOG_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Server:
    """A server process and its descendants, reachable at `url`."""

    url: str
    pid: int

    def resident_bytes(self) -> int:
        """Return the memory of all its processes (proportional set size, so that shared pages count once)."""
        return resident_bytes(self.pid)


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, *, ready: str, log: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Start `command` on `port`, and yield the server when GET `ready` returns 200.

    Raises ConfigurationError with the end of its log if it does not become ready.
    """
    url = f"http://127.0.0.1:{port}"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this project, or of peers it names
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        _wait_ready(process, url + ready, command[0], log)
        yield Server(url, process.pid)
    finally:
        _stop(process)


def _wait_ready(process: subprocess.Popen[bytes], url: str, name: str, log: Path) -> None:
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
    raise ConfigurationError(f"{name} did not become ready; the end of its log, {log}:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
