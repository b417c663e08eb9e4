"""Collections and their documents: look up, list, watch, delete."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from phoserve.contract import Fusion
from phoserve.documents.access import READERS, UNRESTRICTED, Audience, validate_access
from phoserve.documents.access_changes import check_access_backlog, check_access_room, try_apply_access
from phoserve.documents.collection_cache import CollectionCache
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.filters import Filter
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentPage, DocumentRegistry, IndexingTask, SourceStore, TaskQueue
from phoserve.documents.records import Document, DocumentState, Passage, passage_id
from phoserve.documents.removal import mark_deleting, mark_unchanged, purge_collection, remove_marked
from phoserve.documents.texts import stream_text
from phoserve.errors import CollectionNotFound, Conflict, DocumentNotFound, NotFound, Unavailable
from phoserve.text.normalise import compose

PAGE_LIMIT: Final = 200
DELETED_WHILE_WAITING: Final = 500
"""A collection with more documents than this is emptied in the background."""
PASSAGES_PER_READ: Final = 64
POLL_S: Final = 0.5
CHANGES_PER_READ: Final = 1000
LATE_AT_MOST: Final = timedelta(seconds=5)
"""How much later than its time a change may be seen: it is committed after it was made, by a clock that may be behind.
Changes of this time are read again now and then."""
ROUNDS: Final = 10


class ModelName(NamedTuple):
    """The name and the fingerprint of a model."""

    name: str
    fingerprint: str


Span = Callable[[Document], tuple[int, int]]
"""Returns the first byte of the original that is wanted, and the end."""


def whole(document: Document) -> tuple[int, int]:
    """Return the span of the whole original."""
    return 0, document.original.size_bytes


@dataclass(frozen=True, slots=True)
class OpenOriginal:
    """The bytes `start` to `end` of a document's original, read on demand."""

    document: Document
    start: int
    end: int
    parts: AsyncIterator[bytes]


class Library:
    """Everything about stored documents except searching (`retrieval`) and adding (`intake`).

    A document that the audience may not see is treated like one that does not exist.
    """

    def __init__(
        self, registry: DocumentRegistry, indexes: PassageStores[Any], sources: SourceStore, queue: TaskQueue
    ) -> None:
        self._registry = registry
        self._indexes = indexes
        self._sources = sources
        self._queue = queue
        self._known = CollectionCache(registry)

    async def create_collection(
        self,
        name: str,
        *,
        description: str = "",
        fusion: Fusion | None = None,
        model: ModelName | None = None,
    ) -> tuple[Collection, bool]:
        """Return the collection of that name, and whether it is new; an existing one gets the description and weights.

        A new one is embedded by `model`. Raises InvalidInput for an unusable name.
        """
        name_of_model, fingerprint = model or ModelName("", "")
        wanted = new_collection(name, description=description, model=name_of_model, fingerprint=fingerprint)
        wanted = wanted.with_fusion(fusion) if fusion else wanted
        while True:
            try:
                existing = await self._registry.collection(name)
            except CollectionNotFound:
                if added := await self._registry.add_collection(wanted):
                    self._known.forget(name)
                    return added, True
                continue
            described = msgspec.structs.replace(existing, description=description or existing.description)
            described = described.with_fusion(fusion) if fusion else described
            if described == existing:
                return existing, False
            if updated := await self._registry.update_collection(described):
                self._known.forget(name)
                return updated, False

    async def collection(self, name: str) -> Collection:
        """Return the collection of that name, as it was a second ago at most while the registry responds.

        Raises CollectionNotFound.
        """
        return await self._known.collection(name)

    async def collections(self) -> list[Collection]:
        """Return all collections, by name."""
        return [each for each in await self._registry.collections() if not each.deleting]

    async def change_model(self, name: str, model: ModelName) -> Collection:
        """Start the change of the collection to another model, and return the record.

        Searches use the former model until all passages are embedded again. Raises CollectionNotFound; Conflict while
        the collection is changing to a third model.
        """
        return await self._update(name, lambda found: found.start_reembedding(*model))

    async def cancel_model_change(self, name: str) -> Collection:
        """Cancel the change of the collection to another model, if there is one, and return the record."""
        return await self._update(name, Collection.cancel_reembedding)

    async def _update(self, name: str, change: Callable[[Collection], Collection]) -> Collection:
        while True:
            found = await self._registry.collection(name)
            changed = change(found)
            if changed is found:
                return found
            if saved := await self._registry.update_collection(changed):
                self._known.forget(name)
                return saved

    async def delete_collection(self, name: str) -> None:
        """Delete the collection with all its documents.

        Its name is free at once. A large collection is emptied in the background. Raises CollectionNotFound.
        """
        while True:
            found = await self._registry.collection(name)
            if await self._registry.update_collection(msgspec.structs.replace(found, deleting=True)):
                break
        self._known.forget(name)
        with suppress(Unavailable):  # `reconcile` completes what is left
            if sum((await self._registry.counts(found.id)).values()) <= DELETED_WHILE_WAITING:
                await purge_collection(found.id, self._registry, self._indexes, self._sources)
            else:
                await self._queue.enqueue([IndexingTask.purge(found)])

    async def document(self, collection: str, document_id: str, *, audience: Audience = READERS) -> Document:
        """Return the document's record. Raises CollectionNotFound, DocumentNotFound."""
        found = await self.collection(collection)
        # Version 0.1 kept ids as they were typed.
        for id_ in dict.fromkeys((compose(document_id), document_id)):
            with suppress(DocumentNotFound):
                document = await self._registry.get(found, id_)
                if audience.sees(document.access):
                    return document
        raise DocumentNotFound(collection, document_id)

    async def documents(
        self,
        collection: str,
        *,
        audience: Audience = READERS,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        """Return a page of the collection's documents, newest first.

        Raises CollectionNotFound; InvalidInput for a cursor that was not returned for this collection.
        """
        found = await self.collection(collection)
        return await self._registry.page(
            found.id, states=states, where=where, audience=audience, cursor=cursor, limit=min(limit, PAGE_LIMIT)
        )

    async def documents_by_id(
        self, collection: str, document_ids: Sequence[str], *, audience: Audience = READERS
    ) -> list[Document]:
        """Return those of the documents that exist, in the order of `document_ids`. Raises CollectionNotFound."""
        found = await self.collection(collection)
        # Version 0.1 kept ids as they were typed.
        wanted = list(dict.fromkeys(form for each in document_ids for form in (compose(each), each)))
        existing = await self._registry.find(found.id, wanted)
        return [existing[each] for each in wanted if each in existing and audience.sees(existing[each].access)]

    async def counts(self, collection: Collection, *, audience: Audience = READERS) -> Mapping[DocumentState, int]:
        """Return how many documents of the collection are in each state."""
        return await self._registry.counts(collection.id, audience=audience)

    async def set_access(
        self, collection: str, document_id: str, groups: Sequence[str], *, audience: Audience = READERS
    ) -> Document:
        """Let only keys with one of `groups` see the document; without groups, every reader of the collection.

        In force once it returns: routes read the record, and searches hide what the index still shows. Raises
        CollectionNotFound, DocumentNotFound, InvalidInput, Forbidden for groups that `audience` may not add, Conflict
        while the document is being deleted, Overloaded while too many changes wait for the index.
        """
        access = validate_access(groups)
        await check_access_backlog(self._registry)
        for _ in range(ROUNDS):
            document = await self.document(collection, document_id, audience=audience)
            audience.check_assignable(access, document.access)
            await check_access_room(self._registry, document.collection_id, [access])
            shared = document.share(access)
            saved = document if shared is document else (await self._registry.save([shared]))[0]
            if saved:
                await try_apply_access([saved], self._registry, self._indexes)
                return saved
        raise Conflict(f"document {document_id!r} keeps changing; try again")

    async def passages(
        self, collection: str, document_id: str, *, audience: Audience = READERS, start: int = 0, end: int | None = None
    ) -> AsyncIterator[list[Passage]]:
        """Return the document's published passages from `start` to `end`, in order, a few at a time.

        They are read by their ids, so that a document of a hundred thousand stops nothing. Raises CollectionNotFound,
        DocumentNotFound.
        """
        found = await self.collection(collection)
        document = await self.document(collection, document_id, audience=audience)
        return _read_passages(self._indexes.of(found), document, start, end)

    async def original(
        self, collection: str, document_id: str, span: Span = whole, *, audience: Audience = READERS
    ) -> "OpenOriginal":
        """Open the document as submitted, or the bytes that `span` chooses by the record.

        Raises CollectionNotFound, DocumentNotFound, and what `span` raises.
        """
        read: str | None = None
        while True:
            document = await self.document(collection, document_id, audience=audience)
            key, (start, end) = document.original.key, span(document)
            try:
                return OpenOriginal(document, start, end, await self._sources.stream(key, start=start, end=end))
            except NotFound:  # replaced since its record was read
                if key == read:
                    raise
                read = key

    async def text(
        self, collection: str, document_id: str, start: int = 0, end: int | None = None, *, audience: Audience = READERS
    ) -> AsyncIterator[str]:
        """Open the text that `start` and `end` of the document's passages, hits and citations count in.

        Its characters from `start` to `end` are returned in parts, which are read on demand. Raises CollectionNotFound,
        DocumentNotFound; NotFound while no revision is live.
        """
        document = await self.document(collection, document_id, audience=audience)
        return await stream_text(document, self._sources, start, end)

    async def delete(self, collection: str, document_id: str, *, audience: Audience = READERS) -> None:
        """Delete the document. Raises CollectionNotFound, DocumentNotFound."""
        document = await self.document(collection, document_id, audience=audience)
        marked = await mark_deleting([document], self._registry)
        await remove_marked(marked, self._registry, self._indexes, self._sources)

    async def delete_where(
        self,
        collection: str,
        *,
        audience: Audience = READERS,
        where: Filter | None = None,
        states: AnyCollection[DocumentState] = (),
        limit: int = PAGE_LIMIT,
    ) -> int:
        """Delete up to `limit` documents that match, and return how many: fewer only if no more were found.

        A document that changes meanwhile is deleted only if it still matches.
        """
        deleted = 0
        for _ in range(ROUNDS):
            cursor, is_first, changed = None, True, 0
            while (cursor or is_first) and deleted < limit:
                page = await self.documents(
                    collection, audience=audience, states=states, where=where, cursor=cursor, limit=limit - deleted
                )
                marked = await mark_unchanged(page.documents, self._registry)
                await remove_marked(marked, self._registry, self._indexes, self._sources)
                deleted += len(marked)
                changed += len(page.documents) - len(marked)
                cursor, is_first = page.cursor, False
            if not changed:
                break
        return deleted

    async def watch(self, collection: str, *, audience: Audience = READERS) -> AsyncGenerator[Document]:
        """Yield every change of a visible document's record from now on, without end, in order of time.

        A record that changes twice in quick succession may be yielded once, in its later version.
        Raises CollectionNotFound, also when the collection is deleted meanwhile.
        """
        started = position = look_back_at = datetime.now(UTC)
        watched = await self.collection(collection)

        async def changed(since: datetime) -> list[Document]:
            return await self._registry.changed(watched.id, since=since, audience=audience, limit=CHANGES_PER_READ)

        before = [each for each in await changed(started - LATE_AT_MOST) if each.updated_at < started]
        seen = {(each.key, each.version): each.updated_at for each in before}
        while True:
            if (await self.collection(collection)).id != watched.id:
                raise CollectionNotFound(collection)
            now, since = datetime.now(UTC), position
            if now >= look_back_at:
                since, look_back_at = position - LATE_AT_MOST, now + LATE_AT_MOST / 2
            changes = await changed(since)
            fresh = [document for document in changes if (document.key, document.version) not in seen]
            for document in fresh:
                yield document
            seen |= {(each.key, each.version): each.updated_at for each in fresh}
            if changes and changes[-1].updated_at > position:
                position = changes[-1].updated_at
            if len(changes) < CHANGES_PER_READ:
                position = min(position, now)  # the clock of another process may be ahead
            seen = {version: at for version, at in seen.items() if at >= position - LATE_AT_MOST}
            if not fresh:
                await asyncio.sleep(POLL_S)


async def _read_passages(index: Any, document: Document, start: int, end: int | None) -> AsyncGenerator[list[Passage]]:
    # A revision is published a moment before its record names it.
    revisions = list(dict.fromkeys((document.live_revision, document.revision)))
    at = start
    while end is None or at < end:
        ordinals = range(at, at + PASSAGES_PER_READ if end is None else min(at + PASSAGES_PER_READ, end))
        for revision in revisions:
            ids = [passage_id(document.key, revision, each) for each in ordinals]
            if page := await index.find(document.collection_id, ids, audience=UNRESTRICTED):
                revisions = [revision]
                break
        else:
            return
        yield sorted(page.values(), key=lambda passage: passage.ordinal)
        at = ordinals.stop
