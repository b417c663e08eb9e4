"""In-memory stores for tests of use cases."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.answers.feedback import AnswerRecord, Feedback, Vote
from phoserve.documents.access import READERS, UNRESTRICTED, Access, Audience
from phoserve.documents.collections import Collection
from phoserve.documents.filters import Filter, matches
from phoserve.documents.ports import DamagedRecord, DocumentPage, IndexedPassage, IndexingTask, StoredSource
from phoserve.documents.records import Document, DocumentState, Passage
from phoserve.errors import CollectionNotFound, DocumentNotFound, InvalidInput, NotFound, TooLarge
from phoserve.search.ports import ScoredId
from phoserve.text import SparseVector


class MemoryRegistry:
    """A `DocumentRegistry`."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}
        self._documents: dict[str, Document] = {}

    async def ping(self) -> None:
        pass

    async def add_collection(self, collection: Collection) -> Collection | None:
        if self._named(collection.name):
            return None
        return self._put(collection)

    async def update_collection(self, collection: Collection) -> Collection | None:
        known = self._collections.get(collection.id)
        if known is None or known.version != collection.version:
            return None
        return self._put(collection)

    async def remove_collection(self, collection_id: str) -> None:
        await self.remove_documents(collection_id)
        self._collections.pop(collection_id, None)

    async def remove_documents(self, collection_id: str) -> None:
        self._documents = {key: each for key, each in self._documents.items() if each.collection_id != collection_id}

    async def collection(self, name: str) -> Collection:
        if found := self._named(name):
            return found
        raise CollectionNotFound(name)

    async def collections(self) -> list[Collection]:
        return sorted(self._collections.values(), key=lambda each: (each.name, each.created_at))

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        for document in documents:
            target = self._collections.get(document.collection_id)
            if document.version == 0 and (target is None or target.deleting):
                raise CollectionNotFound(document.collection)
        saved: list[Document | None] = []
        taken: set[tuple[str, str]] = set()
        for document in documents:
            name = (document.collection_id, document.id) if document.version == 0 else ("", document.key)
            saved.append(None if name in taken else self._save(document))
            taken.add(name)
        return saved

    def _save(self, document: Document) -> Document | None:
        known = self._documents.get(document.key)
        if (known.version if known else 0) != document.version:
            return None
        needed = self._needed(document)
        embedded = document.state, document.fingerprint, document.target_fingerprint
        is_new = known is None or embedded != (known.state, known.fingerprint, known.target_fingerprint)
        if document.state is DocumentState.READY and is_new and not document.is_embedded_by(needed):
            return None
        if known is None and self._of(document.collection_id, [document.id]):
            return None
        saved = msgspec.structs.replace(document, version=document.version + 1)
        self._documents[document.key] = saved
        return saved

    def _needed(self, document: Document) -> tuple[str, ...]:
        collection = self._collections.get(document.collection_id)
        return collection.needed_fingerprints if collection else ()

    async def remove(self, documents: Sequence[Document]) -> None:
        for document in documents:
            known = self._documents.get(document.key)
            if known is not None and known.version == document.version:
                del self._documents[document.key]

    async def get(self, collection: Collection, document_id: str) -> Document:
        found = self._of(collection.id, [document_id])
        if not found:
            raise DocumentNotFound(collection.name, document_id)
        return found[0]

    async def find(self, collection_id: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        return {each.id: each for each in self._of(collection_id, document_ids)}

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        found = [self._documents[key] for key in document_keys if key in self._documents]
        return {each.key: msgspec.structs.replace(each, needed_fingerprints=self._needed(each)) for each in found}

    async def find_originals(self, original_keys: Sequence[str]) -> AnyCollection[str]:
        return {each.original.key for each in self._documents.values()} & set(original_keys)

    async def page(
        self,
        collection_id: str,
        *,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        audience: Audience = UNRESTRICTED,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        of, _, position = (cursor or f"{collection_id}.0").rpartition(".")
        if of != collection_id or not position.isdecimal() or len(position) > 18:
            raise InvalidInput("this cursor is of another listing", field="cursor")
        first = int(position)
        found = [
            each
            for each in reversed(self._documents.values())
            if each.collection_id == collection_id
            and (not states or each.state in states)
            and audience.sees(each.access)
            and (where is None or matches(where, each.metadata, each.title))
        ]
        more = len(found) > first + limit
        return DocumentPage(found[first : first + limit], f"{collection_id}.{first + limit}" if more else None)

    async def changed(
        self, collection_id: str, *, since: datetime, audience: Audience = UNRESTRICTED, limit: int = 200
    ) -> list[Document]:
        found = [
            each
            for each in self._documents.values()
            if each.collection_id == collection_id and each.updated_at >= since and audience.sees(each.access)
        ]
        return sorted(found, key=lambda each: each.updated_at)[:limit]

    async def access_due(self, *, limit: int) -> list[Document]:
        return [each for each in self._documents.values() if each.access_due_at is not None][:limit]

    async def has_access_room(self, collection_id: str, wanted: AnyCollection[Access], *, most: int) -> bool:
        known = {each.access for each in self._documents.values() if each.collection_id == collection_id}
        return set(wanted) <= known | {()} or len((known | set(wanted)) - {()}) <= most

    async def settle_access(self, documents: Sequence[Document]) -> None:
        for each in documents:
            known = self._documents.get(each.key)
            if known is not None and known.access_version == each.access_version:
                self._documents[each.key] = msgspec.structs.replace(known, access_due_at=None)

    async def due(
        self, before: datetime, *, states: AnyCollection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        found = [
            each
            for each in self._documents.values()
            if each.state in states and each.due_at and each.due_at < before and bulk in (None, each.bulk)
        ]
        return sorted(found, key=lambda each: str(each.due_at))[:limit]

    async def counts(
        self, collection_id: str | None = None, *, audience: Audience = UNRESTRICTED
    ) -> Mapping[DocumentState, int]:
        return Counter(
            each.state
            for each in self._documents.values()
            if collection_id in (None, each.collection_id) and audience.sees(each.access)
        )

    async def damaged(self) -> list[DamagedRecord]:
        return []

    async def mend(self, record: DamagedRecord) -> Document | None:
        raise AssertionError(f"{record} is not damaged")

    async def drift(self, *, repair: bool = False) -> int:
        return 0

    async def close(self) -> None:
        pass

    def _put(self, collection: Collection) -> Collection:
        stored = msgspec.structs.replace(collection, version=collection.version + 1)
        self._collections[collection.id] = stored
        return stored

    def _named(self, name: str) -> Collection | None:
        return next((each for each in self._collections.values() if each.name == name and not each.deleting), None)

    def _of(self, collection_id: str, document_ids: Sequence[str]) -> list[Document]:
        return [e for e in self._documents.values() if e.collection_id == collection_id and e.id in document_ids]


class MemoryIndex:
    """A `PassageIndex` that compares with every passage; its BM25 has no idf.

    Indexes of several models that share an `engine` find each other and the active model in it.
    """

    def __init__(self, fingerprint: str, engine: "MemoryEngine | None" = None) -> None:
        self.fingerprint = fingerprint
        self.engine = engine or MemoryEngine()
        self.engine.indexes[fingerprint] = self
        self._staged: dict[str, IndexedPassage] = {}
        self._live: dict[str, IndexedPassage] = {}

    async def ping(self) -> None:
        pass

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        self._staged |= {each.passage.id: each for each in passages}

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        for document_key, revision in revisions:
            await self.discard_live(document_key, below=revision)
            ready = self._staged_up_to(document_key, revision)
            self._live |= {i: e for i, e in ready.items() if e.passage.revision == revision}
            self._staged = {i: e for i, e in self._staged.items() if i not in ready}

    def _staged_up_to(self, document_key: str, revision: int) -> dict[str, IndexedPassage]:
        of_document = {i: e for i, e in self._staged.items() if e.passage.document_key == document_key}
        return {i: e for i, e in of_document.items() if e.passage.revision <= revision}

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        for store in self._stores(here_only=here_only):
            for id_, each in store.items():
                if each.passage.document_key == document_key and each.passage.access_version < version:
                    changed = msgspec.structs.replace(each.passage, access=tuple(access), access_version=version)
                    store[id_] = replace(each, passage=changed)

    async def discard_live(self, document_key: str, *, below: int) -> None:
        self._live = {
            i: e for i, e in self._live.items() if e.passage.document_key != document_key or e.passage.revision >= below
        }

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        if not staged_only:
            await self.discard_live(document_key, below=up_to + 1)
        old = self._staged_up_to(document_key, up_to)
        self._staged = {i: e for i, e in self._staged.items() if i not in old}

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        for store in self._stores(here_only=here_only):
            for id_ in [i for i, e in store.items() if e.passage.document_key in document_keys]:
                del store[id_]

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        for store in self._stores(here_only=here_only):
            for id_ in [i for i, e in store.items() if e.passage.collection == collection]:
                del store[id_]

    def _stores(self, *, here_only: bool) -> list[dict[str, IndexedPassage]]:
        indexes = [self] if here_only else list(self.engine.indexes.values())
        return [store for index in indexes for store in (index._staged, index._live)]

    async def nearest(
        self,
        collection: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        found = [ScoredId(e.passage.id, float(e.vector @ vector)) for e in self._of(collection, where, audience)]
        return sorted(found, key=lambda each: -each.score)[:limit]

    async def matching(
        self,
        collection: str,
        terms: SparseVector,
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        wanted = set(terms.indices.tolist())
        found = [ScoredId(each.passage.id, _overlap(each, wanted)) for each in self._of(collection, where, audience)]
        return sorted((each for each in found if each.score > 0), key=lambda each: -each.score)[:limit]

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> Mapping[str, Passage]:
        there = {each.passage.id: _shown(each.passage) for each in self._of(collection, audience=audience)}
        return {id_: there[id_] for id_ in passage_ids if id_ in there}

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        found = [_shown(e.passage) for e in self._of(collection) if e.passage.document_key == document_key]
        return sorted(found, key=lambda each: each.ordinal)

    async def staged(self) -> list[tuple[str, int]]:
        return sorted({(e.passage.document_key, e.passage.revision) for e in self._staged.values()})

    async def published(self, collection: str | None = None) -> list[tuple[str, int]]:
        live = self._live.values() if collection is None else self._of(collection)
        return sorted({(e.passage.document_key, e.passage.revision) for e in live})

    async def active_model(self) -> str | None:
        return self.engine.active

    async def activate(self) -> None:
        self.engine.active = self.fingerprint

    async def sibling(self, fingerprint: str) -> "MemoryIndex | None":
        return self.engine.indexes.get(fingerprint)

    async def count(self, collection: str | None = None, *, audience: Audience = UNRESTRICTED) -> int:
        return len(self._of(collection, audience=audience))

    async def close(self) -> None:
        pass

    def _of(
        self, collection: str | None, where: Filter | None = None, audience: Audience = UNRESTRICTED
    ) -> list[IndexedPassage]:
        return [
            each
            for each in self._live.values()
            if collection in (None, each.passage.collection)
            and audience.sees(each.passage.access)
            and each.passage.document_key not in audience.hidden_keys
            and (where is None or matches(where, each.passage.metadata, each.passage.title))
        ]


@dataclass
class MemoryEngine:
    """The indexes of several models, and which model is active."""

    indexes: dict[str, MemoryIndex] = field(default_factory=dict)
    active: str | None = None


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

    async def copy(self, key: str, target: str) -> None:
        self._stored[target] = await self.read(key), datetime.now(UTC)

    async def fetch(self, key: str, target: Path) -> None:
        await asyncio.to_thread(target.write_bytes, await self.read(key))

    async def read(self, key: str) -> bytes:
        if key not in self._stored:
            raise NotFound("the original is gone")
        return self._stored[key][0]

    async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        content = (await self.read(key))[start:end]

        async def parts() -> AsyncIterator[bytes]:
            yield content

        return parts()

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._stored.pop(key, None)

    async def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        for key, (_, stored_at) in list(self._stored.items()):
            if key.startswith(prefix):
                yield key, stored_at


class MemoryQueue:
    """A `TaskQueue` that only collects tasks."""

    def __init__(self) -> None:
        self.tasks: list[IndexingTask] = []

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        self.tasks += tasks

    async def depth(self, *, bulk: bool | None = None) -> int:
        return sum(bulk in {None, task.bulk} for task in self.tasks)


def _shown(passage: Passage) -> Passage:
    """The passage as other engines return it."""
    return msgspec.structs.replace(passage, access_version=0)


def _overlap(indexed: IndexedPassage, wanted: set[int]) -> float:
    terms = zip(indexed.terms.indices.tolist(), indexed.terms.values.tolist(), strict=True)
    return float(sum(weight for term, weight in terms if term in wanted))


class MemoryAnswerLog:
    """An `AnswerLog` that forgets nothing."""

    def __init__(self) -> None:
        self.records: dict[str, AnswerRecord] = {}
        self.votes: dict[str, Feedback] = {}

    async def record(self, answer: AnswerRecord) -> None:
        self.records[answer.id] = answer

    async def answer(self, collection_id: str, answer_id: str) -> AnswerRecord | None:
        answer = self.records.get(answer_id)
        return answer if answer is not None and answer.collection_id == collection_id else None

    async def rate(self, collection_id: str, answer_id: str, vote: Vote, *, comment: str, voter: str) -> bool:
        answer = self.records.get(answer_id)
        if answer is None or answer.collection_id != collection_id:
            return False
        self.votes[answer_id] = Feedback(
            answer=answer, vote=vote, comment=comment, voter=voter, voted_at=datetime.now(UTC)
        )
        return True

    async def feedback(self, collection_id: str, *, vote: Vote | None, limit: int) -> list[Feedback]:
        found = [each for each in self.votes.values() if each.answer.collection_id == collection_id]
        wanted = [each for each in found if vote in (None, each.vote)]
        return sorted(wanted, key=lambda each: each.voted_at, reverse=True)[:limit]
