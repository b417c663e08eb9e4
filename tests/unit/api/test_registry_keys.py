"""Keys of the registry: how soon a change counts, and what holds while the registry is away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from api import registry_keys
from api.keys import FixedKeys
from api.registry_keys import FRESH_S, RegistryKeys
from phoserve.administration.keys import Role, StoredKey, new_key
from phoserve.errors import Unavailable

FILE_SECRET, FILE_KEY = new_key("file", Role.READER)
SECRET, KEY = new_key("stored", Role.WRITER, ("kb",), ("hr",))
OUTAGE_S = 3600.0


class Store:
    """Keys in a list; `is_away` for an outage, `is_hanging` for one without an answer."""

    def __init__(self) -> None:
        self.stored: list[StoredKey] = []
        self.changes = 0
        self.reads = 0
        self.is_away = self.is_hanging = False

    def put(self, *keys: StoredKey) -> None:
        self.stored = list(keys)
        self.changes += 1

    async def add(self, key: StoredKey) -> None:
        self.put(*self.stored, key)

    async def revoke(self, key_id: str, *, by: str) -> bool:
        self.put(*(each for each in self.stored if each.key.id != key_id))
        return True

    async def keys(self) -> Sequence[StoredKey]:
        await self._respond()
        self.reads += 1
        return list(self.stored)

    async def version(self) -> tuple[int, int]:
        await self._respond()
        return self.changes, 0

    async def _respond(self) -> None:
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.is_away:
            raise Unavailable("registry", "away")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stored(expires_at: datetime | None = None) -> StoredKey:
    return StoredKey(key=KEY, created_at=datetime.now(UTC), created_by="root", expires_at=expires_at)


def ring(store: Store, clock: Clock, *, outage_s: float = OUTAGE_S) -> RegistryKeys:
    return RegistryKeys(FixedKeys((FILE_KEY,)), store, outage_s=outage_s, clock=clock)


async def test_keys_of_both_sources_are_valid() -> None:
    store = Store()
    store.put(stored())
    keys = ring(store, Clock())
    for secret, key in ((FILE_SECRET, FILE_KEY), (SECRET, KEY)):
        principal = await keys.find(secret)
        assert principal is not None
        assert (principal.id, principal.role, principal.collections) == (key.id, key.role, frozenset(key.collections))
        assert principal.audience.groups == frozenset(key.groups)
    for wrong in (None, "", SECRET[:-1], KEY.sha256):
        assert await keys.find(wrong) is None


async def test_a_change_elsewhere_counts_after_a_second_and_nothing_is_read_before() -> None:
    store, clock = Store(), Clock()
    keys = ring(store, clock)
    assert await keys.find(SECRET) is None
    store.put(stored())
    clock.now += FRESH_S
    assert await keys.find(SECRET) is not None
    store.put()
    clock.now += FRESH_S * 0.99
    assert await keys.find(SECRET) is not None
    clock.now += FRESH_S * 0.01
    assert await keys.find(SECRET) is None
    reads = store.reads
    clock.now += 100
    await keys.find(SECRET)
    assert store.reads == reads, "the version is the same"


async def test_a_change_here_counts_at_once_although_a_read_is_in_flight() -> None:
    store, clock = Store(), Clock()
    store.put(stored())
    keys = ring(store, clock)
    assert await keys.find(SECRET) is not None
    released, before = asyncio.Event(), store.keys

    async def slow_keys() -> Sequence[StoredKey]:
        found = await before()
        await released.wait()
        return found

    store.keys = slow_keys  # type: ignore[method-assign]
    store.changes += 1
    clock.now += FRESH_S
    reading = asyncio.create_task(keys.find(SECRET))
    await asyncio.sleep(0.01)
    store.put()
    refreshing = asyncio.create_task(keys.refresh())
    await asyncio.sleep(0.01)
    released.set()
    await asyncio.gather(reading, refreshing)
    assert await keys.find(SECRET) is None


@pytest.mark.parametrize("is_hanging", [False, True])
async def test_known_keys_hold_through_an_outage_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, is_hanging: bool
) -> None:
    monkeypatch.setattr(registry_keys, "PATIENCE_S", 0.01)
    store, clock = Store(), Clock()
    store.put(stored())
    keys = ring(store, clock)
    assert await keys.find(SECRET) is not None
    store.is_away, store.is_hanging = not is_hanging, is_hanging
    for _ in range(59):
        clock.now += 60
        assert await keys.find(SECRET) is not None
    clock.now += 120
    with pytest.raises(Unavailable, match="keys cannot be checked"):
        await keys.find(SECRET)
    assert await keys.find(FILE_SECRET) is not None, "the file's keys do not depend on the registry"
    if not is_hanging:
        store.is_away = False
        clock.now += FRESH_S
        assert await keys.find(SECRET) is not None


async def test_one_request_a_second_waits_for_a_registry_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_keys, "PATIENCE_S", 0.05)
    store, clock = Store(), Clock()
    store.put(stored())
    keys = ring(store, clock)
    await keys.find(SECRET)
    store.is_hanging = True
    clock.now += FRESH_S
    await keys.find(SECRET)
    begun = asyncio.get_running_loop().time()
    for _ in range(20):
        assert await keys.find(SECRET) is not None
    assert asyncio.get_running_loop().time() - begun < 0.05


async def test_a_registry_that_was_never_read_is_no_wrong_key() -> None:
    store = Store()
    store.is_away = True
    with pytest.raises(Unavailable):
        await ring(store, Clock()).find(SECRET)


async def test_a_key_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.put(stored(datetime.now(UTC) + timedelta(seconds=0.2)))
    keys = ring(store, Clock())
    assert await keys.find(SECRET) is not None
    await asyncio.sleep(0.25)
    assert await keys.find(SECRET) is None


async def test_a_forgotten_key_is_refused_until_the_next_read() -> None:
    store, clock = Store(), Clock()
    store.put(stored())
    keys = ring(store, clock)
    assert await keys.find(SECRET) is not None
    keys.forget(KEY.id)
    assert await keys.find(SECRET) is None
