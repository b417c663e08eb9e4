"""Calls over a pipe between two of this project's processes: pickled values, each preceded by its length."""

import asyncio
import itertools
import pickle
import struct
from collections.abc import Callable
from typing import Any, Final

from phoserve.errors import EngineFailed, PhoserveError

LENGTH: Final = struct.Struct("!I")


def packed(value: Any) -> bytes:
    """Return the frame of `value`."""
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content


def unpacked(content: bytes) -> Any:
    """Return the value of a frame's content."""
    return pickle.loads(content)  # noqa: S301 - from our own child, parent or unnamed file


async def next_value(reader: asyncio.StreamReader) -> Any:
    """Return the value of the next frame. Raises EOFError when the other side is gone."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return unpacked(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error


def portable(error: Exception, part: str) -> Exception:
    """Return an error that the other process can rebuild: `error` itself, or one that names it and the `part`."""
    if isinstance(error, PhoserveError):
        return error
    return EngineFailed(f"{part} failed: {type(error).__name__}: {error}")


class PendingCalls:
    """Calls to another process whose results have not arrived, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._results: dict[int, asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._results)

    async def make(self, send: Callable[[int], object]) -> Any:
        """Send a call with the next number, counted from 0, and return its result. Raises its error."""
        number = next(self._numbers)
        result = self._results[number] = asyncio.get_running_loop().create_future()
        try:
            send(number)
            return await result
        finally:
            self._results.pop(number, None)

    def finish(self, number: int, result: Any, error: Exception | None) -> None:
        """Return a result, or raise an error, where the call waits; a caller that was cancelled gets neither."""
        waiting = self._results.pop(number, None)
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(result)
        else:
            waiting.set_exception(error)

    def fail(self, error: Callable[[], Exception]) -> None:
        """Raise an error of its own in every call."""
        for number in list(self._results):
            self.finish(number, None, error())

    async def settle(self, timeout_s: float) -> None:
        """Wait until every call has its result, or the time is up."""
        if self._results:
            await asyncio.wait(list(self._results.values()), timeout=timeout_s)
