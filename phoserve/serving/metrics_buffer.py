"""Counts, added up here and passed on now and then."""

import asyncio
from collections import defaultdict
from threading import Lock
from typing import Final

from phoserve.serving.scheduler import Count

EVERY_S: Final = 0.1


class MetricsBuffer:
    """A `Count` for any thread: what it is told within a tenth of a second is passed on at once, by the loop.

    In Triton's Python backend every increment waits for an answer from the server's process, for as long as several
    texts take to tokenise.
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
        """Pass on what there is."""
        with self._lock:
            sums, self._sums = self._sums, defaultdict(float)
        for (name, encoder), amount in sums.items():
            self._count(name, amount, encoder)
