"""Find what was begun and not finished, whatever died meanwhile, and see it through."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from ingest.orphans import is_orphaned
from phoserve.documents.access_changes import apply_access
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, IndexingTask, SourceStore, TaskQueue
from phoserve.documents.records import DocumentState
from phoserve.documents.removal import purge_collection, remove_marked, sweep_originals
from phoserve.errors import EngineFailed, PhoserveError

INTERVAL_S: Final = 5.0
LOOKS_PER_INTERVAL: Final = 5
SWEEP_INTERVAL_S: Final = 3600.0
UPLOAD_AT_LONGEST: Final = timedelta(days=1)
DOCUMENTS_AT_ONCE: Final = 500
FAR_AHEAD: Final = timedelta(days=36500)

log = structlog.get_logger(__name__)


class ReconcileLease(Protocol):
    """Decides which of several processes does what only one need do."""

    async def acquire(self, for_s: float) -> bool:
        """Acquire the lease for `for_s` seconds; False if another process holds it."""
        ...


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares the registry, the one truth, with everything that should follow from it."""

    registry: DocumentRegistry
    indexes: PassageStores[Any]
    sources: SourceStore
    queue: TaskQueue

    async def run_once(self, *, ignore_leases: bool = False) -> int:
        """Queue whatever is due, finish deletions, remove left-overs; returns how many documents were queued.

        With `ignore_leases` no worker is alive, so leases do not have to expire first.
        """
        horizon = datetime.now(UTC) + (FAR_AHEAD if ignore_leases else timedelta())
        for collection in await self.registry.collections():
            if collection.deleting:
                with _isolated("purge_collection", collection=collection.id):
                    await purge_collection(collection.id, self.registry, self.indexes, self.sources)
        leaving = await self.registry.due(horizon, states=[DocumentState.DELETING], limit=DOCUMENTS_AT_ONCE)
        with _isolated("remove_documents", keys=[each.key for each in leaving]):
            await remove_marked(leaving, self.registry, self.indexes, self.sources)
        # Until then searches hide what these changes hide, and do not find yet what they open.
        with _isolated("apply_access"):
            await apply_access(await self.registry.access_due(limit=DOCUMENTS_AT_ONCE), self.registry, self.indexes)
        with _isolated("remove_orphans"):
            await self._remove_orphans()
        return await self._queue_due(horizon, ignore_leases=ignore_leases)

    async def run_first(self) -> None:
        """Reconcile at the start of the only process, ignoring leases. An unreadable record does not stop the start.

        Raises PhoserveError during an outage.
        """
        try:
            await self.run_once(ignore_leases=True)
        except EngineFailed as error:  # `run_forever` tries again
            log.error("reconcile_failed", error=str(error))
        except PhoserveError:
            raise
        except Exception:  # `run_forever` tries again
            log.exception("reconcile_failed")

    async def run_forever(self, *, every_s: float = INTERVAL_S, lease: ReconcileLease | None = None) -> None:
        """Reconcile every `every_s` seconds until cancelled, where several do so in turn; an outage is waited out."""
        swept_at = time.monotonic()
        # The last holder of the lease may have crashed: the others must not skip the next interval.
        nap_s = every_s if lease is None else every_s / LOOKS_PER_INTERVAL
        while True:
            await asyncio.sleep(nap_s)
            try:
                if lease is None or await lease.acquire(every_s):
                    await self.run_once()
                    if time.monotonic() - swept_at >= SWEEP_INTERVAL_S:
                        swept_at = time.monotonic()
                        await self.sweep()
            except PhoserveError as error:
                log.warning("reconcile_failed", error=str(error))
            except Exception:  # one unreadable record must not end what completes the others
                log.exception("reconcile_failed")

    async def sweep(self) -> None:
        """Delete the originals that no record names any more, or never did."""
        horizon = datetime.now(UTC) - UPLOAD_AT_LONGEST
        swept = await sweep_originals(self.registry, self.sources, stored_before=horizon)
        if swept:
            log.info("originals_swept", originals=swept)

    async def _queue_due(self, horizon: datetime, *, ignore_leases: bool) -> int:
        return sum([await self._queue_due_of(bulk, horizon, ignore_leases) for bulk in (False, True)])

    async def _queue_due_of(self, bulk: bool, horizon: datetime, ignore_leases: bool) -> int:
        states = [DocumentState.QUEUED, DocumentState.PROCESSING]
        due = await self.registry.due(horizon, states=states, limit=DOCUMENTS_AT_ONCE, bulk=bulk)
        if ignore_leases:
            held = [each for each in due if each.state is DocumentState.PROCESSING]
            freed = await self.registry.save([each.update_progress(each.progress, timedelta()) for each in held])
            due = [each for each in due if each.state is DocumentState.QUEUED] + [each for each in freed if each]
        elif due and await self.queue.depth(bulk=bulk) >= len(due):
            # What waits in the registry waits in the broker too, but for what was tried and handed back, or was held
            # by a worker that died.
            due = [each for each in due if each.attempts or each.error]
        await self.queue.enqueue([IndexingTask.of(each) for each in due])
        return len(due)

    async def _remove_orphans(self) -> None:
        """Staged passages whose document is gone, at rest, or at a newer revision."""
        for index in self.indexes:
            staged = await index.staged()
            known = await self.registry.find_keys([key for key, _ in staged]) if staged else {}
            for key, revision in staged:
                if is_orphaned(known.get(key), revision, index.fingerprint):
                    with _isolated("remove_orphan", key=key):
                        await index.discard(key, up_to=revision, staged_only=True)


@contextlib.contextmanager
def _isolated(step: str, **names: Any) -> Iterator[None]:
    """Log the failure of one step, so that the others of the pass follow. An outage ends the pass."""
    try:
        yield
    except PhoserveError as error:
        if not isinstance(error, EngineFailed):
            raise
        log.error("reconcile_step_failed", step=step, **names, error=str(error))
    except Exception:
        log.exception("reconcile_step_failed", step=step, **names)
