"""What is taken away, and what must stay, whatever is down meanwhile."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from phoserve.documents import library
from phoserve.documents.library import Library
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import IndexingTask
from phoserve.documents.records import Original, new_document
from phoserve.documents.removal import sweep_originals
from phoserve.errors import CollectionNotFound, Unavailable
from tests.support.memory import MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources
from tests.support.registry import add_collection

FAR = timedelta(minutes=1)


class DeadQueue(MemoryQueue):
    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        raise Unavailable("queue", f"{len(tasks)} tasks were not taken")


async def stored(sources: MemorySources, key: str) -> Original:
    taken = await sources.put(key, b"x", max_bytes=10)
    return Original(key=key, sha256=taken.sha256, size_bytes=1, media_type="text/plain", filename="a.txt")


async def test_only_originals_that_no_record_names_are_swept() -> None:
    registry, sources = MemoryRegistry(), MemorySources()
    old, new = await stored(sources, "kb/k1/old"), await stored(sources, "kb/k1/new")
    await stored(sources, "kb/k2/orphan")
    kb = await add_collection(registry, "kb")
    [first] = await registry.save([new_document(kb, "d", old)])
    assert first is not None
    await registry.save([first.revise(new, title="", metadata={}, bulk=False, request=None)])

    assert await sweep_originals(registry, sources, stored_before=datetime.now(UTC) + FAR) == 2
    assert [key async for key, _ in sources.keys("")] == ["kb/k1/new"]


async def test_what_was_stored_just_now_may_still_get_its_record() -> None:
    sources = MemorySources()
    await stored(sources, "kb/k1/uploading")
    assert await sweep_originals(MemoryRegistry(), sources, stored_before=datetime.now(UTC) - FAR) == 0
    assert [key async for key, _ in sources.keys("")] == ["kb/k1/uploading"]


async def test_a_large_collection_is_deleted_though_the_queue_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "DELETED_WHILE_WAITING", -1)
    registry = MemoryRegistry()
    await add_collection(registry, "kb")
    kept = Library(registry, PassageStores([MemoryIndex("f")]), MemorySources(), DeadQueue())
    await kept.delete_collection("kb")
    with pytest.raises(CollectionNotFound):
        await kept.collection("kb")
    assert [each.deleting for each in await registry.collections()] == [True], "left for `reconcile`"
