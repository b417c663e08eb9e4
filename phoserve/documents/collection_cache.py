"""Collections by name, cached so that a search seldom reads the registry and does not fail while it is away."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phoserve.documents.collections import Collection
from phoserve.documents.ports import DocumentRegistry
from phoserve.errors import CollectionNotFound, PhoserveError, Unavailable

FRESH_S: Final = 1.0
KEPT_S: Final = 3600.0
LISTED_EVERY_S: Final = 60.0
PATIENCE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Known:
    collection: Collection
    read_at: float


class CollectionCache:
    """Collections as the registry last returned them.

    An entry is used without a look at the registry for `FRESH_S`, so a change made by another process is seen after
    that time. While the registry does not respond, entries stay in use for `KEPT_S`. All collections are read together
    every `LISTED_EVERY_S`, so that those which were not asked for lately are known too.
    """

    def __init__(self, registry: DocumentRegistry, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._reads: dict[str, asyncio.Task[Collection]] = {}
        self._listing: asyncio.Task[None] | None = None
        self._listed_at = -LISTED_EVERY_S
        self._is_responding = True
        self._changes = 0

    async def collection(self, name: str) -> Collection:
        """Return the collection of that name. Raises CollectionNotFound; Unavailable if it is not known either."""
        known = self._known.get(name)
        age_s = self._clock() - known.read_at if known else KEPT_S
        if known and age_s < FRESH_S:
            return known.collection
        reading = self._read(name)
        if known is None or age_s >= KEPT_S:
            return await asyncio.shield(reading)
        # A registry that hangs must not hold up every search: after a failure none of them waits for it.
        await asyncio.wait([reading], timeout=PATIENCE_S if self._is_responding else 0)
        if not reading.done():
            self._is_responding = False
            return known.collection
        try:
            return reading.result()
        except Unavailable:
            return known.collection

    def forget(self, name: str) -> None:
        """Read the collection again before it is used next."""
        self._changes += 1
        self._known.pop(name, None)
        self._reads.pop(name, None)

    def _read(self, name: str) -> asyncio.Task[Collection]:
        reading = self._reads.get(name)
        if reading is None:
            reading = self._reads[name] = asyncio.create_task(self._fetch(name))
            reading.add_done_callback(lambda task: self._ended(name, task))
        return reading

    async def _fetch(self, name: str) -> Collection:
        changes = self._changes
        try:
            found = await self._registry.collection(name)
        except CollectionNotFound:
            self._known.pop(name, None)
            raise
        except Unavailable:
            self._is_responding = False
            raise
        self._is_responding = True
        if changes == self._changes:
            self._known[name] = _Known(found, self._clock())
        if self._clock() - self._listed_at >= LISTED_EVERY_S and self._listing is None:
            self._listed_at = self._clock()
            self._listing = asyncio.create_task(self._fetch_all())
        return found

    async def _fetch_all(self) -> None:
        changes = self._changes
        try:
            found = await self._registry.collections()
        except PhoserveError:
            self._listed_at = -LISTED_EVERY_S
        else:
            if changes == self._changes:
                now = self._clock()
                self._known = {each.name: _Known(each, now) for each in found if not each.deleting}
        finally:
            self._listing = None

    def _ended(self, name: str, task: asyncio.Task[Collection]) -> None:
        if self._reads.get(name) is task:
            del self._reads[name]
        if not task.cancelled():
            task.exception()  # callers that waited have it; without callers it is not needed
