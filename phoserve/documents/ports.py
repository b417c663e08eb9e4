"""The ports of documents: their records, originals and passages, and the queue that wakes workers."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.documents.filters import Filter
from phoserve.documents.records import Collection, Document, DocumentState, Passage
from phoserve.text import SparseVector

ACTIVE_MODEL_TTL_S: Final = 2.0
"""How long an answer about the active model may be cached."""


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

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """Store `passages` invisible to search; passages that are already published stay published."""
        ...

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """Make each (document key, revision) visible to search and delete that document's older revisions."""
        ...

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """Delete the document's passages of every revision up to and including `up_to`."""
        ...

    async def discard_many(self, document_keys: Sequence[str]) -> None:
        """Delete all passages of several documents."""
        ...

    async def discard_collection(self, collection: str) -> None:
        """Delete every passage of the collection."""
        ...

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """Return the document's published passages, in order."""
        ...

    async def staged(self) -> list[tuple[str, int]]:
        """Return document key and revision of everything staged, whether in progress or orphaned."""
        ...

    async def published(self) -> list[tuple[str, int]]:
        """Return document key and revision of everything published."""
        ...

    async def count(self, collection: str | None = None) -> int:
        """Return how many passages are published, in one collection or in all."""
        ...


class ActiveModel(Protocol):
    """Records which model the stored passages belong to: only the active model's services may write and search."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of this process's model."""
        ...

    async def active_model(self) -> str | None:
        """Return the fingerprint of the active model, None before the first one."""
        ...

    async def is_active(self) -> bool:
        """Return whether this model is active. Cached for up to `ACTIVE_MODEL_TTL_S` seconds."""
        ...

    async def activate(self) -> None:
        """Make this model the active one, in one atomic write."""
        ...


class ActivePassageStore(PassageStore, ActiveModel, Protocol):
    """A passage store that also records the active model."""

    async def sibling(self, fingerprint: str) -> "ActivePassageStore | None":
        """Return the passage store of another model in the same engine, None if there is none."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Some documents of a listing, newest first; `cursor` asks for those after them, None at the end."""

    documents: list[Document]
    cursor: str | None


class DocumentRegistry(Protocol):
    """Keeps the record of every document and collection: the one source of truth about their state.

    Every method raises Unavailable while the store does not answer.
    """

    async def add_collection(self, collection: Collection) -> bool:
        """Add a collection; False if one of that name exists already."""
        ...

    async def replace_collection(self, collection: Collection) -> bool:
        """Put the collection's new version; False if somebody else changed or removed it first."""
        ...

    async def remove_collection(self, name: str) -> None:
        """Remove the collection's record."""
        ...

    async def remove_documents(self, collection: str) -> None:
        """Remove the records of all documents of the collection."""
        ...

    async def collection(self, name: str) -> Collection:
        """The collection of that name. Raises CollectionNotFound."""
        ...

    async def collections(self) -> list[Collection]:
        """All collections, by name."""
        ...

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        """Write each document as it is now, in order; None for each that somebody else changed, added or removed first.

        A document without an etag is added, any other replaces the version its etag names. What comes back carries
        the new etags.
        """
        ...

    async def remove(self, documents: Sequence[Document]) -> None:
        """Remove each record that nobody has changed since."""
        ...

    async def get(self, collection: str, document_id: str) -> Document:
        """The document's record. Raises DocumentNotFound."""
        ...

    async def find(self, collection: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by id."""
        ...

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        """The records of those of the documents that exist, by key."""
        ...

    async def page(
        self,
        collection: str,
        *,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        """Documents of the collection, newest first, of any of `states` where given.

        Raises InvalidInput if `cursor` is not one that was handed out.
        """
        ...

    async def changed(self, collection: str, *, since: datetime, limit: int = 200) -> list[Document]:
        """Documents whose record changed at or after `since`, the earliest change first."""
        ...

    async def due(
        self, before: datetime, *, states: AnyCollection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        """Documents in one of `states` with `due_at` before the given time, the longest overdue first."""
        ...

    async def counts(self, collection: str | None = None) -> Mapping[DocumentState, int]:
        """How many documents are in each state, in one collection or in all."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What the source store knows of an original it has just taken."""

    key: str
    sha256: str
    size_bytes: int


class SourceStore(Protocol):
    """Keeps the originals, so that every index can be built again. Raises Unavailable while it does not answer."""

    async def put(self, key: str, content: bytes | AsyncIterable[bytes], *, max_bytes: int) -> StoredSource:
        """Store `content` without ever holding all of a stream in memory; nothing is left behind on an error.

        Raises TooLarge as soon as more than `max_bytes` have come.
        """
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Write the original to the file `target`. Raises NotFound."""
        ...

    async def read(self, key: str) -> bytes:
        """The whole original. Raises NotFound."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the originals; those that are gone already do not matter."""
        ...

    def keys(self, prefix: str = "") -> AsyncIterator[tuple[str, datetime]]:
        """The keys under a prefix, with the time each was stored."""
        ...


@dataclass(frozen=True, slots=True)
class IndexingTask:
    """Index this revision of this document (or finish its deletion)."""

    collection: str
    document_id: str
    revision: int
    bulk: bool = False
    light: bool = False
    """It is small and plain text: many such may be worked on at once."""

    @classmethod
    def of(cls, document: Document) -> "IndexingTask":
        """What there is to do about `document` as it is."""
        light = document.original.is_small
        return cls(document.collection, document.id, document.revision, document.bulk, light)


class TaskQueue(Protocol):
    """Wakes workers up. It may lose, repeat and reorder tasks: the registry knows what there is to do."""

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Tell the workers about `tasks`. Raises Unavailable while the queue does not answer."""
        ...

    async def depth(self, *, bulk: bool | None = None) -> int:
        """How many tasks wait, as far as the queue knows: bulk ones, interactive ones, or all."""
        ...
