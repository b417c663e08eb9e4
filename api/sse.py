"""Server-sent events over a chunked response; what makes the events is stopped when the client goes away."""

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
"""Events made before the client has taken the earlier ones."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold the events back
}

T = TypeVar("T")


def event(name: str, data: Any) -> bytes:
    """One event; its data is JSON, which has no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def error_event(error: Exception) -> bytes:
    """What is left to say when something fails after the answer has begun."""
    return event("error", problem_of(error))


def stream(events: AsyncIterator[bytes]) -> Stream:
    """A response that sends `events` as they come."""
    return Stream(events, media_type="text/event-stream; charset=utf-8", headers=HEADERS)


class BackgroundStream(Generic[T]):
    """Runs a generator in a task of its own, so that its timeouts and trace spans stay in one place.

    Iterating gives its items, or None after each `KEEP_ALIVE_S` without one, and raises what it raised. Leaving the
    iteration stops the generator; so does the deadline, which frees what a client that never read on would hold.
    """

    def __init__(self, items: AsyncGenerator[T], deadline: Deadline | None = None) -> None:
        self._queue: asyncio.Queue[T | Exception | StopAsyncIteration] = asyncio.Queue(AHEAD)
        self._task = asyncio.create_task(self._run(items, deadline))

    async def first(self) -> T:
        """The first item, before anything is sent: an error can still become a proper response."""
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
        """End the iteration as if there were no more items."""
        self._put_last(StopAsyncIteration())

    async def stop(self) -> None:
        """Stop the generator and wait until it has let go of everything."""
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
