import asyncio

import pytest

from ingest.reconcile import Reconciler
from phoserve.documents.collections import Collection
from phoserve.documents.passages import PassageStores
from phoserve.errors import Unavailable
from tests.support.memory import MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources


class BrokenRegistry(MemoryRegistry):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.calls = 0
        self.called_thrice = asyncio.Event()
        self._error = error

    async def collections(self) -> list[Collection]:
        self.calls += 1
        if self.calls == 3:
            self.called_thrice.set()
        raise self._error


ERRORS = [ValueError("broken JSON"), KeyError("state"), RecursionError(), Unavailable("registry", "away")]


@pytest.mark.parametrize("error", ERRORS)
async def test_any_exception_leaves_the_loop_running(error: Exception) -> None:
    registry = BrokenRegistry(error)
    reconciler = Reconciler(registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue())
    running = asyncio.create_task(reconciler.run_forever(every_s=0.001))
    try:
        await asyncio.wait_for(registry.called_thrice.wait(), 10)
        assert not running.done()
    finally:
        running.cancel()


async def test_an_unreadable_record_does_not_stop_the_start() -> None:
    registry = BrokenRegistry(ValueError("broken JSON"))
    await Reconciler(registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue()).run_first()
    assert registry.calls == 1


async def test_an_outage_stops_the_start() -> None:
    registry = BrokenRegistry(Unavailable("registry", "away"))
    with pytest.raises(Unavailable):
        await Reconciler(registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue()).run_first()
