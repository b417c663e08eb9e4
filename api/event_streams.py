"""Streams without an end of their own; they end when the server is told to stop, and their clients go elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.sse import BackgroundStream


class EventStreams:
    """The feeds that clients follow now."""

    def __init__(self) -> None:
        self._open: set[BackgroundStream[Any]] = set()
        self._ended = False

    @contextmanager
    def following(self, relay: BackgroundStream[Any]) -> Iterator[None]:
        """Count the feed among those that `end` ends, until the block is left."""
        self._open.add(relay)
        if self._ended:
            relay.finish()
        try:
            yield
        finally:
            self._open.discard(relay)

    def end(self) -> None:
        """End all of them, and from now on every new one at once."""
        self._ended = True
        for relay in self._open:
            relay.finish()


EventStreamsDep = NamedDependency[SkipValidation[EventStreams]]
