"""The roles that use cases need filled; adapters fill them, one technology each."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType, ModelContract
from phoserve.documents import Collection, Document, DocumentState, Passage
from phoserve.filters import Filter

FloatMatrix = NDArray[np.float32]
CHARGE_KNOWN_FOR_S: Final = 2.0
"""How old an answer about which model is in charge may be."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of a batch of texts, in the texts' order."""

    vectors: FloatMatrix
    """float32, shape (texts, dim), unit length where the contract says so."""
    tokens: NDArray[np.int32]
    """int32, shape (texts,): tokens the encoder saw, specials included."""
    truncated: NDArray[np.bool_]
    """bool, shape (texts,): true where the text was longer than the model takes."""
    served_by: str
    """Name of the Triton encoder model that computed them."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def contract(self) -> ModelContract: ...

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts` (any number of them).

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...


class Terms(Protocol):
    """A sparse vector of lexical weights (`phoserve.text.lexical.SparseVector`)."""

    @property
    def indices(self) -> NDArray[np.uint32]: ...
    @property
    def values(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage with what it is found by."""

    passage: Passage
    vector: NDArray[np.float32]
    """float32, shape (dim,)."""
    terms: Terms


@dataclass(frozen=True, slots=True)
class ScoredId:
    """The id of a passage found by a search; scores of one search compare, those of different methods do not."""

    id: str
    score: float


class PassageIndex(Protocol):
    """Finds passages by vector and by terms, never outside the collection asked for.

    Passages are staged unseen, then published all at once. One index holds the vectors of one model.
    Every method raises Unavailable while the engine does not answer.
    """

    @property
    def fingerprint(self) -> str:
        """Of the model whose vectors are searched."""
        ...

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """Store `passages` where no search sees them; those that are published already stay as they are."""
        ...

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """Let search see each (document key, revision) instead of older ones of that document, which are deleted."""
        ...

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """Delete the document's passages of all revisions up to and including `up_to`."""
        ...

    async def discard_many(self, document_keys: Sequence[str]) -> None:
        """Delete all passages of several documents."""
        ...

    async def discard_collection(self, collection: str) -> None:
        """Delete every passage of the collection."""
        ...

    async def nearest(
        self, collection: str, vector: NDArray[np.float32], *, limit: int, where: Filter | None = None
    ) -> list[ScoredId]:
        """The published passages whose vectors are closest to `vector`, float32 of shape (dim,), best first."""
        ...

    async def matching(
        self, collection: str, terms: Terms, *, limit: int, where: Filter | None = None
    ) -> list[ScoredId]:
        """The published passages with the highest BM25 score for `terms`, best first."""
        ...

    async def find(self, collection: str, passage_ids: Sequence[str]) -> Mapping[str, Passage]:
        """Those of the passages that are published still, by id."""
        ...

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """The document's published passages, in order."""
        ...

    async def staged(self) -> list[tuple[str, int]]:
        """Document key and revision of whatever lies staged: being worked on, or left behind."""
        ...

    async def published(self) -> list[tuple[str, int]]:
        """Document key and revision of whatever search can find."""
        ...

    async def count(self, collection: str | None = None) -> int:
        """How many passages are published, in one collection or in all."""
        ...

    async def serving(self) -> str | None:
        """The fingerprint of the model in charge of the store, None before the first one."""
        ...

    async def in_charge(self) -> bool:
        """Whether no other model is in charge; the answer may be `CHARGE_KNOWN_FOR_S` old."""
        ...

    async def serve(self) -> None:
        """Put this index's model in charge, in one step."""
        ...

    async def beside(self, fingerprint: str) -> "PassageIndex | None":
        """The index of another model in the same store, if there is one."""
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
class Task:
    """Index this revision of this document (or finish its deletion)."""

    collection: str
    document_id: str
    revision: int
    bulk: bool = False
    light: bool = False
    """It is small and plain text: many such may be worked on at once."""

    @classmethod
    def of(cls, document: Document) -> "Task":
        """What there is to do about `document` as it is."""
        light = document.original.is_light
        return cls(document.collection, document.id, document.revision, document.bulk, light)


class TaskQueue(Protocol):
    """Wakes workers up. It may lose, repeat and reorder tasks: the registry knows what there is to do."""

    async def enqueue(self, tasks: Sequence[Task]) -> None:
        """Tell the workers about `tasks`. Raises Unavailable while the queue does not answer."""
        ...

    async def depth(self, *, bulk: bool | None = None) -> int:
        """How many tasks wait, as far as the queue knows: bulk ones, interactive ones, or all."""
        ...


class Reranker(Protocol):
    """Scores passages against a query by reading both together."""

    @property
    def name(self) -> str: ...

    async def rerank(
        self, query: str, passages: Sequence[str], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Score each passage, float32 of shape (passages,), higher is better; scores of two queries do not compare.

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What an LLM read and wrote, in its own tokens."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A piece of a reply as it comes; `usage` is on the last one, where the LLM tells it."""

    text: str = ""
    usage: TokenCounts | None = None


class ChatModel(Protocol):
    """Writes replies."""

    @property
    def name(self) -> str: ...

    def reply(self, messages: Sequence[ChatMessage], *, timeout_s: float | None = None) -> AsyncGenerator[ChatPart]:
        """The reply to the conversation, piece by piece; closing the generator stops the LLM.

        Raises Overloaded, Unavailable (also when the reply is cut off) or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...
