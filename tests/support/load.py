"""Clients that send requests while a test changes the server."""

import itertools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx

Ask = Callable[[httpx.Client, int], httpx.Response]


class Rotation:
    """The endpoints of a Service, round robin, from readiness to SIGTERM."""

    def __init__(self, clients: list[httpx.Client]) -> None:
        self._clients, self._turn, self._lock = list(clients), itertools.count(), threading.Lock()

    def take(self) -> httpx.Client:
        with self._lock:
            return self._clients[next(self._turn) % len(self._clients)]

    def add(self, client: httpx.Client) -> None:
        with self._lock:
            self._clients.append(client)

    def remove(self, client: httpx.Client) -> None:
        with self._lock:
            self._clients.remove(client)


class Load:
    """Threads that ask until the block ends; `answered` counts, `failures` lists errors and statuses other than 2xx."""

    def __init__(self, rotation: Rotation, *asks: Ask) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._rotation = rotation
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(ask,)) for ask in asks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, ask: Ask) -> None:
        for number in itertools.count():
            if self._ended.is_set():
                return
            client = self._rotation.take()
            try:
                answer = ask(client, number)
                if answer.is_success and "event: error" not in answer.text:
                    self.answered += 1
                else:
                    self.failures.append(f"{client.base_url}: {answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                self.failures.append(f"{client.base_url}: {error!r}")
