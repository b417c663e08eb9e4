"""A worker's hold on the record of the document it works on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from phoserve.documents.records import Document
from phoserve.errors import Unavailable

Save = Callable[[Sequence[Document]], Awaitable[Sequence[Document | None]]]
"""`DocumentRegistry.save`."""


class ClaimLost(Exception):
    """Somebody else changed the document's record: the work under way is no longer wanted."""


class Claim:
    """The document in the version this worker wrote last; every write checks that nobody else wrote since."""

    def __init__(self, document: Document, save: Save, lease: timedelta) -> None:
        self.document = document
        self._save = save
        self._lease = lease
        self._share = 0.0
        self._lock = asyncio.Lock()

    async def write(self, change: Callable[[Document], Document]) -> None:
        """Save `change` of the newest version. Raises ClaimLost."""
        async with self._lock:
            [saved] = await self._save([change(self.document)])
            if saved is None:
                raise ClaimLost
            self.document = saved

    async def progress(self, share: float) -> None:
        """Say that `share` of the document, 0 to 1, is done; extends the lease. Raises ClaimLost."""
        self._share = max(self._share, share)
        await self.write(lambda current: current.update_progress(self._share, self._lease))

    async def keep_alive(self) -> None:
        """Extend the lease again and again, until cancelled or superseded."""
        with suppress(ClaimLost):
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                with suppress(Unavailable):  # the next beat may reach it
                    await self.progress(self._share)
