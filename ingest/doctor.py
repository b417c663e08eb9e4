"""Compare registry, passages and originals, and rebuild passages that are missing from the originals.

The registry is the source of truth: passages without a document are removed, documents without their passages are
queued again. An original that is gone cannot be rebuilt, so it is reported. A record that cannot be read whole is kept
in quarantine as it is, and replaced by what can be read of it.
"""

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from phoserve.documents.access_changes import apply_access
from phoserve.documents.collections import Collection
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import (
    DamagedRecord,
    DocumentRegistry,
    IndexingTask,
    PassageStore,
    SourceStore,
    TaskQueue,
)
from phoserve.documents.records import Document, DocumentState
from phoserve.documents.removal import QUARANTINE, sweep_originals, unnamed_originals
from phoserve.documents.texts import text_key

DOCUMENTS_PER_PAGE: Final = 500
KEYS_PER_CALL: Final = 1000
UPLOAD_AT_LONGEST: Final = timedelta(days=1)
_AT_REST: Final = (DocumentState.READY, DocumentState.FAILED)
_REBUILT: Final = frozenset(DocumentState) - {DocumentState.DELETING}


@dataclass(slots=True)
class CollectionHealth:
    """What was found in one collection."""

    name: str
    documents: int = 0
    missing_passages: list[str] = field(default_factory=list)
    """Ids of documents whose live revision is not in the index, or not whole."""
    wrong_groups: list[str] = field(default_factory=list)
    """Ids of documents whose passages have other groups in the index than in the registry."""
    missing_originals: list[str] = field(default_factory=list)
    """Ids of documents whose original is gone."""
    missing_texts: list[str] = field(default_factory=list)
    """Ids of documents whose live revision has no stored text; version 0.1 stored none."""


@dataclass(slots=True)
class Report:
    """What was found in all stores."""

    collections: list[CollectionHealth] = field(default_factory=list)
    orphaned_documents: int = 0
    """Documents that have passages in the index, and no record or none that was ever live."""
    newer_passages: int = 0
    """Documents whose passages are newer than their record: the registry was restored from a backup."""
    orphaned_originals: int = 0
    """Originals of no record that are older than any upload in progress."""
    damaged: list[DamagedRecord] = field(default_factory=list)
    """Records that cannot be read whole."""
    drifted: int = 0
    """Documents that the registry counts, or finds by filters or groups, differently from their records."""
    queued: int = 0
    """Documents queued by the repair."""

    @property
    def is_healthy(self) -> bool:
        """Whether registry, passages and originals agree."""
        found = [
            each.missing_passages or each.wrong_groups or each.missing_originals or each.missing_texts
            for each in self.collections
        ]
        others = self.orphaned_documents, self.newer_passages, self.orphaned_originals, self.damaged, self.drifted
        return not (any(found) or any(others))


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines the stores while the platform runs; documents that are being processed are left out."""

    registry: DocumentRegistry
    indexes: PassageStores[Any]
    sources: SourceStore
    queue: TaskQueue

    async def examine(self, *, repair: bool = False) -> Report:
        """Compare all stores; with `repair`, queue documents without passages and remove what has no record."""
        report = Report()
        await self._damaged(report, repair=repair)
        report.drifted = await self.registry.drift(repair=repair)
        stored = {key async for key, _ in self.sources.keys("")}
        await self._newer_passages(stored, report, repair=repair)
        published = {index.fingerprint: dict(await index.published()) for index in self.indexes}
        for collection in await self.registry.collections():
            if not collection.deleting:
                report.collections.append(await self._collection(collection, published, stored, report, repair=repair))
        indexed = list({key: None for revisions in published.values() for key in revisions})
        report.orphaned_documents += await self._orphaned_passages(indexed, repair=repair)
        report.orphaned_originals = await self._orphaned_originals(repair=repair)
        return report

    async def _damaged(self, report: Report, *, repair: bool) -> None:
        """Find damaged records; the repair keeps each as it is before it writes what can be read of it."""
        report.damaged = await self.registry.damaged()
        for each in report.damaged if repair else ():
            content = msgspec.json.format(msgspec.json.encode({"damaged": each.fields, "record": each.raw}))
            await self.sources.put(f"{QUARANTINE}{uuid.uuid4().hex}.json", content, max_bytes=len(content))
            mended = await self.registry.mend(each)
            if each.lacks_original:
                mended = await self._find_original(each.collection_id, mended)
            if mended is not None and mended.state is DocumentState.QUEUED:
                await self.queue.enqueue([IndexingTask.of(mended)])
                report.queued += 1

    async def _find_original(self, collection_id: str, mended: Document | None) -> Document | None:
        """Find the original of a record that names none, by its hash; else keep those that no record names.

        Each kept one is copied to the quarantine, because the sweep removes it.
        """
        now = datetime.now(UTC)
        unnamed = await unnamed_originals(self.registry, self.sources, stored_before=now, of=f"{collection_id}/")
        if mended is not None:
            for key in unnamed:
                if await self._hash(key) == mended.original.sha256:
                    new = f"{collection_id}/{uuid.uuid4().hex}"
                    await self.sources.copy(key, new)
                    original = msgspec.structs.replace(mended.original, key=new)
                    [saved] = await self.registry.save([msgspec.structs.replace(mended, original=original)])
                    return saved or mended
        for key in unnamed:
            await self.sources.copy(key, f"{QUARANTINE}{key}")
        return mended

    async def _hash(self, key: str) -> str:
        digest = hashlib.sha256()
        async for part in await self.sources.stream(key):
            digest.update(part)
        return digest.hexdigest()

    async def _collection(
        self,
        collection: Collection,
        published: dict[str, dict[str, int]],
        stored: set[str],
        report: Report,
        *,
        repair: bool,
    ) -> CollectionHealth:
        health = CollectionHealth(collection.name)
        index = self.indexes.of(collection)
        revisions = published[index.fingerprint]
        async for page in self._pages(collection):
            health.documents += len(page)
            gone = [each for each in page if each.original.key not in stored]
            health.missing_originals += [each.id for each in gone]
            never_live = [each.key for each in page if each.key in revisions and _is_never_live(each)]
            report.orphaned_documents += len(never_live)
            missing, wrong = await _compare(page, revisions, index)
            health.missing_passages += [each.id for each in missing]
            health.wrong_groups += [each.id for each in wrong]
            textless = [
                each for each in page if each.live_revision and text_key(each, each.live_revision) not in stored
            ]
            health.missing_texts += [each.id for each in textless]
            if repair:
                if never_live:
                    await self.indexes.discard_many(never_live)
                incomplete = {each.key: each for each in (*missing, *textless) if each not in gone}
                report.queued += await self._rebuild(list(incomplete.values()))
                saved = await self.registry.save([each.share_again() for each in wrong if each.key not in incomplete])
                await apply_access([each for each in saved if each], self.registry, self.indexes)
        return health

    async def _newer_passages(self, stored: set[str], report: Report, *, repair: bool) -> None:
        """Find passages, published or staged, of revisions that the registry does not know.

        The repair discards them before it queues the document: publishing a lower revision would not replace them.
        """
        newest: dict[str, int] = {}
        for index in self.indexes:
            for key, revision in (*await index.published(), *await index.staged()):
                newest[key] = max(revision, newest.get(key, 0))
        keys = list(newest)
        for start in range(0, len(keys), KEYS_PER_CALL):
            known = await self.registry.find_keys(keys[start : start + KEYS_PER_CALL])
            newer = [each for each in known.values() if newest[each.key] > each.revision]
            report.newer_passages += len(newer)
            rebuilt = [each for each in newer if each.original.key in stored and each.state in _REBUILT]
            if repair and rebuilt:
                await self.indexes.discard_many([each.key for each in rebuilt])
                report.queued += await self._rebuild(rebuilt)

    async def _rebuild(self, documents: Sequence[Document]) -> int:
        saved = await self.registry.save([each.reindex() for each in documents])
        queued = [each for each in saved if each]
        if queued:
            await self.queue.enqueue([IndexingTask.of(each) for each in queued])
        return len(queued)

    async def _orphaned_passages(self, document_keys: Sequence[str], *, repair: bool) -> int:
        orphaned = 0
        for start in range(0, len(document_keys), KEYS_PER_CALL):
            keys = document_keys[start : start + KEYS_PER_CALL]
            known = await self.registry.find_keys(keys)
            strangers = [key for key in keys if key not in known]
            orphaned += len(strangers)
            if repair and strangers:
                await self.indexes.discard_many(strangers)
        return orphaned

    async def _orphaned_originals(self, *, repair: bool) -> int:
        horizon = datetime.now(UTC) - UPLOAD_AT_LONGEST
        if repair:
            return await sweep_originals(self.registry, self.sources, stored_before=horizon)
        return len(await unnamed_originals(self.registry, self.sources, stored_before=horizon))

    async def _pages(self, collection: Collection) -> AsyncIterator[list[Document]]:
        cursor: str | None = None
        while True:
            page = await self.registry.page(collection.id, states=_AT_REST, cursor=cursor, limit=DOCUMENTS_PER_PAGE)
            yield page.documents
            cursor = page.cursor
            if cursor is None:
                return


async def _compare(
    page: Sequence[Document], published: dict[str, int], index: PassageStore
) -> tuple[list[Document], list[Document]]:
    """Return the documents without their passages, then those whose passages have other groups."""
    missing: list[Document] = []
    wrong: list[Document] = []
    for each in page:
        if not each.live_revision and each.state is not DocumentState.READY:
            continue
        is_there = published.get(each.key) == each.live_revision
        passages = await index.passages(each.collection_id, each.key) if is_there else []
        if [passage.ordinal for passage in passages] != list(range(each.passages)) or not is_there:
            missing.append(each)
        elif each.access_due_at is None and any(passage.access != each.access for passage in passages):
            wrong.append(each)
    return missing, wrong


def _is_never_live(document: Document) -> bool:
    return document.state is DocumentState.FAILED and not document.live_revision
