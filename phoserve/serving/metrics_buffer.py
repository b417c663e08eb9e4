"""Metrics that are summed here and reported a few times a second."""

import asyncio
from collections import defaultdict
from threading import Lock
from typing import Final

from phoserve.serving.scheduler import Count

EVERY_S: Final = 0.1


class MetricsBuffer:
    """A `Count` for any thread: the sums of a tenth of a second are reported together, by the loop.

    In Triton's Python backend every increment waits for a reply of the server's process, as long as tokenizing several
    texts takes.
    """

    def __init__(self, count: Count, loop: asyncio.AbstractEventLoop) -> None:
        self._count = count
        self._loop = loop
        self._sums: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._lock = Lock()

    def __call__(self, name: str, amount: float, encoder: str) -> None:
        """See `Count`."""
        with self._lock:
            first = not self._sums
            self._sums[name, encoder] += amount
        if first:
            self._loop.call_soon_threadsafe(self._loop.call_later, EVERY_S, self.flush)

    def flush(self) -> None:
        """Report the sums now."""
        with self._lock:
            sums, self._sums = self._sums, defaultdict(float)
        for (name, encoder), amount in sums.items():
            self._count(name, amount, encoder)
