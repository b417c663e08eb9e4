"""Slots for documents: few long ones or many small ones, and no collection takes them all."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document_slots import SMALL_PER_LONG, DocumentSlots, Entry
from phoserve.documents.ports import IndexingTask


def small(collection: str = "a") -> IndexingTask:
    return IndexingTask(collection, "small", 1, is_small=True)


def long(collection: str = "a") -> IndexingTask:
    return IndexingTask(collection, "long", 1)


async def entering(slots: DocumentSlots, task: IndexingTask) -> "asyncio.Task[None]":
    """Start to enter; done if there were slots."""
    waiting = asyncio.create_task(slots.enter(task))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return waiting


async def test_eight_small_documents_for_each_long_one() -> None:
    slots = DocumentSlots(long_documents=2)
    assert (await entering(slots, long("a"))).done()
    for _ in range(SMALL_PER_LONG):
        assert (await entering(slots, small("b"))).done()
    late = await entering(slots, small("c"))
    assert not late.done()
    slots.leave(small("b"))
    await late


@pytest.mark.parametrize("long_documents", [1, 3])
async def test_a_long_document_is_not_overtaken_by_small_ones_of_its_collection(long_documents: int) -> None:
    slots = DocumentSlots(long_documents)
    held = SMALL_PER_LONG * max(1, long_documents - 1) - SMALL_PER_LONG + 1
    for _ in range(held):
        await slots.enter(small())
    waiting_long, waiting_small = await entering(slots, long()), await entering(slots, small())
    assert not waiting_long.done()
    assert not waiting_small.done(), "although there are free slots"
    slots.leave(small())
    await waiting_long


async def test_one_collection_leaves_a_long_document_s_slots_to_the_others() -> None:
    slots = DocumentSlots(long_documents=3)
    assert [slots.try_enter(long("hostile")) for _ in range(3)] == [Entry.GRANTED, Entry.GRANTED, Entry.OVER_SHARE]
    assert slots.try_enter(long("kb")) is Entry.GRANTED
    assert slots.try_enter(small("kb")) is Entry.FULL


async def test_collections_take_turns() -> None:
    slots = DocumentSlots(long_documents=2)
    await slots.enter(long("a"))
    await slots.enter(long("b"))
    order: list[str] = []

    async def work(collection: str) -> None:
        await slots.enter(long(collection))
        order.append(collection)
        await asyncio.sleep(0)
        slots.leave(long(collection))

    tasks = [asyncio.create_task(work(collection)) for collection in ("a", "a", "a", "b", "b", "b")]
    await asyncio.sleep(0)
    slots.leave(long("a"))
    slots.leave(long("b"))
    await asyncio.gather(*tasks)
    assert all(one != other for one, other in pairwise(order[:4]))


async def test_a_cancelled_wait_takes_no_slots() -> None:
    slots = DocumentSlots(long_documents=1)
    await slots.enter(long())
    waiting = await entering(slots, long())
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    slots.leave(long())
    assert (await entering(slots, long())).done()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40), st.integers(1, 4))
def test_every_task_gets_its_slots_and_all_come_back(tasks: list[tuple[str, bool]], long_documents: int) -> None:
    async def run() -> None:
        slots = DocumentSlots(long_documents)

        async def work(task: IndexingTask) -> None:
            await slots.enter(task)
            await asyncio.sleep(0)
            slots.leave(task)

        given = [small(collection) if is_small else long(collection) for collection, is_small in tasks]
        async with asyncio.timeout(5):
            await asyncio.gather(*(work(task) for task in given))
        assert slots.try_enter(long("x")) is Entry.GRANTED
        assert all(slots.taken_by(collection) == 0 for collection in "abc")

    asyncio.run(run())
