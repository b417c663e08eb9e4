"""Collections and their documents: look them up, list them, follow them, take them away."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from collections.abc import Collection as AnyCollection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from phoserve.documents.filters import Filter
from phoserve.documents.ports import DocumentPage, DocumentRegistry, IndexingTask, PassageStore, SourceStore, TaskQueue
from phoserve.documents.records import Collection, Document, DocumentState, Passage, new_collection
from phoserve.documents.removal import mark_deleting, purge_collection, remove_marked
from phoserve.errors import CollectionNotFound, Conflict, Unavailable

PAGE_LIMIT: Final = 200
DELETED_WHILE_WAITING: Final = 500
"""A collection with more documents than this is emptied in the background."""
POLL_S: Final = 0.5


class Library:
    """What is kept, apart from searching it (`retrieval`) and adding to it (`intake`)."""

    def __init__(self, registry: DocumentRegistry, index: PassageStore, sources: SourceStore, queue: TaskQueue) -> None:
        self._registry = registry
        self._index = index
        self._sources = sources
        self._queue = queue

    async def create_collection(self, name: str, *, description: str = "") -> tuple[Collection, bool]:
        """The collection of that name, and whether it is new; an existing one gets the description.

        Raises InvalidInput for an unusable name, Conflict while an older one of that name is being deleted.
        """
        wanted = new_collection(name, description=description)
        while not await self._registry.add_collection(wanted):
            try:
                existing = await self._registry.collection(name)
            except CollectionNotFound:
                continue
            if existing.deleting:
                raise Conflict(f"collection {name!r} is being deleted; try again in a moment")
            described = msgspec.structs.replace(existing, description=description or existing.description)
            if described == existing or await self._registry.replace_collection(described):
                return described, False
        return wanted, True

    async def collection(self, name: str) -> Collection:
        """The collection of that name. Raises CollectionNotFound."""
        found = await self._registry.collection(name)
        if found.deleting:
            raise CollectionNotFound(name)
        return found

    async def collections(self) -> list[Collection]:
        """All collections, by name."""
        return [each for each in await self._registry.collections() if not each.deleting]

    async def delete_collection(self, name: str) -> None:
        """Delete the collection with all that is in it; it is unknown at once, a large one is emptied later.

        Raises CollectionNotFound.
        """
        while True:
            found = await self.collection(name)
            if await self._registry.replace_collection(msgspec.structs.replace(found, deleting=True)):
                break
        if sum((await self._registry.counts(name)).values()) <= DELETED_WHILE_WAITING:
            await purge_collection(name, self._registry, self._index, self._sources)
        else:
            with suppress(Unavailable):  # then `reconcile` empties it
                await self._queue.enqueue([IndexingTask(name, "", 0, bulk=True)])

    async def document(self, collection: str, document_id: str) -> Document:
        """The document's record. Raises CollectionNotFound, DocumentNotFound."""
        await self.collection(collection)
        return await self._registry.get(collection, document_id)

    async def documents(
        self,
        collection: str,
        *,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        """A page of the collection's documents, newest first.

        Raises CollectionNotFound; InvalidInput for a cursor that was not handed out.
        """
        await self.collection(collection)
        return await self._registry.page(
            collection, states=states, where=where, cursor=cursor, limit=min(limit, PAGE_LIMIT)
        )

    async def counts(self, collection: str) -> Mapping[DocumentState, int]:
        """How many documents of the collection are in each state. Raises CollectionNotFound."""
        await self.collection(collection)
        return await self._registry.counts(collection)

    async def passages(self, collection: str, document_id: str) -> list[Passage]:
        """The passages search can find of the document, in order. Raises CollectionNotFound, DocumentNotFound."""
        document = await self.document(collection, document_id)
        return await self._index.passages(collection, document.key)

    async def original(self, collection: str, document_id: str) -> bytes:
        """The document as it was handed in. Raises CollectionNotFound, DocumentNotFound."""
        document = await self.document(collection, document_id)
        return await self._sources.read(document.original.key)

    async def delete(self, collection: str, document_id: str) -> None:
        """Delete the document: out of search, then gone. Raises CollectionNotFound, DocumentNotFound."""
        await self._delete([await self.document(collection, document_id)])

    async def delete_where(
        self,
        collection: str,
        *,
        where: Filter | None = None,
        states: AnyCollection[DocumentState] = (),
        limit: int = PAGE_LIMIT,
    ) -> int:
        """Delete up to `limit` documents that match, and return how many: 0 says that none is left."""
        page = await self.documents(collection, states=states, where=where, limit=limit)
        await self._delete(page.documents)
        return len(page.documents)

    async def watch(self, collection: str, *, since: datetime | None = None) -> AsyncGenerator[Document]:
        """Every change of a document's record from `since` (or from now) on, without end, in order of time.

        A record that changes twice within a moment may be seen once, in its later version.
        Raises CollectionNotFound, also when the collection is deleted meanwhile.
        """
        position = since or datetime.now(UTC)
        seen: set[str] = set()
        while True:
            await self.collection(collection)
            changes = await self._registry.changed(collection, since=position)
            fresh = [document for document in changes if document.etag not in seen]
            for document in fresh:
                yield document
            if changes and changes[-1].updated_at > position:
                position = changes[-1].updated_at
            seen = {document.etag for document in changes if document.updated_at == position}
            if not fresh:
                await asyncio.sleep(POLL_S)

    async def _delete(self, documents: list[Document]) -> None:
        marked = await mark_deleting(documents, self._registry)
        await remove_marked(marked, self._registry, self._index, self._sources)
