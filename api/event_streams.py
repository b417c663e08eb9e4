"""Endless event streams: the server ends them on shutdown and their clients reconnect elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from api.sse import BackgroundStream


class EventStreams:
    """The event streams that are open now."""

    def __init__(self) -> None:
        self._open: set[BackgroundStream[Any]] = set()
        self._ended = False

    @contextmanager
    def follow(self, events: BackgroundStream[Any]) -> Iterator[None]:
        """Register `events` for `end_all` until the block is left."""
        self._open.add(events)
        if self._ended:
            events.finish()
        try:
            yield
        finally:
            self._open.discard(events)

    def end_all(self) -> None:
        """End all open streams, and every new one immediately."""
        self._ended = True
        for events in self._open:
            events.finish()
