"""Traffic over plain HTTP connections: closed loops of clients, and open loops with a fixed arrival rate."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loadtests.benchmark.http import Connection

RANKS: Final = (50, 95, 99)
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of JSON that counts as `texts` texts."""

    path: str
    body: bytes
    texts: int = 1


@dataclass(slots=True)
class Outcome:
    """Outcome of a run."""

    wall_s: float = 0.0
    texts: int = 0
    """Latencies of requests with status 200."""
    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    """Counts by status; 0 means no response."""
    late_ms: list[float] = field(default_factory=list)
    """Delay between due time and sending of each request in an open loop."""
    bodies: list[bytes] = field(default_factory=list)
    """Response bodies, if requested."""

    def add(self, status: int, latency_ms: float, texts: int) -> None:
        """Record a response."""
        self.latencies_ms.setdefault(status, []).append(latency_ms)
        self.texts += texts if status == OK else 0

    def figures(self) -> dict[str, float]:
        """Return rates in 1/s and latencies in ms of successful (200) and rejected (429) requests."""
        answered = self.latencies_ms.get(OK, [])
        refused = self.latencies_ms.get(429, [])
        total = sum(map(len, self.latencies_ms.values()))
        return {
            "texts_per_s": self.texts / self.wall_s,
            "requests_per_s": len(answered) / self.wall_s,
            "requests": total,
            "refused": len(refused),
            "errors": total - len(answered) - len(refused),
            **percentiles("ms", answered),
            **percentiles("refused_ms", refused),
            **percentiles("late_ms", self.late_ms),
        }


async def closed_loop(
    url: str, requests: Iterator[Request], *, clients: int, seconds: float, keep: bool = False
) -> Outcome:
    """Run a closed loop of `clients` for `seconds` or until `requests` end."""
    outcome = Outcome()
    begun = time.perf_counter()

    async def client() -> None:
        connection = await Connection.to(url)
        for request in requests:
            sent = time.perf_counter()
            reply = await connection.post(request.path, request.body)
            outcome.add(reply.status, (time.perf_counter() - sent) * 1000, request.texts)
            if keep:
                outcome.bodies.append(reply.body)
            if time.perf_counter() - begun > seconds:
                break
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    outcome.wall_s = time.perf_counter() - begun
    return outcome


async def open_loop(url: str, requests: Iterator[Request], *, rate_per_s: float, seconds: float) -> Outcome:
    """Send requests at even intervals. Latency is measured from the due time.

    A free connection takes the next request, or a new one is opened, so a slow server cannot hide its queue.
    """
    outcome = Outcome()
    idle: list[Connection] = []
    begun = time.perf_counter()

    async def ask(due: float, request: Request) -> None:
        status = 0
        try:
            connection = idle.pop() if idle else await Connection.to(url)
            outcome.late_ms.append((time.perf_counter() - due) * 1000)
            status = (await connection.post(request.path, request.body)).status
            idle.append(connection)
        except (OSError, asyncio.IncompleteReadError):
            pass
        outcome.add(status, (time.perf_counter() - due) * 1000, request.texts)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate_per_s * seconds)):
            due = begun + number / rate_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(ask(due, next(requests)))
    outcome.wall_s = time.perf_counter() - begun
    for connection in idle:
        connection.close()
    return outcome


def percentiles(name: str, values: list[float]) -> dict[str, float]:
    """Return the median and the 95th and 99th percentiles, or nothing without values."""
    return {f"{name}_p{rank}": float(np.percentile(values, rank)) for rank in RANKS} if values else {}
