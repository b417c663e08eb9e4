"""The document registry in Qdrant Edge: records as payload-only points of one shard."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import qdrant_edge as edge

from phoserve.adapters.edge.shard import (
    TIMES,
    VACUUM_ONLY,
    EdgeShard,
    Indexes,
    condition_of,
    equal,
    filterable,
    one_of,
    scroll_all,
)
from phoserve.adapters.points import microseconds, point_id
from phoserve.documents import records as documents
from phoserve.documents.filters import Filter
from phoserve.documents.ports import DocumentPage
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput

_KEYWORD: Final = edge.PayloadSchemaType.Keyword
_INDEXES: Final[Indexes] = {
    "kind": _KEYWORD,
    "collection": _KEYWORD,
    "key": _KEYWORD,
    "state": _KEYWORD,
    "bulk": _KEYWORD,
    "sequence": TIMES,
    "updated_us": TIMES,
    "due_us": TIMES,
}
T = TypeVar("T")
# The engine wants a vector in every shard, also where only payloads are kept.
_CONFIG: Final = edge.EdgeConfig(
    vectors={"none": edge.EdgeVectorParams(size=1, distance=edge.Distance.Dot)}, optimizers=VACUUM_ONLY
)


class EdgeRegistry:
    """The `DocumentRegistry` of one process: its write lock makes checking an etag and writing one step."""

    def __init__(self, folder: Path) -> None:
        """Open the registry in `folder`, or make it."""
        self._shard = EdgeShard(folder / "documents", _CONFIG, _INDEXES)
        self._last_us = 0

    async def add_collection(self, collection: documents.Collection) -> bool:
        """Write a new collection; False if there is one of that name."""

        def add(shard: edge.EdgeShard) -> bool:
            if _collection(shard, collection.name) is not None:
                return False
            _put_collection(shard, collection)
            return True

        return await self._shard.write(add)

    async def replace_collection(self, collection: documents.Collection) -> bool:
        """Write the collection if nobody has changed it since its etag."""

        def replace(shard: edge.EdgeShard) -> bool:
            current = _collection(shard, collection.name)
            if current is None or current.etag != collection.etag:
                return False
            _put_collection(shard, collection)
            return True

        return await self._shard.write(replace)

    async def remove_collection(self, name: str) -> None:
        """Remove the record of the collection, not its documents."""
        await self._shard.write(lambda shard: shard.update(edge.UpdateOperation.delete_points([point_id("c", name)])))

    async def collection(self, name: str) -> documents.Collection:
        """The collection's record. Raises CollectionNotFound."""
        found = await self._shard.read(lambda shard: _collection(shard, name))
        if found is None:
            raise CollectionNotFound(name)
        return found

    async def collections(self) -> list[documents.Collection]:
        """All collections, by name."""
        condition = edge.Filter(must=[equal("kind", "collection")])
        records = await self._shard.read(lambda shard: scroll_all(shard, condition))
        found = [_decoded(record, documents.Collection) for record in records]
        return sorted(found, key=lambda collection: collection.name)

    async def remove_documents(self, collection: str) -> None:
        """Remove the records of all documents of the collection."""
        condition = _documents(equal("collection", collection))
        await self._shard.write(lambda shard: shard.update(edge.UpdateOperation.delete_points_by_filter(condition)))

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        """Write each document as it is now, in order; None for each that somebody else changed first."""
        return await self._shard.write(lambda shard: self._save(shard, documents))

    async def remove(self, documents: Sequence[Document]) -> None:
        """Remove each record that nobody has changed since."""

        def remove(shard: edge.EdgeShard) -> None:
            current = _by_id(shard, documents)
            ids: list[Any] = [
                _document_id(each) for each in documents if _same_version(current.get(_document_id(each)), each)
            ]
            if ids:
                shard.update(edge.UpdateOperation.delete_points(ids))

        await self._shard.write(remove)

    async def get(self, collection: str, document_id: str) -> Document:
        """The document's record. Raises DocumentNotFound."""
        found = await self.find(collection, [document_id])
        if document_id not in found:
            raise DocumentNotFound(collection, document_id)
        return found[document_id]

    async def find(self, collection: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by id."""
        ids: list[Any] = [point_id("d", collection, each) for each in document_ids]
        records = await self._shard.read(lambda shard: shard.retrieve(ids, with_payload=True, with_vector=False))
        return {found.id: found for found in (_decoded(record, Document) for record in records)}

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by key."""
        condition = _documents(one_of("key", list(document_keys)))
        records = await self._shard.read(lambda shard: scroll_all(shard, condition))
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
        if cursor is not None:
            conditions.append(edge.FieldCondition(key="sequence", range=edge.RangeFloat(lt=_sequence_of(cursor))))
        records = await self._ordered(conditions, "sequence", limit + 1, edge.Direction.Desc)
        page = [_decoded(record, Document) for record in records[:limit]]
        payload: Any = records[limit - 1].payload if len(records) > limit else None
        return DocumentPage(page, str(payload["sequence"]) if payload else None)

    async def changed(self, collection: str, *, since: datetime, limit: int = 200) -> list[Document]:
        """Documents whose record changed at or after `since`, the earliest change first."""
        conditions = [
            equal("collection", collection),
            edge.FieldCondition(key="updated_us", range=edge.RangeFloat(gte=microseconds(since))),
        ]
        records = await self._ordered(conditions, "updated_us", limit, edge.Direction.Asc)
        return [_decoded(record, Document) for record in records]

    async def due(
        self, before: datetime, *, states: Collection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        """Documents in one of `states` with `due_at` before the given time, the longest overdue first."""
        conditions = [
            *_in_states(states),
            edge.FieldCondition(key="due_us", range=edge.RangeFloat(lt=microseconds(before))),
        ]
        if bulk is not None:
            conditions.append(equal("bulk", filterable(bulk)))
        records = await self._ordered(conditions, "due_us", limit, edge.Direction.Asc)
        return [_decoded(record, Document) for record in records]

    async def counts(self, collection: str | None = None) -> Mapping[DocumentState, int]:
        """How many documents are in each state, in one collection or in all."""
        condition = _documents(*([] if collection is None else [equal("collection", collection)]))
        request = edge.FacetRequest(key="state", limit=len(DocumentState), exact=True, filter=condition)
        hits = (await self._shard.read(lambda shard: shard.facet(request))).hits
        return {DocumentState(str(hit.value)): hit.count for hit in hits}

    async def close(self) -> None:
        """Flush and close."""
        await self._shard.close()

    async def _ordered(
        self, conditions: list[Any], field: str, limit: int, direction: edge.Direction
    ) -> list[edge.Record]:
        order = edge.OrderBy(key=field, direction=direction)
        request = edge.ScrollRequest(limit=limit, filter=_documents(*conditions), with_payload=True, order_by=order)
        return (await self._shard.read(lambda shard: shard.scroll(request)))[0]

    def _save(self, shard: edge.EdgeShard, versions: Sequence[Document]) -> list[Document | None]:
        current = _by_id(shard, versions)
        saved: list[Document | None] = []
        points = []
        for version in versions:
            record_id = _document_id(version)
            before = current.get(record_id)
            if not _same_version(before, version):
                saved.append(None)
                continue
            sequence = before[1] if before else self._next_sequence()
            written = msgspec.structs.replace(version, etag=uuid.uuid4().hex)
            current[record_id] = (written, sequence)
            points.append(edge.Point(id=record_id, vector={}, payload=_payload(written, sequence)))
            saved.append(written)
        if points:
            shard.update(edge.UpdateOperation.upsert_points(points))
        return saved

    def _next_sequence(self) -> int:
        """The time in microseconds, made unique: the order of the listing and its cursor."""
        self._last_us = max(self._last_us + 1, microseconds(datetime.now(UTC)))
        return self._last_us


def _same_version(before: tuple[Document, int] | None, version: Document) -> bool:
    return (before[0].etag if before else "") == version.etag


def _by_id(shard: edge.EdgeShard, versions: Sequence[Document]) -> dict[str, tuple[Document, int]]:
    ids: list[Any] = [_document_id(version) for version in versions]
    records: list[Any] = shard.retrieve(ids, with_payload=True, with_vector=False)
    return {str(record.id): (_decoded(record, Document), record.payload["sequence"]) for record in records}


def _payload(document: Document, sequence: int) -> dict[str, Any]:
    payload = {
        "kind": "document",
        "collection": document.collection,
        "key": document.key,
        "state": document.state.value,
        "bulk": filterable(document.bulk),
        "sequence": sequence,
        "updated_us": microseconds(document.updated_at),
        "metadata": filterable(document.metadata),
        "record": msgspec.json.encode(document).decode(),
    }
    if document.due_at is not None:
        payload["due_us"] = microseconds(document.due_at)
    return payload


def _collection(shard: edge.EdgeShard, name: str) -> documents.Collection | None:
    records = shard.retrieve([point_id("c", name)], with_payload=True, with_vector=False)
    return _decoded(records[0], documents.Collection) if records else None


def _put_collection(shard: edge.EdgeShard, collection: documents.Collection) -> None:
    written = msgspec.structs.replace(collection, etag=uuid.uuid4().hex)
    payload = {"kind": "collection", "record": msgspec.json.encode(written).decode()}
    point = edge.Point(id=point_id("c", collection.name), vector={}, payload=payload)
    shard.update(edge.UpdateOperation.upsert_points([point]))


def _decoded(record: Any, kind: type[T]) -> T:
    return msgspec.json.decode(record.payload["record"], type=kind)


def _documents(*conditions: Any) -> edge.Filter:
    return edge.Filter(must=[equal("kind", "document"), *conditions])


def _in_states(states: Collection[DocumentState]) -> list[Any]:
    return [one_of("state", [state.value for state in states])] if states else []


def _document_id(document: Document) -> str:
    return point_id("d", document.collection, document.id)


def _sequence_of(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 20:
        raise InvalidInput("this cursor was not handed out; begin again without one", field="cursor")
    return int(cursor)
