"""Documents' passages embedded again by a new model, next to the old ones, while searches continue (blue/green).

Published passages are copied in rounds until few have changed during a round. Then the new model is activated, and the
remaining changes are copied. From then on the old model's workers publish nothing: their documents return to the queue.
Deletions reach both models' passages at any time. An interrupted run is resumed by the next.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ingest.staging import StagingTools, stage_passages
from phoserve.documents.ports import ACTIVE_MODEL_TTL_S, ActivePassageStore, DocumentRegistry
from phoserve.documents.records import Document, DocumentState, Passage

DOCUMENTS_AT_ONCE: Final = 50
KEYS_PER_CALL: Final = 1000
POLL_S: Final = 0.5
_AT_REST: Final = (DocumentState.READY, DocumentState.FAILED)


@dataclass(frozen=True, slots=True)
class Switched:
    """How a change of models ended."""

    copied: int
    """Documents embedded again."""
    queued: int
    """Documents whose passages could not be copied: workers index their originals again."""


@dataclass(frozen=True, slots=True)
class Reembedding:
    """Fills `index`, the new model's; `tools` embed with the new model."""

    registry: DocumentRegistry
    index: ActivePassageStore
    tools: StagingTools
    _others: dict[str, ActivePassageStore | None] = field(default_factory=dict)

    async def total(self) -> int:
        """How many documents there are to look at."""
        return sum((await self.registry.counts()).values())

    async def copy(self, seen: Callable[[int], None]) -> int:
        """Embed again what search finds, until hardly anything has changed meanwhile; returns how many documents.

        `seen` is called with the number of documents that were checked.
        """
        copied = latest = await self._pass(seen)
        while latest > DOCUMENTS_AT_ONCE:
            copied += (latest := await self._pass(lambda _: None))
        return copied

    async def switch(self) -> Switched:
        """Activate the new model and copy the documents that changed since the last round."""
        await self.index.activate()
        await asyncio.sleep(2 * ACTIVE_MODEL_TTL_S)  # from here on every worker knows
        copied = await self._pass(lambda _: None)
        await self._old_workers_done()
        copied += await self._pass(lambda _: None)
        return Switched(copied, await self._settle())

    async def close(self) -> None:
        """Close the other models' indexes."""
        for other in self._others.values():
            if other is not None:
                await other.close()

    async def _pass(self, seen: Callable[[int], None]) -> int:
        there = dict(await self.index.published())
        await self._discard_strangers([key for key, _ in [*there.items(), *await self.index.staged()]])
        copied = looked_at = 0
        async for page in self._pages():
            copied += await self._copy([each for each in page if self._wants(each, there.get(each.key, 0))])
            looked_at += len(page)
            seen(looked_at)
        return copied

    def _wants(self, document: Document, copied_revision: int) -> bool:
        if not document.live_revision or document.fingerprint == self.index.fingerprint:
            return False
        if document.is_indexed and document.state not in _AT_REST:
            return False  # its worker has the last word on this revision
        return document.state is not DocumentState.DELETING and document.live_revision != copied_revision

    async def _copy(self, documents: Sequence[Document]) -> int:
        """Make the passages of these documents with the new model; returns of how many that was possible."""
        for fingerprint in {document.fingerprint for document in documents}:
            if fingerprint not in self._others:
                self._others[fingerprint] = await self.index.sibling(fingerprint)
        sources = await asyncio.gather(*(self._passages(document) for document in documents))
        found = [(document, each) for document, each in zip(documents, sources, strict=True) if each]
        passages = [passage for _, each in found for passage in each]
        await stage_passages(passages, self.index.stage, self.tools, _unheard)
        await self.index.publish([(each.key, each.live_revision) for each, _ in found])
        await self._discard_outdated([document for document, _ in found])
        return len(found)

    async def _passages(self, document: Document) -> list[Passage]:
        """What search finds of the document with its old model; nothing unless it is whole and fits the new one."""
        other = self._others[document.fingerprint]
        if other is None:
            return []
        live = await other.passages(document.collection_id, document.key)
        passages = [passage for passage in live if passage.revision == document.live_revision]
        if len(passages) != document.passages or not passages:
            return []
        tokens = await asyncio.to_thread(self.tools.text.count_tokens, [passage.text for passage in passages])
        return passages if tokens.max() <= self.tools.text.contract.max_tokens else []

    async def _discard_outdated(self, documents: Sequence[Document]) -> None:
        """Take back what was deleted or replaced while it was copied.

        Deletions and replacements change the record before the passages: either the change is seen here, or the
        passages just published are there for it to delete.
        """
        known = await self.registry.find_keys([document.key for document in documents]) if documents else {}
        for document in documents:
            now = known.get(document.key)
            if now is None or now.state is DocumentState.DELETING:
                await self.index.discard_many([document.key])
            elif now.live_revision != document.live_revision:
                await self.index.publish([(document.key, now.live_revision)])  # removes the older one, here alone

    async def _discard_strangers(self, keys: Sequence[str]) -> None:
        """Remove what a run that was cut off copied of documents that are gone by now."""
        for start in range(0, len(keys), KEYS_PER_CALL):
            part = keys[start : start + KEYS_PER_CALL]
            known = await self.registry.find_keys(part)
            if strangers := [key for key in part if key not in known]:
                await self.index.discard_many(strangers)

    async def _old_workers_done(self) -> None:
        while True:
            if not await self._being_published():
                return
            await asyncio.sleep(POLL_S)

    async def _being_published(self) -> bool:
        """Whether a worker of the old model may just be about to call a document ready."""
        async for page in self._pages([DocumentState.PROCESSING]):
            for each in page:
                held = each.due_at is not None and each.due_at > datetime.now(UTC)
                if held and each.is_indexed and each.fingerprint != self.index.fingerprint:
                    return True
        return False

    async def _settle(self) -> int:
        """Write down whose vectors are live now; what could not be copied is queued, and counted."""
        there = dict(await self.index.published())
        queued = 0
        async for page in self._pages(_AT_REST):
            old = [each for each in page if each.live_revision and each.fingerprint != self.index.fingerprint]
            taken = [each for each in old if there.get(each.key) == each.live_revision]
            rest = [each for each in old if each not in taken]
            await self.registry.save([each.mark_reembedded(self.index.fingerprint) for each in taken])
            queued += sum(saved is not None for saved in await self.registry.save([e.reindex() for e in rest]))
        return queued

    async def _pages(self, states: Sequence[DocumentState] = ()) -> AsyncIterator[list[Document]]:
        """All documents, a page at a time."""
        for collection in await self.registry.collections():
            cursor: str | None = None
            while not collection.deleting:
                page = await self.registry.page(collection.id, states=states, cursor=cursor, limit=DOCUMENTS_AT_ONCE)
                yield page.documents
                cursor = page.cursor
                if cursor is None:
                    break


async def _unheard(_: float) -> None:
    """The share of a page that is embedded."""
