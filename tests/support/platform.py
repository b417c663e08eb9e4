"""The whole local platform as a user runs it: `phoserve up` in a process group of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from loadtests.benchmark.memory import family, resident_bytes
from tests.support.patience import patient

START_TIMEOUT_S = 120.0


class Platform:
    """`phoserve up` on a state folder; may be started again after it was stopped or killed."""

    def __init__(self, state: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.state = state
        self.url = ""
        self.events: list[dict[str, Any]] = []
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> Self:
        """Start it and return once it prints its address."""
        command = [sys.executable, "-m", "cli", "up", "--json", "--port", "0", "--state", str(self.state)]
        with (self.state.parent / "platform.log").open("a") as errors:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        watchdog = threading.Timer(patient(START_TIMEOUT_S), self.kill)
        watchdog.start()
        for event in self._read_events():
            if event["event"] == "ready":
                self.url = event["url"]
                break
        watchdog.cancel()
        assert self.url, f"`phoserve up` did not get ready: {self.events}"
        self._reader = threading.Thread(target=lambda: list(self._read_events()), daemon=True)
        self._reader.start()
        return self

    def client(self, **options: Any) -> httpx.Client:
        """A client of its REST API."""
        return httpx.Client(base_url=self.url, timeout=patient(60), **options)

    def stop(self) -> int:
        """End it with SIGTERM; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """Kill its whole process group at once, as the kernel or an impatient person would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._ended()

    def resident_bytes(self) -> int:
        """Memory of all its processes together (proportional set size, so that shared pages count once)."""
        assert self._process is not None
        return resident_bytes(self._process.pid)

    def processes(self) -> list[int]:
        """Its process and all descendants."""
        assert self._process is not None
        return family(self._process.pid)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait(timeout=patient(60))
        if self._reader is not None:
            self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def _read_events(self) -> Iterator[dict[str, Any]]:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            self.events.append(event)
            yield event
