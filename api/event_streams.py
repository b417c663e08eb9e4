"""Endless event streams: bounded in number, and ended by the server on shutdown so that clients reconnect elsewhere."""

import asyncio
from collections import Counter
from typing import Any

from api.sse import BackgroundStream
from phoserve.errors import Overloaded
from phoserve.settings import HttpSettings

RETRY_AFTER_S = 10.0


class EventStreams:
    """The event streams that are open now."""

    def __init__(self, settings: HttpSettings | None = None) -> None:
        settings = settings or HttpSettings()
        self._limit = settings.max_event_streams
        self._limit_per_key = settings.max_event_streams_per_key
        self._open: dict[BackgroundStream[Any], str] = {}
        self._by_key: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        self._ended = False

    def check(self, key_id: str) -> None:
        """Raise Overloaded where no further stream may be opened with the key."""
        if len(self._open) >= self._limit:
            raise Overloaded(f"{self._limit} event streams are open already", retry_after_s=RETRY_AFTER_S)
        if self._by_key[key_id] >= self._limit_per_key:
            raise Overloaded(
                f"this key has {self._limit_per_key} event streams open already", retry_after_s=RETRY_AFTER_S
            )

    def add(self, events: BackgroundStream[Any], key_id: str) -> None:
        """Count `events`, and register it for `end_all`, until `remove`; in one step with `check`, without an await."""
        self._open[events] = key_id
        self._by_key[key_id] += 1
        if self._ended:
            events.finish()

    def remove(self, events: BackgroundStream[Any]) -> None:
        """Stop counting `events`, and stop it: a client that left before its first event has read nothing of it."""
        key_id = self._open.pop(events)
        self._by_key[key_id] -= 1
        if not self._by_key[key_id]:
            del self._by_key[key_id]
        stopping = asyncio.create_task(events.stop())
        self._closing.add(stopping)
        stopping.add_done_callback(self._closing.discard)

    def end_all(self) -> None:
        """End all open streams, and every new one immediately."""
        self._ended = True
        for events in self._open:
            events.finish()
