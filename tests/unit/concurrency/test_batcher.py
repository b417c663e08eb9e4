"""Calls that are made at the same time become one."""

import asyncio
from collections.abc import Sequence

import pytest

from phoserve.concurrency.batcher import Batcher
from phoserve.errors import InvalidInput, Unavailable
from tests.support.patience import patient


class Doubling:
    """Doubles numbers, holds calls until released, and records every call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.called = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.calls.append(items)
        self.called.set()
        await self.open.wait()
        if 13 in items:
            raise InvalidInput("13 is not doubled")
        if 404 in items:
            raise Unavailable("doubling", "away")
        return [2 * item for item in items]


async def asked_for(together: Batcher[int, int], items: Sequence[int]) -> Sequence[int]:
    return await together(items)


async def asked(together: Batcher[int, int], doubling: Doubling, *callers: Sequence[int]) -> list[object]:
    """Return each caller's result. The first call is in flight when the others arrive."""
    doubling.open.clear()
    tasks = [asyncio.create_task(asked_for(together, callers[0]))]
    await doubling.called.wait()
    tasks += [asyncio.create_task(asked_for(together, items)) for items in callers[1:]]
    await asyncio.sleep(0)
    doubling.open.set()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_whoever_waits_is_asked_for_in_one_call() -> None:
    doubling = Doubling()
    heard = await asked(Batcher(doubling, max_items=10), doubling, [1], [2, 3], [], [4])
    assert heard == [[2], [4, 6], [], [8]]
    assert doubling.calls == [[1], [2, 3, 4]]


async def test_a_caller_alone_waits_for_nobody() -> None:
    doubling = Doubling()
    assert await Batcher(doubling, max_items=10)([1]) == [2]
    assert doubling.calls == [[1]]


async def test_a_caller_that_comes_again_at_once_is_answered() -> None:
    together = Batcher(Doubling(), max_items=10)
    async with asyncio.timeout(patient(5)):
        assert [await asked_for(together, [number]) for number in range(3)] == [[0], [2], [4]]


async def test_a_call_has_so_many_items_unless_one_caller_has_more() -> None:
    doubling = Doubling()
    heard = await asked(Batcher(doubling, max_items=2), doubling, [1], [2], [3], [4, 5, 6])
    assert heard == [[2], [4], [6], [8, 10, 12]]
    assert doubling.calls == [[1], [2, 3], [4, 5, 6]]


async def test_as_many_calls_at_once_as_are_allowed() -> None:
    doubling = Doubling()
    doubling.open.clear()
    together = Batcher(doubling, max_items=10, max_concurrency=2)
    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(asked_for(together, [number])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert doubling.calls == [[0], [1]]
    doubling.open.set()
    await asyncio.gather(*tasks)
    assert doubling.calls == [[0], [1], [2, 3, 4]]


@pytest.mark.parametrize(("linger_ratio", "second_round"), [(0.0, [[0], [1, 2]]), (0.5, [[0, 1, 2]])])
async def test_those_who_were_answered_together_may_be_given_time_to_ask_again(
    linger_ratio: float, second_round: list[list[int]]
) -> None:
    calls = []

    async def slow(items: list[int]) -> list[int]:
        calls.append(items)
        await asyncio.sleep(0.05)
        return items

    together = Batcher(slow, max_items=10, linger_ratio=linger_ratio)

    async def caller(number: int) -> None:
        await together([number])
        for _ in range(number):
            await asyncio.sleep(0)
        await together([number])

    await asyncio.gather(*(caller(number) for number in range(3)))
    assert calls == [[0, 1, 2], *second_round]


async def test_one_callers_fault_is_only_his() -> None:
    doubling = Doubling()
    heard = await asked(Batcher(doubling, max_items=10), doubling, [1], [2], [13], [3])
    assert isinstance(heard[2], InvalidInput)
    assert [heard[0], heard[1], heard[3]] == [[2], [4], [6]]


async def test_while_a_dependency_is_away_nobody_asks_alone() -> None:
    doubling = Doubling()
    heard = await asked(Batcher(doubling, max_items=10), doubling, [1], [2], [404], [3])
    assert [type(each) for each in heard[1:]] == [Unavailable] * 3
    assert len(doubling.calls) == 2


async def test_whoever_leaves_before_the_call_is_not_asked_for() -> None:
    doubling = Doubling()
    doubling.open.clear()
    together = Batcher(doubling, max_items=10)
    tasks = []
    for number in range(3):
        tasks.append(asyncio.create_task(asked_for(together, [number])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    doubling.open.set()
    assert [await tasks[0], await tasks[2]] == [[0], [4]]
    assert doubling.calls == [[0], [2]]


async def test_whoever_leaves_during_the_call_takes_nothing_from_the_others() -> None:
    doubling = Doubling()
    doubling.open.clear()
    together = Batcher(doubling, max_items=10)
    first = asyncio.create_task(asked_for(together, [1]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(asked_for(together, [2]))
    doubling.open.set()
    assert await second == [4]
    with pytest.raises(asyncio.CancelledError):
        await first
