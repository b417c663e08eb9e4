"""Coalesce concurrent calls into one, like a group commit of a database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

from phoserve.errors import DeadlineExceeded, Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

# Not caused by an item, so retrying each caller's items alone would fail the same way.
_DEPENDENCY_FAULTS: Final = (Unavailable, Overloaded, DeadlineExceeded)
_MAX_LINGER_S: Final = 0.02


class Batcher(Generic[Item, Result]):
    """Coalesce concurrent calls into one. A caller is dispatched immediately while nothing is in flight."""

    def __init__(
        self,
        call: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        max_items: int,
        max_concurrency: int = 1,
        linger_ratio: float = 0.0,
    ) -> None:
        """Wrap `call`, which returns one result for each item.

        A call carries up to `max_items` items, more only if a single caller passed more. Callers that were answered
        together tend to return together, so the next call lingers for `linger_ratio` times the duration of the last
        one (at most 20 ms) unless as many callers are already queued.
        """
        self._call = call
        self._max_items = max_items
        self._max_concurrency = max_concurrency
        self._linger_ratio = linger_ratio
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]] = []
        self._arrived = asyncio.Event()
        self._in_flight = 0
        self._running: set[asyncio.Task[None]] = set()  # the event loop holds only weak references to its tasks

    async def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """Return the results of `items`, in order. Raises what the call raises for these items."""
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, answer))
        self._arrived.set()
        if self._in_flight < self._max_concurrency:
            self._in_flight += 1
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while group := self._next_group():
                begun = clock()
                await self._dispatch(group)
                if self._linger_ratio:
                    await self._linger(len(group), min(_MAX_LINGER_S, self._linger_ratio * (clock() - begun)))
        finally:
            self._in_flight -= 1  # no await since the queue was empty: the next caller starts a new task

    async def _linger(self, callers: int, within_s: float) -> None:
        """Wait until `callers` callers are queued or `within_s` seconds have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self._waiting) < callers:
                    self._arrived.clear()
                    await self._arrived.wait()

    async def _dispatch(self, group: "list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]") -> None:
        try:
            results = await self._call([item for items, _ in group for item in items])
        except _DEPENDENCY_FAULTS as error:
            _refuse(group, error)
        except Exception as error:
            if len(group) == 1:
                _refuse(group, error)
            else:
                for each in group:
                    await self._retry_alone(*each)
        else:
            _answer(group, results)

    def _next_group(self) -> list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]:
        self._waiting = [each for each in self._waiting if not each[1].done()]  # done: the caller was cancelled
        taken = count = 0
        for items, _ in self._waiting:
            count += len(items)
            if taken and count > self._max_items:
                break
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _retry_alone(self, items: Sequence[Item], answer: "asyncio.Future[Sequence[Result]]") -> None:
        """Repeat the call for one caller, so that an error affects only the caller that caused it."""
        try:
            _answer([(items, answer)], await self._call(list(items)))
        except Exception as error:
            _refuse([(items, answer)], error)


def _answer(
    group: Sequence[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]], results: Sequence[Result]
) -> None:
    start = 0
    for items, answer in group:
        if not answer.done():
            answer.set_result(results[start : start + len(items)])
        start += len(items)


def _refuse(group: Sequence[tuple[Sequence[Item], "asyncio.Future[Sequence[Result]]"]], error: Exception) -> None:
    for _, answer in group:
        if not answer.done():
            answer.set_exception(error)
