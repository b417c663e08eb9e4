"""Server-sent events over a chunked response; the generator is closed when the client goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Final

import msgspec
from litestar.response import Stream

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_S: Final = 15.0
HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold the events back
}


def event(name: str, data: Any) -> bytes:
    """One event; its data is JSON, which has no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def stream(events: AsyncIterator[bytes]) -> Stream:
    """A response that sends `events` as they come."""
    return Stream(_kept_alive(events), media_type="text/event-stream; charset=utf-8", headers=HEADERS)


async def _kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`events`, with comments in long pauses, so that proxies keep the connection and a dead one is noticed."""
    iterator = aiter(events)
    pending: asyncio.Task[bytes] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_S)
            if not done:
                yield KEEP_ALIVE
                continue
            finished, pending = pending, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if pending is not None:
            pending.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending
        async with aclosing(events):  # type: ignore[type-var]
            pass
