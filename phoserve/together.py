"""Calls that are made at the same time become one, as a database commits in groups."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

from phoserve.errors import DeadlineExceeded, Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

# Not the items' fault: each asked by itself would only hear the same again.
_DEPENDENCY_FAULTS: Final = (Unavailable, Overloaded, DeadlineExceeded)
_REGATHER_S: Final = 0.02


class Together(Generic[Item, Result]):
    """Asks in one call for what several callers wait for; whoever comes while nothing is under way waits for nobody."""

    def __init__(
        self,
        call: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int,
        calls_at_once: int = 1,
        regather: float = 0.0,
    ) -> None:
        """Of `call`, which returns a result for each item, and is handed `most` at once unless one caller has more.

        Callers who were answered together tend to ask again together. So that the first of them does not go alone, the
        next call waits `regather` times as long as the last one took, 20 ms at most, unless as many wait already.
        """
        self._call = call
        self._most = most
        self._calls_at_once = calls_at_once
        self._regather = regather
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]] = []
        self._came = asyncio.Event()
        self._under_way = 0
        self._running: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks weakly

    async def __call__(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results of `items`, in order. Raises what the call raises for them, whoever else was in it."""
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, answer))
        self._came.set()
        if self._under_way < self._calls_at_once:
            self._under_way += 1
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await answer

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while group := self._next_group():
                begun = clock()
                await self._ask(group)
                if self._regather:
                    await self._gathered(len(group), min(_REGATHER_S, self._regather * (clock() - begun)))
        finally:
            self._under_way -= 1  # in the step that found nobody waiting: whoever comes next starts anew

    async def _gathered(self, callers: int, within_s: float) -> None:
        """Until so many wait, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self._waiting) < callers:
                    self._came.clear()
                    await self._came.wait()

    async def _ask(self, group: "list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]") -> None:
        try:
            results = await self._call([item for items, _ in group for item in items])
        except _DEPENDENCY_FAULTS as error:
            _refuse(group, error)
        except Exception as error:
            if len(group) == 1:
                _refuse(group, error)
            else:
                for each in group:
                    await self._alone(*each)
        else:
            _answer(group, results)

    def _next_group(self) -> list[tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]]:
        self._waiting = [each for each in self._waiting if not each[1].done()]  # whose caller has left
        taken = count = 0
        for items, _ in self._waiting:
            count += len(items)
            if taken and count > self._most:
                break
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _alone(self, items: Sequence[Item], answer: "asyncio.Future[Sequence[Result]]") -> None:
        """One of them was at fault: each is told its own result or error."""
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
