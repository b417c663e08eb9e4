"""Bring changed groups from the registry into the index, and hide from searches what the index may still show.

The registry is written first: from then on the change is in force. The index follows at once, or, after a crash or
while the engine is away, when `reconcile` finds it.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from phoserve.concurrency.batcher import Batcher
from phoserve.documents.access import Access, Audience
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document
from phoserve.errors import InvalidInput, Overloaded, Unavailable

MAX_DUE: Final = 1000
"""Changes that may be waiting for the index: every search reads them."""
MAX_SETS: Final = 2000
"""Different sets of groups that the documents of a collection may have."""
PATIENCE_S: Final = 0.25
"""How long a search waits for a registry that does not respond."""
RETRY_S: Final = 1.0
"""How often an unresponsive registry is asked again."""
CALLERS_PER_READ: Final = 1024

log = structlog.get_logger(__name__)


async def apply_access(documents: Sequence[Document], registry: DocumentRegistry, indexes: PassageStores[Any]) -> None:
    """Bring the groups of these documents into every index; doing it again changes nothing. Raises Unavailable."""
    due = [each for each in documents if each.access_due_at is not None]
    for each in due:
        await indexes.set_access(each.key, each.access, each.access_version)
    await registry.settle_access(due)


async def try_apply_access(
    documents: Sequence[Document], registry: DocumentRegistry, indexes: PassageStores[Any]
) -> None:
    """Do what `apply_access` does; if a store is away, `reconcile` completes it, and searches hide what they must."""
    try:
        await apply_access(documents, registry, indexes)
    except Unavailable as error:
        log.warning("access_not_in_index_yet", error=str(error), documents=len(documents))


async def check_access_backlog(registry: DocumentRegistry) -> None:
    """Raise Overloaded while too many changes wait for the index."""
    if len(await registry.access_due(limit=MAX_DUE)) >= MAX_DUE:
        raise Overloaded("too many changes of groups wait for the search engine", retry_after_s=10.0)


async def check_access_room(registry: DocumentRegistry, collection_id: str, wanted: Collection[Access]) -> None:
    """Raise InvalidInput if `wanted` would give the collection too many different sets of groups."""
    if any(wanted) and not await registry.has_access_room(collection_id, wanted, most=MAX_SETS):
        raise InvalidInput(
            f"the documents of the collection have {MAX_SETS} different sets of groups already, and each listing reads "
            "them all; give teams a group, not documents or people",
            field="access",
        )


@dataclass(frozen=True, slots=True)
class _Change:
    document_key: str
    access: Access


class AccessChanges:
    """An `AccessGuard`: the changes that the registry has and the index may not have yet.

    Every search of an audience with limited sight reads them from the registry, in a query that seldom finds any and
    that concurrent searches share. A search that begins after a change was stored therefore never shows what the change
    hides. While the registry does not respond, no change can be stored through this process, and the last known ones
    stay in force.
    """

    def __init__(self, registry: DocumentRegistry) -> None:
        self._registry = registry
        self._read: Batcher[None, Sequence[_Change]] = Batcher(self._read_once, max_items=CALLERS_PER_READ)
        self._known: Sequence[_Change] = ()
        self._silent_until = 0.0
        self._reads: set[asyncio.Task[Sequence[_Change]]] = set()

    async def narrow(self, audience: Audience) -> Audience:
        """Return the audience without the documents that are hidden from it although the index may show them."""
        if audience.sees_all:
            return audience
        changes = await self._current()
        hidden = [each.document_key for each in changes if not audience.sees(each.access)]
        return audience.without(hidden) if hidden else audience

    async def _current(self) -> Sequence[_Change]:
        if time.monotonic() < self._silent_until:
            return self._known
        reading = asyncio.ensure_future(self._read_shared())
        self._reads.add(reading)
        reading.add_done_callback(self._ended)
        await asyncio.wait([reading], timeout=PATIENCE_S)
        if not reading.done():
            self._silent_until = time.monotonic() + RETRY_S
            return self._known
        try:
            return reading.result()
        except Unavailable as error:
            self._silent_until = time.monotonic() + RETRY_S
            log.warning("access_changes_unknown", error=str(error))
            return self._known

    async def _read_shared(self) -> Sequence[_Change]:
        [changes] = await self._read([None])
        return changes

    async def _read_once(self, callers: Sequence[None]) -> Sequence[Sequence[_Change]]:
        found = await self._registry.access_due(limit=2 * MAX_DUE)
        self._known = [_Change(each.key, each.access) for each in found]
        return [self._known] * len(callers)

    def _ended(self, reading: "asyncio.Task[Sequence[_Change]]") -> None:
        self._reads.discard(reading)
        if not reading.cancelled():
            reading.exception()  # callers that waited have it
