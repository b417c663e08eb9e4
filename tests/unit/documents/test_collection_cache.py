"""Collections stay known while the registry is away, and a change is seen within a second."""

import asyncio

import pytest

from phoserve.documents import collection_cache
from phoserve.documents.collection_cache import FRESH_S, KEPT_S, LISTED_EVERY_S, CollectionCache
from phoserve.documents.collections import Collection
from phoserve.errors import CollectionNotFound, Unavailable
from tests.support.memory import MemoryRegistry
from tests.support.registry import add_collection


class CountedRegistry(MemoryRegistry):
    """Counts look-ups; may be away, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_away = False
        self.hangs: asyncio.Event | None = None

    async def collection(self, name: str) -> Collection:
        self.reads += 1
        if self.is_away:
            raise Unavailable("registry", "PostgreSQL does not respond")
        found = await super().collection(name)
        if self.hangs:
            await self.hangs.wait()
        return found


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry() -> CountedRegistry:
    return CountedRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(registry: CountedRegistry, clock: Clock) -> CollectionCache:
    return CollectionCache(registry, clock=clock)


async def test_the_registry_is_read_once_a_second(
    registry: CountedRegistry, cache: CollectionCache, clock: Clock
) -> None:
    kb = await add_collection(registry, "kb")
    for _ in range(10):
        assert await cache.collection("kb") == kb
    assert registry.reads == 1
    clock.now += FRESH_S
    await asyncio.gather(*(cache.collection("kb") for _ in range(10)))
    assert registry.reads == 2


async def test_what_another_process_deleted_is_unknown_a_second_later(
    registry: CountedRegistry, cache: CollectionCache, clock: Clock
) -> None:
    kb = await add_collection(registry, "kb")
    await cache.collection("kb")
    await registry.remove_collection(kb.id)
    clock.now += FRESH_S
    with pytest.raises(CollectionNotFound):
        await cache.collection("kb")
    again = await add_collection(registry, "kb")
    assert await cache.collection("kb") == again, "that it was not there is not remembered"


async def test_a_change_of_this_process_is_seen_at_once(registry: CountedRegistry, cache: CollectionCache) -> None:
    kb = await add_collection(registry, "kb")
    await cache.collection("kb")
    await registry.remove_collection(kb.id)
    cache.forget("kb")
    with pytest.raises(CollectionNotFound):
        await cache.collection("kb")


async def test_a_read_that_began_before_a_change_is_not_remembered(
    registry: CountedRegistry, cache: CollectionCache
) -> None:
    kb = await add_collection(registry, "kb")
    registry.hangs = asyncio.Event()
    reading = asyncio.create_task(cache.collection("kb"))
    while not registry.reads:  # noqa: ASYNC110 - the test is the only other task
        await asyncio.sleep(0)
    await registry.remove_collection(kb.id)
    cache.forget("kb")
    registry.hangs.set()
    assert await reading == kb
    with pytest.raises(CollectionNotFound):
        await cache.collection("kb")


async def test_while_the_registry_is_away_collections_stay_known(
    registry: CountedRegistry, cache: CollectionCache, clock: Clock
) -> None:
    kb, other = await add_collection(registry, "kb"), await add_collection(registry, "other")
    await cache.collection("kb")
    await asyncio.sleep(0)  # all are read together, in the background
    registry.is_away = True
    for _ in range(int(LISTED_EVERY_S * 10)):
        clock.now += FRESH_S
        assert await cache.collection("kb") == kb
    assert await cache.collection("other") == other, "also one that was not asked for before"
    with pytest.raises(Unavailable):
        await cache.collection("unknown")
    clock.now += KEPT_S
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await cache.collection("kb")
    registry.is_away = False
    assert await cache.collection("kb") == kb


async def test_a_registry_that_hangs_delays_one_search(
    registry: CountedRegistry, cache: CollectionCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection_cache, "PATIENCE_S", 0.05)
    kb = await add_collection(registry, "kb")
    await cache.collection("kb")
    registry.hangs = asyncio.Event()
    took = []
    for _ in range(20):
        clock.now += FRESH_S
        before = asyncio.get_running_loop().time()
        assert await cache.collection("kb") == kb
        took.append(asyncio.get_running_loop().time() - before)
    assert sum(each >= 0.05 for each in took) == 1
    registry.hangs.set()
    await asyncio.sleep(0)
