"""The document registry on a Qdrant server: records as payload-only points, changed only by who saw them last.

Every version of a record has an etag that no other version ever has. A write names the etags it replaces, the server
leaves alone whatever has another one by then, and reading back tells who won.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from qdrant_client import AsyncQdrantClient, models

from phoserve.adapters.points import microseconds, point_id
from phoserve.adapters.qdrant.server import (
    CollectionSchema,
    QdrantCollection,
    QdrantOptions,
    between,
    condition_of,
    equal,
    one_of,
)
from phoserve.documents import records as documents
from phoserve.documents.filters import Filter
from phoserve.documents.ports import DocumentPage
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput

_KEYWORD: Final = models.PayloadSchemaType.KEYWORD
_INTEGER: Final = models.PayloadSchemaType.INTEGER
_LAYOUT: Final = CollectionSchema(
    indexes={
        "kind": _KEYWORD,
        "collection": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        "key": _KEYWORD,
        "etag": _KEYWORD,
        "state": _KEYWORD,
        "bulk": models.PayloadSchemaType.BOOL,
        "created_us": _INTEGER,
        "updated_us": _INTEGER,
        "due_us": _INTEGER,
    }
)
_STRONG: Final = models.WriteOrdering.STRONG
"""One replica decides on the order of all writes: without that, two of them could each let another writer win."""
T = TypeVar("T", Document, documents.Collection)


class QdrantRegistry:
    """The `DocumentRegistry` that several processes share."""

    def __init__(self, client: AsyncQdrantClient, options: QdrantOptions) -> None:
        self._points = QdrantCollection(client, "documents", _LAYOUT, options)

    async def add_collection(self, collection: documents.Collection) -> bool:
        """Write a new collection; False if there is one of that name."""
        return await self._put([_collection_point(msgspec.structs.replace(collection, etag=""))]) == [True]

    async def replace_collection(self, collection: documents.Collection) -> bool:
        """Write the collection if nobody has changed it since its etag."""
        return await self._put([_collection_point(collection)]) == [True]

    async def remove_collection(self, name: str) -> None:
        """Remove the record of the collection, not its documents."""
        selector = models.PointIdsList(points=[point_id("c", name)])
        await self._points.call("delete", points_selector=selector, ordering=_STRONG)

    async def remove_documents(self, collection: str) -> None:
        """Remove the records of all documents of the collection."""
        await self._delete(_documents(equal("collection", collection)))

    async def collection(self, name: str) -> documents.Collection:
        """The collection's record. Raises CollectionNotFound."""
        found = await self._retrieve([point_id("c", name)], documents.Collection)
        if not found:
            raise CollectionNotFound(name)
        return found[0]

    async def collections(self) -> list[documents.Collection]:
        """All collections, by name."""
        condition = models.Filter(must=[equal("kind", "collection")])
        records = await self._points.scroll_all(condition, payload=["record"])
        found = [_decoded(record, documents.Collection) for record in records]
        return sorted(found, key=lambda collection: collection.name)

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        """Write each document as it is now, in order; None for each that somebody else changed first."""
        versions = [msgspec.structs.replace(document, etag=uuid.uuid4().hex) for document in documents]
        won = await self._put([_document_point(*pair) for pair in zip(documents, versions, strict=True)])
        return [version if taken else None for version, taken in zip(versions, won, strict=True)]

    async def remove(self, documents: Sequence[Document]) -> None:
        """Remove each record that nobody has changed since."""
        await self._delete(_documents(one_of("etag", [document.etag for document in documents])))

    async def get(self, collection: str, document_id: str) -> Document:
        """The document's record. Raises DocumentNotFound."""
        found = await self.find(collection, [document_id])
        if document_id not in found:
            raise DocumentNotFound(collection, document_id)
        return found[document_id]

    async def find(self, collection: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by id."""
        found = await self._retrieve([point_id("d", collection, each) for each in document_ids], Document)
        return {each.id: each for each in found}

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by key."""
        records = await self._points.scroll_all(_documents(one_of("key", document_keys)), payload=["record"])
        return {found.key: found for found in (_decoded(record, Document) for record in records)}

    async def page(
        self,
        collection: str,
        *,
        states: Collection[DocumentState] = (),
        where: Filter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        """Documents of the collection, newest first. Raises InvalidInput if `cursor` is not one that was handed out."""
        conditions = [equal("collection", collection), *_in_states(states)]
        if where is not None:
            conditions.append(condition_of(where))
        seen = None if cursor is None else _Cursor.parsed(cursor)
        if seen:
            conditions.append(between("created_us", lte=seen.created_us))
        without = [models.HasIdCondition(has_id=list(seen.ids))] if seen else []
        records = await self._ordered(conditions, "created_us", limit + 1, models.Direction.DESC, without)
        shown = records[:limit]
        page = [_decoded(record, Document) for record in shown]
        return DocumentPage(page, str(_Cursor.after(shown, seen)) if len(records) > limit else None)

    async def changed(self, collection: str, *, since: datetime, limit: int = 200) -> list[Document]:
        """Documents whose record changed at or after `since`, the earliest change first."""
        conditions = [equal("collection", collection), between("updated_us", gte=microseconds(since))]
        records = await self._ordered(conditions, "updated_us", limit, models.Direction.ASC)
        return [_decoded(record, Document) for record in records]

    async def due(
        self, before: datetime, *, states: Collection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        """Documents in one of `states` with `due_at` before the given time, the longest overdue first."""
        conditions = [*_in_states(states), between("due_us", lt=microseconds(before))]
        if bulk is not None:
            conditions.append(equal("bulk", bulk))
        records = await self._ordered(conditions, "due_us", limit, models.Direction.ASC)
        return [_decoded(record, Document) for record in records]

    async def counts(self, collection: str | None = None) -> Mapping[DocumentState, int]:
        """How many documents are in each state, in one collection or in all."""
        condition = _documents(*([] if collection is None else [equal("collection", collection)]))
        answer = await self._points.call(
            "facet", key="state", facet_filter=condition, limit=len(DocumentState), exact=True
        )
        return {DocumentState(str(hit.value)): hit.count for hit in answer.hits}

    async def close(self) -> None:
        """The client is closed by whoever made it."""

    async def _put(self, writes: Sequence["_Write"]) -> list[bool]:
        """Make each write that is based on the newest version, and say which those were."""
        first: dict[str, _Write] = {}
        for write in writes:
            first.setdefault(write.point.id, write)
        added = [write.point for write in first.values() if not write.replaces]
        replaced = [write for write in first.values() if write.replaces]
        if added:
            mode = models.UpdateMode.INSERT_ONLY
            await self._points.call("upsert", points=added, update_mode=mode, ordering=_STRONG)
        if replaced:
            # One filter does for all of them: an etag belongs to one version of one record.
            unchanged = models.Filter(must=[one_of("etag", [write.replaces for write in replaced])])
            await self._points.call(
                "upsert",
                points=[write.point for write in replaced],
                update_mode=models.UpdateMode.UPDATE_ONLY,
                update_filter=unchanged,
                ordering=_STRONG,
            )
        records = await self._read(list(first), ["etag"])
        etags = {str(record.id): record.payload["etag"] for record in records}
        return [first[write.point.id] is write and etags.get(write.point.id) == write.etag for write in writes]

    async def _retrieve(self, ids: list[str], kind: type[T]) -> list[T]:
        return [_decoded(record, kind) for record in await self._read(ids, ["record"])]

    async def _read(self, ids: list[str], payload: list[str]) -> list[Any]:
        found: list[Any] = await self._points.call(
            "retrieve", ids=ids, with_payload=payload, with_vectors=False, consistency=self._points.consistency
        )
        return found

    async def _ordered(
        self,
        conditions: list[Any],
        name: str,
        limit: int,
        direction: models.Direction,
        without: list[Any] | None = None,
    ) -> list[Any]:
        records, _ = await self._points.call(
            "scroll",
            scroll_filter=models.Filter(must=_documents(*conditions).must, must_not=without),
            limit=limit,
            order_by=models.OrderBy(key=name, direction=direction),
            with_payload=["record", name],
            consistency=self._points.consistency,
        )
        found: list[Any] = records
        return found

    async def _delete(self, condition: models.Filter) -> None:
        selector = models.FilterSelector(filter=condition)
        await self._points.call("delete", points_selector=selector, ordering=_STRONG)


class _Write(msgspec.Struct, frozen=True):
    """A record to be written over the version with the etag `replaces`, or as a new one where that is empty."""

    point: Any
    etag: str
    replaces: str


class _Cursor(msgspec.Struct, frozen=True):
    """Where a page ended: a time, and those of that very time who have been shown."""

    created_us: int
    ids: tuple[str, ...]

    @classmethod
    def after(cls, shown: Sequence[Any], before: "_Cursor | None") -> "_Cursor":
        last = int(shown[-1].payload["created_us"])
        ids = [str(record.id) for record in shown if record.payload["created_us"] == last]
        return cls(last, (*(before.ids if before and before.created_us == last else ()), *ids))

    @classmethod
    def parsed(cls, cursor: str) -> "_Cursor":
        moment, *ids = cursor.split("_")
        try:
            return cls(int(moment), tuple(str(uuid.UUID(each)) for each in ids))
        except ValueError as error:
            raise InvalidInput("this cursor was not handed out; begin again without one", field="cursor") from error

    def __str__(self) -> str:
        return "_".join([str(self.created_us), *(uuid.UUID(each).hex for each in self.ids)])


def _document_point(document: Document, version: Document) -> _Write:
    payload = {
        "kind": "document",
        "collection": document.collection,
        "key": document.key,
        "etag": version.etag,
        "state": document.state.value,
        "bulk": document.bulk,
        "created_us": microseconds(document.created_at),
        "updated_us": microseconds(document.updated_at),
        "metadata": document.metadata,
        "record": msgspec.json.encode(version).decode(),
    }
    if document.due_at is not None:
        payload["due_us"] = microseconds(document.due_at)
    point = models.PointStruct(id=point_id("d", document.collection, document.id), vector={}, payload=payload)
    return _Write(point, version.etag, document.etag)


def _collection_point(collection: documents.Collection) -> _Write:
    version = msgspec.structs.replace(collection, etag=uuid.uuid4().hex)
    payload = {"kind": "collection", "etag": version.etag, "record": msgspec.json.encode(version).decode()}
    point = models.PointStruct(id=point_id("c", collection.name), vector={}, payload=payload)
    return _Write(point, version.etag, collection.etag)


def _decoded(record: Any, kind: type[T]) -> T:
    return msgspec.json.decode(record.payload["record"], type=kind)


def _documents(*conditions: Any) -> models.Filter:
    return models.Filter(must=[equal("kind", "document"), *conditions])


def _in_states(states: Collection[DocumentState]) -> list[Any]:
    return [one_of("state", [state.value for state in states])] if states else []
