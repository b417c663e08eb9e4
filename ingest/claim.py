"""A worker's claim on a document's record."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from phoserve.documents.records import Document
from phoserve.errors import Unavailable

Save = Callable[[Sequence[Document]], Awaitable[Sequence[Document | None]]]
"""`DocumentRegistry.save`."""
Find = Callable[[Sequence[str]], Awaitable[Mapping[str, Document]]]
"""`DocumentRegistry.find_keys`."""


class ClaimLost(Exception):
    """The document's record was changed by another writer, so the work in progress is obsolete."""


class Claim:
    """The document in the version that this worker wrote last. Every write checks that no other writer changed it.

    Groups are the exception: they may change while the document is indexed, and the worker takes over the new ones.
    """

    def __init__(self, document: Document, save: Save, find: Find, lease: timedelta) -> None:
        self.document = document
        self._save = save
        self._find = find
        self._lease = lease
        self._share = 0.0
        self._lock = asyncio.Lock()

    async def write(self, change: Callable[[Document], Document]) -> None:
        """Apply `change` to the newest version and save it. Raises ClaimLost."""
        async with self._lock:
            while True:
                [saved] = await self._save([change(self.document)])
                if saved is not None:
                    self.document = saved
                    return
                self.document = await self._shared_otherwise()

    async def _shared_otherwise(self) -> Document:
        """Return the stored document if only its groups have changed. Raises ClaimLost."""
        stored = (await self._find([self.document.key])).get(self.document.key)
        if stored is None or stored.access_version == self.document.access_version:
            raise ClaimLost
        if _claim_of(stored) != _claim_of(self.document):
            raise ClaimLost
        return stored

    async def progress(self, share: float) -> None:
        """Record that `share` of the document, 0 to 1, is done, and extend the lease. Raises ClaimLost."""
        self._share = max(self._share, share)
        await self.write(lambda current: current.update_progress(self._share, self._lease))

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Extend the lease periodically until the block ends or the claim is lost."""
        beats: list[asyncio.Task[None]] = []
        # Most documents are ready before the first beat: a timer costs less than a task.
        first = asyncio.get_running_loop().call_later(
            self._beat_s, lambda: beats.append(asyncio.create_task(self._beat()))
        )
        try:
            yield
        finally:
            first.cancel()
            for beat in beats:
                beat.cancel()

    @property
    def _beat_s(self) -> float:
        return self._lease.total_seconds() / 3

    async def _beat(self) -> None:
        with suppress(ClaimLost):
            while True:
                with suppress(Unavailable):  # the next heartbeat may succeed
                    await self.progress(self._share)
                await asyncio.sleep(self._beat_s)


def _claim_of(document: Document) -> tuple[object, ...]:
    """Return what any other writer of the record changes, except one that changes groups."""
    state = document.state, document.attempts, document.progress, document.due_at
    return document.revision, document.live_revision, *state
