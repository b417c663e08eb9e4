"""The ports of documents: their records, originals and passages, and the queue that wakes workers."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.documents.access import UNRESTRICTED, Access, Audience
from phoserve.documents.collections import Collection
from phoserve.documents.filters import Filter
from phoserve.documents.records import Document, DocumentState, Passage
from phoserve.text import SparseVector


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage with what it is found by."""

    passage: Passage
    vector: NDArray[np.float32]
    """float32, shape (dim,)."""
    terms: SparseVector


class PassageStore(Protocol):
    """Holds the passages of one model, staged (invisible to search) or published.

    Every method raises Unavailable while the engine does not answer.
    """

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model whose vectors are stored."""
        ...

    async def ping(self) -> None:
        """Check that the engine responds, in one short call."""
        ...

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """Store `passages` invisible to search; passages that are already published stay published."""
        ...

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """Make each (document key, revision) visible to search and delete that document's older revisions."""
        ...

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        """Let these groups alone find the document, staged or published; without groups, every reader.

        Also in other models' passages that share the engine, unless `here_only`.
        Nothing changes where the same or a newer version was set: calls may come twice and in any order.
        """
        ...

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """Delete the document's passages of every revision up to and including `up_to`."""
        ...

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        """Delete all passages of several documents, also those of other models that share the engine.

        With `here_only`, passages of other models stay.
        """
        ...

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        """Delete every passage of the collection, also those of other models that share the engine.

        With `here_only`, passages of other models stay.
        """
        ...

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """Return the document's published passages, in order."""
        ...

    async def staged(self) -> list[tuple[str, int]]:
        """Return document key and revision of everything staged, whether in progress or orphaned."""
        ...

    async def published(self, collection: str | None = None) -> list[tuple[str, int]]:
        """Return document key and revision of everything published, in one collection or in all."""
        ...

    async def count(self, collection: str | None = None, *, audience: Audience = UNRESTRICTED) -> int:
        """Return how many passages are published and visible to `audience`, in one collection or in all."""
        ...


class ActivePassageStore(PassageStore, Protocol):
    """A passage store that also records the deployment's default model.

    Collections name their model themselves. Those of versions that had one model for all get the recorded one.
    """

    async def active_model(self) -> str | None:
        """Return the fingerprint of the default model, None before the first one."""
        ...

    async def activate(self) -> None:
        """Make this model the default one, in one atomic write."""
        ...

    async def sibling(self, fingerprint: str) -> "ActivePassageStore | None":
        """Return the passage store of another model in the same engine, None if there is none."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """One page of a listing, newest first; `cursor` requests the next page and is None at the end.

    A page that is not the last one may be short, or empty, if a filter rejects nearly all documents.
    """

    documents: list[Document]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record of a document that cannot be read whole."""

    sequence: int
    """Names the record."""
    collection: str
    id: str
    fields: tuple[str, ...]
    """What cannot be read."""
    raw: Mapping[str, str]
    """Every column as the store returns it, as Python literals."""
    document: Document | None
    """The document as far as it can be read, None if its ids cannot."""
    collection_id: str = ""

    @property
    def lacks_original(self) -> bool:
        """Whether it is unknown which original the record names."""
        return self.document is None or "original_key" in self.fields


class DocumentRegistry(Protocol):
    """Stores the record of every collection and document: the source of truth about their state.

    Every write is one transaction, and is on disk when it returns. Every method raises Unavailable while the store does
    not respond.
    """

    async def ping(self) -> None:
        """Check that the store responds, in one short query."""
        ...

    async def add_collection(self, collection: Collection) -> Collection | None:
        """Add a collection and return it as stored; None if another one has the name and is not being deleted."""
        ...

    async def update_collection(self, collection: Collection) -> Collection | None:
        """Store a new version and return it; None if the record has changed or is gone. The name cannot change."""
        ...

    async def remove_collection(self, collection_id: str) -> None:
        """Remove the collection's record and those of its documents."""
        ...

    async def remove_documents(self, collection_id: str) -> None:
        """Remove the records of all documents of the collection."""
        ...

    async def collection(self, name: str) -> Collection:
        """Return the collection of that name that is not being deleted. Raises CollectionNotFound."""
        ...

    async def collections(self) -> list[Collection]:
        """Return all collections by name, including those that are being deleted."""
        ...

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        """Store the documents in one transaction and return them as stored, in order.

        A document of version 0 is added; any other replaces the version it was made from. None for each whose record
        was added, changed or removed by another writer first, and for each that becomes ready without being
        embedded by the models that its collection needs at this moment.

        Raises CollectionNotFound, with nothing stored, if a document is added to a collection that is being deleted or
        gone.
        """
        ...

    async def remove(self, documents: Sequence[Document]) -> None:
        """Remove each record that still has the given version."""
        ...

    async def get(self, collection: Collection, document_id: str) -> Document:
        """Return the document's record. Raises DocumentNotFound."""
        ...

    async def find(self, collection_id: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        """Return the records of the documents that exist, by id."""
        ...

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        """Return the records of the documents that exist, by key."""
        ...

    async def find_originals(self, original_keys: Sequence[str]) -> AnyCollection[str]:
        """Return the keys of those originals that a record names."""
        ...

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
        """Return documents of the collection that `audience` may see, newest first, in any of `states` if given.

        Raises InvalidInput if `cursor` was not returned for this collection.
        """
        ...

    async def changed(
        self, collection_id: str, *, since: datetime, audience: Audience = UNRESTRICTED, limit: int = 200
    ) -> list[Document]:
        """Return visible documents whose record changed at or after `since`, the earliest change first."""
        ...

    async def access_due(self, *, limit: int) -> list[Document]:
        """Return documents whose groups the index may not have yet, in no particular order."""
        ...

    async def has_access_room(self, collection_id: str, wanted: AnyCollection[Access], *, most: int) -> bool:
        """Return whether the collection has at most `most` different sets of groups, together with those `wanted`.

        Listings and counts of an audience with groups read them all. Sets that no document has any more are forgotten
        before they count.
        """
        ...

    async def settle_access(self, documents: Sequence[Document]) -> None:
        """Note that the index has the groups of these documents, where `access_version` is still the same.

        Neither `version` nor `updated_at` changes: other writers of the record are not disturbed.
        """
        ...

    async def due(
        self, before: datetime, *, states: AnyCollection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        """Return documents in one of `states` with `due_at` before the given time, the longest overdue first.

        Records that another transaction is changing at this moment may be left out.
        """
        ...

    async def counts(
        self, collection_id: str | None = None, *, audience: Audience = UNRESTRICTED
    ) -> Mapping[DocumentState, int]:
        """Return how many visible documents are in each state, in one collection or in all, without states of none."""
        ...

    async def damaged(self) -> list[DamagedRecord]:
        """Return the records of documents that cannot be read whole; every record is read."""
        ...

    async def mend(self, record: DamagedRecord) -> Document | None:
        """Replace a damaged record by what can be read of it, as a new revision that is queued, and return that.

        None if it was removed because its ids cannot be read, or if it is not damaged any more.
        """
        ...

    async def drift(self, *, repair: bool = False) -> int:
        """Return how many documents are counted, or found by filters or groups, differently from their records.

        Every record is read. With `repair`, what is derived from records is derived again.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredSource:
    """An original that was just stored."""

    key: str
    sha256: str
    size_bytes: int


class SourceStore(Protocol):
    """Stores the originals, from which every index can be rebuilt. Raises Unavailable while it does not respond."""

    async def put(self, key: str, content: bytes | AsyncIterable[bytes], *, max_bytes: int) -> StoredSource:
        """Store `content` durably, without holding all of a stream in memory; an error leaves nothing behind.

        Raises TooLarge as soon as more than `max_bytes` have arrived.
        """
        ...

    async def copy(self, key: str, target: str) -> None:
        """Store durably under the key `target` what is stored under `key`, without reading it. Raises NotFound."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Write the original to the file `target`. Raises NotFound."""
        ...

    async def read(self, key: str) -> bytes:
        """Return the whole original. Raises NotFound."""
        ...

    async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Open the original and return its bytes from `start` up to `end`, in parts that are read on demand.

        Raises NotFound. The parts stay readable if the original is deleted meanwhile, unless the store forbids it.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the originals; those that do not exist are ignored."""
        ...

    def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        """Yield the keys under a prefix, with the time each was stored."""
        ...


@dataclass(frozen=True, slots=True)
class IndexingTask:
    """Index this revision of a document, or complete its deletion; without a document, delete the collection."""

    collection_id: str
    document_key: str
    revision: int
    bulk: bool = False
    is_small: bool = False
    """The original is small plain text: many such tasks may run at once."""

    @classmethod
    def of(cls, document: Document) -> "IndexingTask":
        """Return the task for the document's current revision."""
        is_small = document.original.is_small
        return cls(document.collection_id, document.key, document.revision, document.bulk, is_small)

    @classmethod
    def purge(cls, collection: Collection) -> "IndexingTask":
        """Return the task that completes the deletion of a collection."""
        return cls(collection.id, "", 0, bulk=True)


class TaskQueue(Protocol):
    """Notifies workers. It may lose, repeat and reorder tasks: the registry is the record of what there is to do."""

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Send `tasks` to the workers. Raises Unavailable while the queue does not respond."""
        ...

    async def depth(self, *, bulk: bool | None = None) -> int:
        """Return how many tasks wait, as far as the queue knows: bulk ones, interactive ones, or all."""
        ...
