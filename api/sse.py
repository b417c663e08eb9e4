"""Server-sent events over a chunked response. The event source is stopped when the client disconnects."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Final, Generic, TypeVar

import msgspec
from litestar.response import Stream

from api.problems import problem_of
from phoserve.concurrency.deadline import Deadline

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_S: Final = 15.0
AHEAD: Final = 16
"""Limit of events that the client has not read yet."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would buffer the events
}

T = TypeVar("T")


def event(name: str, data: Any) -> bytes:
    """Encode one event. Its data is JSON, which has no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def error_event(error: Exception) -> bytes:
    """Return the error event for a failure after the start of the response."""
    return event("error", problem_of(error))


def stream(events: AsyncIterator[bytes]) -> Stream:
    """Return a response that sends `events` as they arrive."""
    return Stream(events, media_type="text/event-stream; charset=utf-8", headers=HEADERS)


class BackgroundStream(Generic[T]):
    """Runs a generator in its own task, so that its timeouts and trace spans begin and end in one place.

    Iteration yields its items, or None after each `KEEP_ALIVE_S` without one, and raises its errors. The end of the
    iteration stops the generator, and so does the deadline, which frees the resources of a client that stopped reading.
    """

    def __init__(self, items: AsyncGenerator[T], deadline: Deadline | None = None) -> None:
        self._queue: asyncio.Queue[T | Exception | StopAsyncIteration] = asyncio.Queue(AHEAD)
        self._task = asyncio.create_task(self._run(items, deadline))

    async def first(self) -> T:
        """Return the first item before anything is sent, while an error can still become an error response."""
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def __aiter__(self) -> AsyncGenerator[T | None]:
        try:
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        item = await self._queue.get()
                except TimeoutError:
                    yield None
                    continue
                if isinstance(item, StopAsyncIteration):
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            await self.stop()

    def finish(self) -> None:
        """End the iteration without waiting for more items."""
        self._put_last(StopAsyncIteration())

    async def stop(self) -> None:
        """Stop the generator and wait until it has released its resources."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, items: AsyncGenerator[T], deadline: Deadline | None) -> None:
        async with aclosing(items):
            try:
                async with asyncio.timeout_at(deadline.at if deadline else None):
                    async for item in items:
                        await self._queue.put(item)
            except TimeoutError as error:
                self._put_last(deadline.exceeded() if deadline else error)
            except Exception as error:
                self._put_last(error)
            else:
                await self._queue.put(StopAsyncIteration())

    def _put_last(self, error: Exception) -> None:
        while self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(error)
