"""How many documents are let in at once."""

import asyncio

from ingest.document_slots import SHORT_PER_LONG, DocumentSlots
from phoserve.documents.ports import IndexingTask

SHORT = IndexingTask("kb", "short", 1, light=True)
LONG = IndexingTask("kb", "long", 1)


async def entering(room: DocumentSlots, task: IndexingTask) -> "asyncio.Task[None]":
    """Somebody who asks for room; done if there was any."""
    waiting = asyncio.create_task(room.enter(task))
    for _ in range(2 * SHORT_PER_LONG):
        await asyncio.sleep(0)
    return waiting


async def test_eight_short_documents_for_each_long_one() -> None:
    room = DocumentSlots(long_documents=2)
    assert (await entering(room, LONG)).done()
    for _ in range(SHORT_PER_LONG):
        assert (await entering(room, SHORT)).done()
    late = await entering(room, SHORT)
    assert not late.done()
    room.leave(SHORT)
    await late


async def test_a_long_document_is_not_overtaken_for_ever_by_short_ones() -> None:
    room = DocumentSlots(long_documents=1)
    await room.enter(SHORT)
    long, short = await entering(room, LONG), await entering(room, SHORT)
    assert not long.done()
    assert not short.done(), "though there are places left"
    room.leave(SHORT)
    await long
    room.leave(LONG)
    await short


async def test_long_documents_do_not_keep_each_other_waiting_with_half_of_the_places() -> None:
    room = DocumentSlots(long_documents=1)
    await room.enter(LONG)
    waiting = [await entering(room, LONG) for _ in range(3)]
    for each in waiting:
        room.leave(LONG)
        await each


async def test_who_stops_waiting_takes_nothing_along() -> None:
    room = DocumentSlots(long_documents=1)
    await room.enter(SHORT)
    long = await entering(room, LONG)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    room.leave(SHORT)
    assert (await entering(room, LONG)).done()
