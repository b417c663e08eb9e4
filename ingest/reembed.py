"""A collection's passages embedded again by another model, next to the old ones, while searches continue (blue/green).

From the start of the change, workers index documents with both models. What was published before is copied in rounds,
until the new index has everything that the old one has; then one conditional write changes the collection's model. The
old passages are kept for a while, for processes that read the collection's record earlier. A change that was cut off is
continued by the next process: the new index itself records what is copied.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from ingest.parsing.parse import ParsingFailed
from ingest.staging import IndexingModel, IndexingModels, stage_document, stage_passages
from phoserve.documents.collections import FORMER_KEPT, Collection
from phoserve.documents.ports import (
    ActivePassageStore,
    DocumentRegistry,
    IndexingTask,
    PassageStore,
    SourceStore,
    TaskQueue,
)
from phoserve.documents.records import Document, DocumentState, Passage
from phoserve.errors import CollectionNotFound, InvalidInput, NotFound, PhoserveError, Unavailable

DOCUMENTS_AT_ONCE: Final = 50
DOCUMENTS_PER_PAGE: Final = 500
KEYS_PER_CALL: Final = 1000
RECORDING_ROUNDS: Final = 10
INTERVAL_S: Final = 2.0
LEASE: Final = timedelta(seconds=30)
_AT_REST: Final = (DocumentState.READY, DocumentState.FAILED)

log = structlog.get_logger(__name__)


class ChangeStopped(Exception):
    """The change was cancelled, the collection deleted, or another process has taken over."""


@dataclass(frozen=True, slots=True)
class Changed:
    """How a change of a collection's model ended."""

    copied: int
    """Documents embedded again."""
    queued: int
    """Documents whose passages could not be copied: workers index their originals again."""


@dataclass(frozen=True, slots=True)
class Reembedder:
    """Carries out the changes that the collections' records ask for, one at a time. Several processes may do so."""

    registry: DocumentRegistry
    models: IndexingModels
    sources: SourceStore
    queue: TaskQueue
    kept: timedelta = FORMER_KEPT
    """How long the passages of a former model are kept."""

    async def run_forever(self, *, every_s: float = INTERVAL_S) -> None:
        """Look for changes every `every_s` seconds until cancelled. An outage is waited out."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.run_once()
            except PhoserveError as error:
                log.warning("reembedding_failed", error=str(error))
            except Exception:  # one collection must not end what completes the others
                log.exception("reembedding_failed")

    async def run_once(self) -> None:
        """Carry out all changes that no other process works on, and delete passages that are kept no longer."""
        for collection in await self.registry.collections():
            if not collection.deleting:
                await self._discard_retired(collection)
                with suppress(ChangeStopped):
                    await self.change(collection)

    async def change(self, collection: Collection, seen: Callable[[int, int], None] | None = None) -> Changed | None:
        """Carry out the change of one collection; None if there is none, or not for this process to do.

        `seen` is called with the numbers of documents embedded so far and of all. Raises ChangeStopped.
        """
        wanted = collection.reembedding
        target = self.models.find(wanted.fingerprint) if wanted else None
        if wanted is None or wanted.due_at > datetime.now(UTC):
            return None
        if target is None:
            log.warning("reembedding_waits", collection=collection.name, model=wanted.model, reason="not served here")
            return None
        claimed = await self.registry.update_collection(collection.claim_reembedding(uuid.uuid4().hex, LEASE))
        if claimed is None:
            return None
        async with self._open_store(collection.fingerprint) as source:
            job = _Change(self, source, target, claimed, seen or _unseen)
            outcome = await job.run()
        log.info("reembedded", collection=collection.name, model=wanted.model, documents=outcome.copied)
        return outcome

    async def copy(
        self, collection: Collection, fingerprint: str, seen: Callable[[int, int], None] | None = None
    ) -> Changed:
        """Embed the collection's passages with another served model; the collection keeps its own."""
        target = self.models.find(fingerprint) or self.models.default
        unchanged = msgspec.structs.replace(collection, reembedding=None)
        async with self._open_store(collection.fingerprint) as source:
            job = _Change(self, source, target, unchanged, seen or _unseen)
            while await job.copy_missing():
                pass
        return Changed(job.copied, job.queued)

    @asynccontextmanager
    async def _open_store(self, fingerprint: str) -> AsyncIterator[ActivePassageStore | None]:
        """Open the passages of a model, which need not be served; None if there are none."""
        if served := self.models.find(fingerprint):
            yield served.index
            return
        other = await self.models.default.index.sibling(fingerprint)
        try:
            yield other
        finally:
            if other is not None:
                await other.close()

    async def _discard_retired(self, collection: Collection) -> None:
        """Delete passages whose time has passed. The record is marked first, so that no change uses them again."""
        for each in collection.retired:
            if each.until > datetime.now(UTC):
                continue
            marked = await self.registry.update_collection(collection.discard_retired(each.fingerprint))
            if marked is None:
                return  # changed by another process: the next round reads it again
            async with self._open_store(each.fingerprint) as store:
                if store is not None:
                    await store.discard_collection(collection.id, here_only=True)
            forgotten = await self.registry.update_collection(marked.forget_retired(each.fingerprint))
            if forgotten is None:
                return
            collection = forgotten


@dataclass(slots=True)
class _Change:
    """The change of one collection, while this process holds its lease."""

    by: Reembedder
    source: PassageStore | None
    """The passages that searches read; None if the engine has lost them."""
    target: IndexingModel
    collection: Collection
    seen: Callable[[int, int], None]
    copied: int = 0
    queued: int = 0
    _given_up: set[tuple[str, int]] = field(default_factory=set)
    _restaged: dict[str, int] = field(default_factory=dict)
    """How many passages the documents have that were chunked again."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> Changed:
        """Copy what is published until nothing is missing, then change the collection's model. Raises ChangeStopped."""
        try:
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self._keep_alive())
                group.create_task(self._copy_and_change(beat))
        except* ChangeStopped:
            await self._take_back()
            raise ChangeStopped from None
        except* PhoserveError as errors:
            raise errors.exceptions[0] from None
        return Changed(self.copied, self.queued)

    async def _copy_and_change(self, beat: "asyncio.Task[None]") -> None:
        while await self.copy_missing():
            pass
        await self._record_documents()
        beat.cancel()
        await self._update(lambda current: current.finish_reembedding(self.by.kept))

    async def copy_missing(self) -> int:
        """Copy what the new index lacks and return how many documents that were."""
        there, published = await self._published()
        await self._discard_strangers([key for key in there if key not in published])
        missing = [each for each in published.items() if there.get(each[0], 0) < each[1] and each not in self._given_up]
        total = len(published)
        for start in range(0, len(missing), DOCUMENTS_AT_ONCE):
            done = total - len(missing) + start
            await self._report(done, total)
            await self._copy(missing[start : start + DOCUMENTS_AT_ONCE])
        await self._report(total, total)
        return len(missing)

    async def _report(self, done: int, total: int) -> None:
        self.seen(done, total)
        if self.collection.reembedding is not None:
            await self._update(lambda current: current.report_reembedding(total, done, LEASE))

    async def _published(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the revisions of documents in the new index, then those in the old one.

        Workers publish in the old one first, so what is only in the new one is of no document.
        """
        there = dict(await self.target.index.published(self.collection.id))
        return there, dict(await self.source.published(self.collection.id)) if self.source else {}

    async def _copy(self, revisions: Sequence[tuple[str, int]]) -> None:
        assert self.source is not None  # noqa: S101 - something is published in it
        known = await self.by.registry.find_keys([key for key, _ in revisions])
        found = [(known[key], revision) for key, revision in revisions if key in known]
        stored = await asyncio.gather(*(self.source.passages(self.collection.id, each.key) for each, _ in found))
        copies: list[tuple[Document, int]] = []
        passages: list[Passage] = []
        for (document, revision), each in zip(found, stored, strict=True):
            part = [passage for passage in each if passage.revision == revision]
            if not part or document.state is DocumentState.DELETING:
                continue  # changed meanwhile: the next pass reads it again
            if document.live_revision == revision and len(part) != document.passages:
                await self._index_again(document, revision)
                continue
            if not await self._restage(document, revision, part):
                passages += [_shared(passage, document) for passage in part]
            copies.append((document, revision))
        await stage_passages(passages, self.target.stage, self.target.tools, _unheard)
        current = await self._current_of(copies)
        await self.target.index.publish(current)
        self.copied += len(current)

    async def _restage(self, document: Document, revision: int, passages: Sequence[Passage]) -> bool:
        """Chunk the original again if its passages are too long for the new model; False if they are copied."""
        text = self.target.tools.text
        tokens = await asyncio.to_thread(text.count_tokens, [passage.text for passage in passages])
        if tokens.max() <= text.contract.max_tokens or document.revision != revision:
            return False
        try:
            staged = await stage_document(document, self.by.sources, [self.target], _unheard)
        except (ParsingFailed, InvalidInput, NotFound) as error:
            log.warning("passages_truncated", document_id=document.id, error=str(error))
            return False
        self._restaged[document.key] = staged.passages
        return True

    async def _index_again(self, document: Document, revision: int) -> None:
        self._given_up.add((document.key, revision))
        if document.state in _AT_REST:
            saved = [each for each in await self.by.registry.save([document.reindex()]) if each]
            await self._enqueue(saved)

    async def _enqueue(self, documents: Sequence[Document]) -> None:
        self.queued += len(documents)
        with suppress(Unavailable):  # `reconcile` queues them
            await self.by.queue.enqueue([IndexingTask.of(each) for each in documents])

    async def _current_of(self, copies: Sequence[tuple[Document, int]]) -> list[tuple[str, int]]:
        """Return what may be published of the staged revisions; those replaced or deleted meanwhile are discarded.

        Every other writer changes the record before the passages. A change that is not seen here therefore finds what
        was staged, and deletes it or gives it the new groups, even if this process has lost the change of the model.
        """
        known = await self.by.registry.find_keys([each.key for each, _ in copies]) if copies else {}
        current: list[tuple[str, int]] = []
        for document, revision in copies:
            now = known.get(document.key)
            if now is None or await self._is_replaced(now, revision):
                await self.target.index.discard(document.key, up_to=revision, staged_only=True)
                continue
            if now.access_version > document.access_version:
                await self._apply_access(now)
            current.append((document.key, revision))
        return current

    async def _is_replaced(self, document: Document, revision: int) -> bool:
        """Return whether the document is being deleted, or the new index has a newer revision.

        A newer revision in the record alone may not be published yet: until then, searches find this one.
        """
        if document.state is DocumentState.DELETING or document.live_revision <= revision:
            return document.state is DocumentState.DELETING
        live = await self.target.index.passages(self.collection.id, document.key)
        return any(each.revision > revision for each in live)

    async def _apply_access(self, document: Document) -> None:
        """Let the groups of the record find the document in the new index, where an earlier copy may have others."""
        if document.access_version:
            await self.target.index.set_access(document.key, document.access, document.access_version)

    async def _discard_strangers(self, keys: Sequence[str]) -> None:
        """Remove documents that are gone by now from what an earlier process copied."""
        for start in range(0, len(keys), KEYS_PER_CALL):
            part = keys[start : start + KEYS_PER_CALL]
            known = await self.by.registry.find_keys(part)
            if strangers := [key for key in part if key not in known]:
                await self.target.index.discard_many(strangers)

    async def _record_documents(self) -> None:
        """Record which documents the new model has embedded; those that it has not are queued."""
        for _ in range(RECORDING_ROUNDS):
            if await self._record_unchanged():
                return

    async def _record_unchanged(self) -> bool:
        """Record documents; False if some, such as those whose groups changed meanwhile, are to be recorded again."""
        is_complete = True
        there, _ = await self._published()
        fingerprint = self.target.fingerprint
        async for page in self._pages():
            live = [each for each in page if each.live_revision]
            taken = [each for each in live if there.get(each.key) == each.live_revision]
            fresh = [each for each in taken if not each.is_embedded_by([fingerprint])]
            counts = {each.key: self._restaged.get(each.key, each.passages) for each in fresh}
            own = self.collection.fingerprint
            marked = [each.mark_reembedded(own, fingerprint, counts[each.key]) for each in fresh]
            is_complete = all(await self.by.registry.save(marked)) and is_complete
            for each in taken:
                await self._apply_access(each)
            lost = [each for each in live if each not in taken and (each.key, each.live_revision) not in self._given_up]
            await self._enqueue([each for each in await self.by.registry.save([e.reindex() for e in lost]) if each])
        return is_complete

    async def _pages(self) -> AsyncIterator[list[Document]]:
        cursor: str | None = None
        while True:
            page = await self.by.registry.page(
                self.collection.id, states=_AT_REST, cursor=cursor, limit=DOCUMENTS_PER_PAGE
            )
            yield page.documents
            cursor = page.cursor
            if cursor is None:
                return

    async def _take_back(self) -> None:
        """Remove what was copied for a collection that is gone."""
        with suppress(PhoserveError):
            if all(each.id != self.collection.id for each in await self.by.registry.collections()):
                await self.target.index.discard_collection(self.collection.id, here_only=True)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(Unavailable):  # the next one may succeed
                await self._update(lambda current: current.extend_reembedding(LEASE))

    async def _update(self, change: Callable[[Collection], Collection]) -> None:
        """Apply `change` to the newest version of the record and save it. Raises ChangeStopped."""
        async with self._lock:
            while True:
                if saved := await self.by.registry.update_collection(change(self.collection)):
                    self.collection = saved
                    return
                self.collection = await self._current()

    async def _current(self) -> Collection:
        own = self.collection.reembedding
        try:
            found = await self.by.registry.collection(self.collection.name)
        except CollectionNotFound:
            raise ChangeStopped from None
        now = found.reembedding
        if found.id != self.collection.id or own is None or now is None or now.holder != own.holder:
            raise ChangeStopped
        return found


def _shared(passage: Passage, document: Document) -> Passage:
    """Return the passage with the groups of the record."""
    return msgspec.structs.replace(passage, access=document.access, access_version=document.access_version)


async def _unheard(_: float) -> None:
    """Ignore the share of a page that is embedded."""


def _unseen(_: int, __: int) -> None:
    """Ignore how many documents are embedded."""
