"""The stores' ports kept in memory: for tests of what stands on them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.documents.filters import All, AnyOf, Exists, Filter, Match, Not, Range
from phoserve.documents.ports import DocumentPage, IndexedPassage, IndexingTask, StoredSource
from phoserve.documents.records import Collection, Document, DocumentState, Passage
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput, NotFound, TooLarge
from phoserve.search.ports import ScoredId
from phoserve.text import SparseVector


class MemoryRegistry:
    """A `DocumentRegistry`."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}
        self._documents: dict[tuple[str, str], Document] = {}

    async def add_collection(self, collection: Collection) -> bool:
        return self._collections.setdefault(collection.name, collection) is collection

    async def replace_collection(self, collection: Collection) -> bool:
        known = self._collections.get(collection.name)
        if known is None or known.etag != collection.etag:
            return False
        self._collections[collection.name] = msgspec.structs.replace(collection, etag=uuid4().hex)
        return True

    async def remove_collection(self, name: str) -> None:
        self._collections.pop(name, None)

    async def remove_documents(self, collection: str) -> None:
        self._documents = {key: each for key, each in self._documents.items() if key[0] != collection}

    async def collection(self, name: str) -> Collection:
        if name not in self._collections:
            raise CollectionNotFound(name)
        return self._collections[name]

    async def collections(self) -> list[Collection]:
        return [self._collections[name] for name in sorted(self._collections)]

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        return [self._save(document) for document in documents]

    def _save(self, document: Document) -> Document | None:
        known = self._documents.get((document.collection, document.id))
        if (known.etag if known else "") != document.etag:
            return None
        saved = msgspec.structs.replace(document, etag=uuid4().hex)
        self._documents[document.collection, document.id] = saved
        return saved

    async def remove(self, documents: Sequence[Document]) -> None:
        for document in documents:
            if self._documents.get((document.collection, document.id)) == document:
                del self._documents[document.collection, document.id]

    async def get(self, collection: str, document_id: str) -> Document:
        if (collection, document_id) not in self._documents:
            raise DocumentNotFound(collection, document_id)
        return self._documents[collection, document_id]

    async def find(self, collection: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        return {id_: self._documents[collection, id_] for id_ in document_ids if (collection, id_) in self._documents}

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        return {each.key: each for each in self._documents.values() if each.key in document_keys}

    async def page(
        self,
        collection: str,
        *,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        if cursor is not None and not cursor.isdecimal():
            raise InvalidInput("is not a cursor that was handed out", field="cursor")
        first = int(cursor or 0)
        found = [
            each
            for each in reversed(self._documents.values())
            if each.collection == collection
            and (not states or each.state in states)
            and (where is None or holds(where, each.metadata))
        ]
        more = len(found) > first + limit
        return DocumentPage(found[first : first + limit], str(first + limit) if more else None)

    async def changed(self, collection: str, *, since: datetime, limit: int = 200) -> list[Document]:
        found = [e for e in self._documents.values() if e.collection == collection and e.updated_at >= since]
        return sorted(found, key=lambda each: each.updated_at)[:limit]

    async def due(
        self, before: datetime, *, states: AnyCollection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        found = [
            each
            for each in self._documents.values()
            if each.state in states and each.due_at and each.due_at < before and bulk in (None, each.bulk)
        ]
        return sorted(found, key=lambda each: str(each.due_at))[:limit]

    async def counts(self, collection: str | None = None) -> Mapping[DocumentState, int]:
        return Counter(each.state for each in self._documents.values() if collection in (None, each.collection))

    async def close(self) -> None:
        pass


class MemoryIndex:
    """A `PassageIndex` that compares with everything; its BM25 has no idf."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._staged: dict[str, IndexedPassage] = {}
        self._live: dict[str, IndexedPassage] = {}

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        self._staged |= {each.passage.id: each for each in passages}

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        for document_key, revision in revisions:
            await self.discard_live(document_key, below=revision)
            ready = {i: e for i, e in self._staged.items() if e.passage.document_key == document_key}
            self._live |= {i: e for i, e in ready.items() if e.passage.revision == revision}
            self._staged = {i: e for i, e in self._staged.items() if i not in ready}

    async def discard_live(self, document_key: str, *, below: int) -> None:
        self._live = {
            i: e for i, e in self._live.items() if e.passage.document_key != document_key or e.passage.revision >= below
        }

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        if not staged_only:
            await self.discard_live(document_key, below=up_to + 1)
        self._staged = {i: e for i, e in self._staged.items() if e.passage.document_key != document_key}

    async def discard_many(self, document_keys: Sequence[str]) -> None:
        for store in (self._staged, self._live):
            for id_ in [i for i, e in store.items() if e.passage.document_key in document_keys]:
                del store[id_]

    async def discard_collection(self, collection: str) -> None:
        await self.discard_many([e.passage.document_key for e in self._of(collection)])

    async def nearest(
        self, collection: str, vector: NDArray[np.float32], *, limit: int, where: Filter | None = None
    ) -> list[ScoredId]:
        found = [ScoredId(e.passage.id, float(e.vector @ vector)) for e in self._of(collection, where)]
        return sorted(found, key=lambda each: -each.score)[:limit]

    async def matching(
        self, collection: str, terms: SparseVector, *, limit: int, where: Filter | None = None
    ) -> list[ScoredId]:
        wanted = set(terms.indices.tolist())
        found = [ScoredId(each.passage.id, _overlap(each, wanted)) for each in self._of(collection, where)]
        return sorted((each for each in found if each.score > 0), key=lambda each: -each.score)[:limit]

    async def find(self, collection: str, passage_ids: Sequence[str]) -> Mapping[str, Passage]:
        there = {each.passage.id: each.passage for each in self._of(collection)}
        return {id_: there[id_] for id_ in passage_ids if id_ in there}

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        found = [e.passage for e in self._of(collection) if e.passage.document_key == document_key]
        return sorted(found, key=lambda each: each.ordinal)

    async def staged(self) -> list[tuple[str, int]]:
        return sorted({(e.passage.document_key, e.passage.revision) for e in self._staged.values()})

    async def published(self) -> list[tuple[str, int]]:
        return sorted({(e.passage.document_key, e.passage.revision) for e in self._live.values()})

    async def active_model(self) -> str | None:
        return self.fingerprint

    async def is_active(self) -> bool:
        return True

    async def activate(self) -> None:
        pass

    async def sibling(self, fingerprint: str) -> "MemoryIndex | None":
        return None

    async def count(self, collection: str | None = None) -> int:
        return len(self._live if collection is None else self._of(collection))

    async def close(self) -> None:
        pass

    def _of(self, collection: str, where: Filter | None = None) -> list[IndexedPassage]:
        return [
            each
            for each in self._live.values()
            if each.passage.collection == collection and (where is None or holds(where, each.passage.metadata))
        ]


class MemorySources:
    """A `SourceStore`."""

    def __init__(self) -> None:
        self._stored: dict[str, tuple[bytes, datetime]] = {}

    async def put(self, key: str, content: bytes | AsyncIterable[bytes], *, max_bytes: int) -> StoredSource:
        whole = content if isinstance(content, bytes) else b"".join([part async for part in content])
        if len(whole) > max_bytes:
            raise TooLarge(f"the document is over {max_bytes} bytes")
        self._stored[key] = whole, datetime.now(UTC)
        return StoredSource(key, sha256(whole).hexdigest(), len(whole))

    async def fetch(self, key: str, target: Path) -> None:
        await asyncio.to_thread(target.write_bytes, await self.read(key))

    async def read(self, key: str) -> bytes:
        if key not in self._stored:
            raise NotFound("the original is gone")
        return self._stored[key][0]

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._stored.pop(key, None)

    async def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        for key, (_, stored_at) in list(self._stored.items()):
            if key.startswith(prefix):
                yield key, stored_at


class MemoryQueue:
    """A `TaskQueue` that nobody empties."""

    def __init__(self) -> None:
        self.tasks: list[IndexingTask] = []

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        self.tasks += tasks

    async def depth(self, *, bulk: bool | None = None) -> int:
        return sum(bulk in {None, task.bulk} for task in self.tasks)


def holds(condition: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether the metadata meets the condition."""
    match condition:
        case All(conditions):
            return all(holds(each, metadata) for each in conditions)
        case Not(inner):
            return not holds(inner, metadata)
        case Exists(field):
            return _values(field, metadata) != []
        case Match(field, value):
            return value in _values(field, metadata)
        case AnyOf(field, values):
            return any(value in values for value in _values(field, metadata))
        case Range():
            return any(_within(condition, value) for value in _values(condition.field, metadata))


def _within(bounds: Range, value: Any) -> bool:
    return (
        (bounds.gt is None or value > bounds.gt)
        and (bounds.gte is None or value >= bounds.gte)
        and (bounds.lt is None or value < bounds.lt)
        and (bounds.lte is None or value <= bounds.lte)
    )


def _values(field: str, metadata: Mapping[str, Any]) -> list[Any]:
    found: Any = metadata
    for name in field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def _overlap(indexed: IndexedPassage, wanted: set[int]) -> float:
    terms = zip(indexed.terms.indices.tolist(), indexed.terms.values.tolist(), strict=True)
    return float(sum(weight for term, weight in terms if term in wanted))
