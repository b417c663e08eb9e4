"""Fair turns: long work is done one piece at a time, callers take turns, and it takes a share of the time at most.

A server's event loop does one thing at a time. A body of a megabyte, the texts of a tokenizer or an answer of a million
numbers would each stop it for tens of milliseconds, and a client that sends many of them would leave nothing for the
others. So work that may take more than `PIECE_S` is cut into pieces, and each piece is a turn:

- One turn at a time: however many requests wait, a short request waits for one piece.
- Callers (keys) take turns: with many waiting pieces, a key still gets one turn in a round.
- A rest after each turn: with a share of 1/4, the loop is free for three times as long as the turn took.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PIECE_S: Final = 0.002
"""Work that takes no longer needs no turn; longer work is cut into pieces of about this length."""

CALLER: Final[ContextVar[str]] = ContextVar("CALLER", default="")
"""Whose work this is; the API sets it to the key's id."""


class Turns:
    """Turns of one resource, in one event loop."""

    def __init__(self, share: float = 1.0, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Let turns take `share` of the time, above 0 and up to 1."""
        self._rests_per_turn = 1 / share - 1
        self._clock = clock
        self._is_taken = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def take(self, caller: str | None = None) -> AsyncIterator[None]:
        """Wait for a turn of `caller`, by default the `CALLER` of the context, and hold it for the block."""
        await self._enter(CALLER.get() if caller is None else caller)
        begun = self._clock()
        try:
            yield
        finally:
            self._leave(self._clock() - begun)

    async def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return the results of `work`, in order; what takes longer than `PIECE_S` together is cut into turns."""
        results: list[Result] = []
        rest = iter(items)
        while True:
            async with self.take():
                begun = self._clock()
                for item in rest:
                    results.append(work(item))
                    if self._clock() - begun >= PIECE_S:
                        break
                else:
                    return results
            await asyncio.sleep(0)  # others wait for this turn only once they have run

    async def _enter(self, caller: str) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._leave(0.0)
            raise

    def _leave(self, spent_s: float) -> None:
        if rest_s := spent_s * self._rests_per_turn:
            asyncio.get_running_loop().call_later(rest_s, self._next)
        else:
            self._next()

    def _next(self) -> None:
        """Give the turn to the caller that has waited since the longest time; its other pieces go behind the others."""
        while self._waiting:
            caller, pieces = self._waiting.popitem(last=False)
            granted = pieces.popleft()
            if pieces:
                self._waiting[caller] = pieces
            if not granted.done():
                granted.set_result(None)
                return
        self._is_taken = False
