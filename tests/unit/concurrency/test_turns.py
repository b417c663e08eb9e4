"""Long work takes turns: one piece at a time, callers alternate, and the loop is free in between."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.concurrency.turns import CALLER, PIECE_S, Turns


class Clock:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def finish(*work: "asyncio.Task[None]") -> None:
    await asyncio.wait_for(asyncio.gather(*work), 10)


async def test_callers_take_turns_however_many_pieces_one_has() -> None:
    turns, order = Turns(), list[str]()

    async def piece(caller: str) -> None:
        async with turns.take(caller):
            order.append(caller)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(piece("attacker")) for _ in range(50)]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(piece("victim")) for _ in range(5)]
    await finish(*tasks)
    assert [at for at, caller in enumerate(order) if caller == "victim"][-1] <= 11
    assert Counter(order) == {"attacker": 50, "victim": 5}


async def test_one_turn_at_a_time() -> None:
    turns, inside, most = Turns(), 0, 0

    async def piece(caller: str) -> None:
        nonlocal inside, most
        async with turns.take(caller):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await finish(*(asyncio.create_task(piece(str(number % 3))) for number in range(30)))
    assert most == 1


@pytest.mark.parametrize(("share", "rest_s"), [(1.0, 0.0), (0.5, 0.02), (0.25, 0.06)])
async def test_the_loop_is_free_after_a_turn(monkeypatch: pytest.MonkeyPatch, share: float, rest_s: float) -> None:
    clock, rests = Clock(), list[float]()
    turns = Turns(share, clock=clock)
    loop = asyncio.get_running_loop()

    def call_later(delay: float, callback: Callable[[], None]) -> None:
        rests.append(delay)
        callback()

    monkeypatch.setattr(loop, "call_later", call_later)
    async with turns.take("a"):
        clock.now += 0.02
    assert sum(rests) == pytest.approx(rest_s)


async def test_work_is_cut_into_pieces() -> None:
    clock = Clock()
    turns, order = Turns(clock=clock), list[str]()

    def work(item: str) -> str:
        clock.now += 0.6 * PIECE_S
        order.append(item)
        return item.upper()

    async def all_of(caller: str) -> list[str]:
        CALLER.set(caller)
        return await turns.map(work, [caller] * 6)

    results = list(await asyncio.gather(all_of("a"), all_of("b")))
    assert results == [["A"] * 6, ["B"] * 6]
    assert "".join(order) == "aabbaabbaabb"


async def test_short_work_is_one_piece() -> None:
    turns = Turns(clock=Clock())
    assert await turns.map(str, range(5)) == ["0", "1", "2", "3", "4"]
    assert await turns.map(str, []) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
async def test_cancelled_and_failed_turns_do_not_stop_the_others(pieces: list[tuple[str, bool]]) -> None:
    turns, done = Turns(), list[str]()

    async def piece(caller: str) -> None:
        async with turns.take(caller):
            await asyncio.sleep(0)
            done.append(caller)
            if len(done) % 5 == 0:
                raise ValueError

    tasks = [asyncio.create_task(piece(caller)) for caller, _ in pieces]
    for _ in range(3):
        await asyncio.sleep(0)
    for task, (_, is_cancelled) in zip(tasks, pieces, strict=True):
        if is_cancelled:
            task.cancel()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    left = sum(isinstance(each, asyncio.CancelledError) for each in results)
    assert len(done) >= len(pieces) - left
    async with asyncio.timeout(1), turns.take("last"):
        pass
