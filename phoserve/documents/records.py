"""Documents and collections: their records and the states a document can be in.

A `Document` is immutable; each verb below returns the next version of it. A change counts once a `DocumentRegistry` has
saved that version, which it does only if the stored record is still the one that the change started from (`version`).
"""

import uuid
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

import msgspec

from phoserve.contract import Fusion
from phoserve.documents.access import Access
from phoserve.errors import Conflict, InvalidInput
from phoserve.text.blocks import ParserWarning, Place

MAX_NAME_CHARACTERS: Final = 64
MAX_ID_CHARACTERS: Final = 256
MAX_TITLE_CHARACTERS: Final = 1000
REMEMBERED_REQUESTS: Final = 8
FORMER_KEPT: Final = timedelta(hours=1)
"""How long the passages of a collection's former model are kept, as long as a process may use an older record."""
ACCESS_VERSIONS_AHEAD: Final = 1 << 20
"""More than the changes of groups that a registry restored from a backup may have lost."""
SMALL_BYTES: Final = 16 * 1024
SMALL_TYPES: Final = frozenset({"text/plain", "text/markdown"})

Metadata = dict[str, Any]


class DocumentState(StrEnum):
    """The state of a document; `TRANSITIONS` lists which state may follow which."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


_S = DocumentState
TRANSITIONS: Final[Mapping[DocumentState, frozenset[DocumentState]]] = {
    # A new revision may arrive at any time, so every state but the last may return to queued.
    _S.QUEUED: frozenset({_S.QUEUED, _S.PROCESSING, _S.FAILED, _S.DELETING}),
    # From processing to processing: progress, or a new worker after the first one died.
    _S.PROCESSING: frozenset({_S.PROCESSING, _S.QUEUED, _S.READY, _S.FAILED, _S.DELETING}),
    _S.READY: frozenset({_S.QUEUED, _S.DELETING}),
    _S.FAILED: frozenset({_S.QUEUED, _S.DELETING}),
    # A deletion is always completed; the id is then free again, under a new key.
    _S.DELETING: frozenset({_S.DELETING}),
}
UNFINISHED: Final = (_S.QUEUED, _S.PROCESSING, _S.DELETING)


class DocumentFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a document failed: `message` for people, `code` for programs (such as `encrypted` or `empty`)."""

    code: str
    message: str
    retryable: bool = False


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes a document was made from, as stored in the source store."""

    key: str
    """Of one upload alone; never used again."""
    sha256: str
    size_bytes: int
    media_type: str
    filename: str | None = None

    @property
    def is_small(self) -> bool:
        """Whether its media type is plain text and it is at most `SMALL_BYTES` long."""
        return self.size_bytes <= SMALL_BYTES and self.media_type.split(";", 1)[0] in SMALL_TYPES


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One document of a collection, in one version of its record."""

    collection: str
    """The name of its collection."""
    collection_id: str
    id: str
    """Chosen by the caller, unique within the collection."""
    key: str
    """A UUID as 32 hex digits, never used again after a delete: identifies this document's passages and tasks."""
    version: int = 0
    """Counts the writes of this record; 0 until the first one."""
    revision: int = 1
    """The newest content accepted, counted from 1."""
    live_revision: int = 0
    """The revision that search shows, 0 for none."""
    state: DocumentState = DocumentState.QUEUED
    title: str = ""
    metadata: Metadata = msgspec.field(default_factory=dict)
    properties: Metadata = msgspec.field(default_factory=dict)
    """Metadata of the file itself, as its parser found it; its own title is `title`."""
    access: Access = ()
    """The groups that may see the document; empty for every reader of the collection."""
    access_version: int = 0
    """Counts the changes of `access`."""
    access_due_at: datetime | None = None
    """Since when the index may have other groups than `access`. None if it has these."""
    original: Original
    fingerprint: str = ""
    """Of the model whose vectors are live."""
    target_fingerprint: str = ""
    """Of the model that the collection is changing to, if that one has embedded the newest revision too."""
    needed_fingerprints: tuple[str, ...] = ()
    """Of the models that its collection needs, as they were when the record was read; not stored with the document."""
    passages: int = 0
    """How many passages are live."""
    progress: float = 0.0
    """Share of the newest revision that is embedded, 0 to 1."""
    attempts: int = 0
    """How often a worker has started on the newest revision."""
    error: DocumentFailure | None = None
    warnings: tuple[ParserWarning, ...] = ()
    """What the parser could not keep of the live revision."""
    bulk: bool = False
    """Bulk work is queued behind interactive work."""
    requests: tuple[str, ...] = ()
    """The idempotency keys of the last few requests that changed the document."""
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None = None
    """When the document needs attention: queued since, retry at, or end of the worker's lease. None at rest."""

    def revise(
        self,
        original: Original,
        *,
        title: str,
        metadata: Metadata,
        access: Access | None = None,
        bulk: bool,
        request: str | None,
    ) -> Self:
        """Return the next revision, queued; the live revision stays live until the new one is ready.

        Without `access` the groups stay; others take effect at once, for the live revision too.
        """
        return msgspec.structs.replace(
            self.share(self.access if access is None else access).reindex(bulk=bulk),
            original=original,
            title=title,
            metadata=metadata,
            requests=append_request(self.requests, request),
        )

    def reindex(self, *, bulk: bool = True) -> Self:
        """Return the same content as a new revision, queued."""
        return self._to(
            DocumentState.QUEUED,
            revision=self.revision + 1,
            progress=0.0,
            attempts=0,
            error=None,
            bulk=bulk,
            due_at=_now(),
        )

    def share(self, access: Access) -> Self:
        """Return the document for these groups, which the index does not know yet.

        Raises Conflict while the document is being deleted.
        """
        if access == self.access:
            return self
        if self.state is DocumentState.DELETING:
            raise Conflict(f"document {self.id!r} is being deleted")
        now = _now()
        return msgspec.structs.replace(
            self, access=access, access_version=self.access_version + 1, access_due_at=now, updated_at=now
        )

    def share_again(self) -> Self:
        """Return the document for the groups that it has, in a version above any that an index may have of it."""
        version = self.access_version + ACCESS_VERSIONS_AHEAD
        return msgspec.structs.replace(self, access_version=version, access_due_at=_now())

    def claim(self, lease: timedelta) -> Self:
        """Return the document as claimed by a worker, which must report within `lease`."""
        return self._to(
            DocumentState.PROCESSING, attempts=self.attempts + 1, progress=0.0, error=None, due_at=_now() + lease
        )

    def update_progress(self, progress: float, lease: timedelta) -> Self:
        """Return the document with its progress updated and its lease renewed."""
        return self._to(DocumentState.PROCESSING, progress=progress, due_at=_now() + lease)

    def indexed(
        self,
        passages: int,
        fingerprint: str,
        lease: timedelta,
        *,
        target_fingerprint: str = "",
        warnings: tuple[ParserWarning, ...] = (),
        properties: Metadata | None = None,
    ) -> Self:
        """Return the document with every passage of the newest revision staged: only publishing remains."""
        return self._to(
            DocumentState.PROCESSING,
            live_revision=self.revision,
            passages=passages,
            fingerprint=fingerprint,
            target_fingerprint=target_fingerprint,
            warnings=warnings,
            properties=properties or {},
            progress=1.0,
            due_at=_now() + lease,
        )

    def mark_reembedded(self, fingerprint: str, passages: int) -> Self:
        """Return the document as embedded by the model that its collection is changing to, in that many passages.

        It does not count as updated.
        """
        return msgspec.structs.replace(self, target_fingerprint=fingerprint, passages=passages)

    def ready(self) -> Self:
        """Return the document as published in its newest revision."""
        return self._to(DocumentState.READY, progress=1.0, error=None, due_at=None)

    def failed(self, failure: DocumentFailure) -> Self:
        """Return the document as failed; an older live revision stays searchable."""
        return self._to(DocumentState.FAILED, error=failure, due_at=None)

    def release(self, failure: DocumentFailure, *, retry_in: timedelta, counted: bool) -> Self:
        """Return the document to the queue for a retry; `counted` is False if the document was not at fault."""
        attempts = self.attempts if counted else max(self.attempts - 1, 0)
        return self._to(DocumentState.QUEUED, progress=0.0, attempts=attempts, error=failure, due_at=_now() + retry_in)

    def deleting(self, lease: timedelta) -> Self:
        """Return the document as hidden and being deleted."""
        return self._to(DocumentState.DELETING, error=None, due_at=_now() + lease)

    @property
    def is_indexed(self) -> bool:
        """Whether the newest revision is completely staged, so that a worker only has to publish it."""
        return self.live_revision == self.revision

    def is_embedded_by(self, fingerprints: AnyCollection[str]) -> bool:
        """Whether all of these models have embedded its passages."""
        return set(fingerprints) <= {self.fingerprint, self.target_fingerprint}

    @property
    def display_title(self) -> str:
        """The title given by the caller, else the file's own, else the file's name."""
        return self.title or str(self.properties.get("title") or "") or self.original.filename or ""

    def _to(self, state: DocumentState, **changes: Any) -> Self:
        if state not in TRANSITIONS[self.state]:
            raise Conflict(f"document {self.id!r} is {self.state} and cannot become {state}")
        return msgspec.structs.replace(self, state=state, updated_at=_now(), **changes)


class Reembedding(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a collection to another model, while its passages are embedded again."""

    model: str
    """The name of the new model."""
    fingerprint: str
    started_at: datetime
    documents: int = 0
    """How many documents there were to embed again when it started."""
    done: int = 0
    """How many of them the new model has embedded."""
    holder: str = ""
    """The process that works on it."""
    due_at: datetime
    """When another process may take over: the end of that one's lease."""


class RetiredPassages(msgspec.Struct, frozen=True, kw_only=True):
    """Passages of a model that the collection no longer uses, kept for processes that read its record earlier."""

    fingerprint: str
    until: datetime
    is_complete: bool = True
    """Searches may read them; not those of a change that was cancelled."""
    discarding: bool = False
    """They are being deleted, so they cannot be used again."""


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of documents that are searched together.

    The name is unique among the collections that are not being deleted; a collection that is made again under the same
    name has another id.
    """

    id: str
    name: str
    description: str = ""
    model: str = ""
    """The name of the model that embeds its documents; empty if it is not known."""
    fingerprint: str = ""
    """Of that model; empty for the deployment's default."""
    reembedding: Reembedding | None = None
    """The change to another model that is in progress."""
    retired: tuple[RetiredPassages, ...] = ()
    """Passages of its former models that are still stored."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """How the collection is searched, where it differs from the defaults; `fusion` has the weights."""
    created_at: datetime
    deleting: bool = False
    version: int = 0
    """Counts the writes of this record; 0 until the first one."""

    @property
    def searchable_fingerprints(self) -> tuple[str, ...]:
        """Of the models whose passages searches may read, the newest first; "" is the deployment's default."""
        now = _now()
        former = [each for each in self.retired if each.is_complete and not each.discarding and each.until > now]
        return (self.fingerprint, *(each.fingerprint for each in reversed(former)))

    @property
    def needed_fingerprints(self) -> tuple[str, ...]:
        """Of the models that embed its new documents: its own, and the one that it is changing to."""
        target = (self.reembedding.fingerprint,) if self.reembedding else ()
        return tuple(each for each in (self.fingerprint, *target) if each)

    @property
    def fusion(self) -> Fusion | None:
        """The fusion weights of its hybrid searches; None for those of the model."""
        return msgspec.convert(self.settings["fusion"], Fusion) if "fusion" in self.settings else None

    def start_reembedding(self, model: str, fingerprint: str) -> Self:
        """Return the collection as changing to another model; itself if it has that model or is changing to it.

        Raises Conflict while it is changing to a third one.
        """
        if self.reembedding is not None:
            if self.reembedding.fingerprint == fingerprint:
                return self
            raise Conflict(
                f"collection {self.name!r} is changing to the model {self.reembedding.model!r}; wait for that, or "
                f"cancel it with DELETE /v1/collections/{self.name}/model"
            )
        if self.fingerprint == fingerprint:
            return self
        if any(each.fingerprint == fingerprint and each.discarding for each in self.retired):
            raise Conflict(f"the former passages of the model {model!r} are being deleted; try again in a moment")
        now = _now()
        return msgspec.structs.replace(
            self,
            reembedding=Reembedding(model=model, fingerprint=fingerprint, started_at=now, due_at=now),
            retired=tuple(each for each in self.retired if each.fingerprint != fingerprint),
        )

    def claim_reembedding(self, holder: str, lease: timedelta) -> Self:
        """Return the collection with its change worked on by `holder`, which must report within `lease`."""
        return self._reembedding_with(holder=holder, due_at=_now() + lease)

    def extend_reembedding(self, lease: timedelta) -> Self:
        """Return the collection with the lease on its change renewed."""
        return self._reembedding_with(due_at=_now() + lease)

    def report_reembedding(self, documents: int, done: int, lease: timedelta) -> Self:
        """Return the collection with `done` of `documents` embedded again, and the lease renewed."""
        return self._reembedding_with(documents=documents, done=done, due_at=_now() + lease)

    def cancel_reembedding(self) -> Self:
        """Return the collection with its model as it is. What the other model embedded is to be deleted."""
        change = self.reembedding
        if change is None:
            return self
        # The process that works on it notices within its lease; until then it may still write.
        until = max(_now(), change.due_at)
        target = RetiredPassages(fingerprint=change.fingerprint, until=until, is_complete=False)
        return msgspec.structs.replace(self, reembedding=None, retired=(*self.retired, target))

    def finish_reembedding(self, kept: timedelta) -> Self:
        """Return the collection with the new model; the passages of the former one are kept for that long."""
        change = self.reembedding
        if change is None:
            return self
        former = RetiredPassages(fingerprint=self.fingerprint, until=_now() + kept)
        return msgspec.structs.replace(
            self,
            model=change.model,
            fingerprint=change.fingerprint,
            reembedding=None,
            retired=(*self.retired, former),
        )

    def discard_retired(self, fingerprint: str) -> Self:
        """Return the collection with its retired passages of that model marked as being deleted."""
        retired = (
            msgspec.structs.replace(each, discarding=True) if each.fingerprint == fingerprint else each
            for each in self.retired
        )
        return msgspec.structs.replace(self, retired=tuple(retired))

    def forget_retired(self, fingerprint: str) -> Self:
        """Return the collection without retired passages of that model."""
        return msgspec.structs.replace(
            self, retired=tuple(each for each in self.retired if each.fingerprint != fingerprint)
        )

    def _reembedding_with(self, **changes: Any) -> Self:
        if self.reembedding is None:
            raise Conflict(f"collection {self.name!r} is not changing its model")
        return msgspec.structs.replace(self, reembedding=msgspec.structs.replace(self.reembedding, **changes))

    def with_fusion(self, fusion: Fusion) -> Self:
        """Return the collection with these fusion weights."""
        return msgspec.structs.replace(self, settings=self.settings | {"fusion": msgspec.to_builtins(fusion)})


class PassageUnit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a passage that is quoted as one: a paragraph, an item or clause, a table row, a record."""

    start: int
    """In the passage's text, in characters."""
    end: int
    kind: str
    """`heading`, `paragraph`, `item`, `table_header`, `row`, `record`, `code`, `footnote` or `caption`."""
    label: str = ""
    """How a law cites it: "điểm b khoản 3 Điều 9"."""
    place: Place | None = None
    """Where it is in the file; None where that is the passage's place."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document that fits the encoder: the unit of search."""

    collection: str
    """The id of the document's collection."""
    document_id: str
    document_key: str
    revision: int
    ordinal: int
    """Position among the document's passages, from 0."""
    title: str
    text: str
    headings: tuple[str, ...] = ()
    start: int
    """Where `text` begins in the document's extracted text, in characters."""
    end: int
    context: str = ""
    """The header of the table that the first rows of `text` belong to; embedded, matched and shown with them."""
    place: Place = Place()
    """Where the passage begins in its file: page, slide, sheet and row, or part."""
    units: tuple[PassageUnit, ...] = ()
    """The parts of the text, in order; empty in passages of version 0.1."""
    metadata: Metadata = msgspec.field(default_factory=dict)
    access: Access = ()
    """The groups of the document, as far as the index knows."""
    access_version: int = 0

    def place_at(self, position: int) -> Place:
        """Return where in the file the character at `position` of the text is."""
        unit = next((each for each in self.units if each.start <= position < each.end), None)
        return unit.place if unit and unit.place else self.place

    def context_at(self, position: int) -> str:
        """Return the header of the table whose row is at `position` of the text, "" if there is none."""
        header = self.context
        for unit in self.units:
            if unit.kind == "table_header":
                header = self.text[unit.start : unit.end]
            if unit.start <= position < unit.end:
                return header if unit.kind == "row" else ""
        return ""

    @property
    def id(self) -> str:
        """UUIDv5 of document key, revision and ordinal: repeated work writes the same points."""
        return passage_id(self.document_key, self.revision, self.ordinal)


def passage_id(document_key: str, revision: int, ordinal: int) -> str:
    """Return the id of a passage."""
    return str(uuid.uuid5(uuid.UUID(document_key), f"{revision}:{ordinal}"))


def new_document(
    collection: Collection,
    document_id: str,
    original: Original,
    *,
    title: str = "",
    metadata: Metadata | None = None,
    access: Access = (),
    bulk: bool = False,
    request: str | None = None,
    key: str | None = None,
) -> Document:
    """Return a new document of `collection`, queued, under a new key unless one is given."""
    now = _now()
    return Document(
        collection=collection.name,
        collection_id=collection.id,
        needed_fingerprints=collection.needed_fingerprints,
        id=document_id,
        key=key or uuid.uuid4().hex,
        title=title,
        metadata=metadata or {},
        access=access,
        original=original,
        bulk=bulk,
        requests=append_request((), request),
        created_at=now,
        updated_at=now,
        due_at=now,
    )


def new_collection(name: str, *, description: str = "", model: str = "", fingerprint: str = "") -> Collection:
    """Return a collection created now, under a new id, of the model with this name and fingerprint.

    Raises InvalidInput if the name is not usable.
    """
    return Collection(
        id=uuid.uuid4().hex,
        name=validate_collection_name(name),
        description=description,
        model=model,
        fingerprint=fingerprint,
        created_at=_now(),
    )


def validate_collection_name(name: str) -> str:
    """Return `name` if it is 1 to 64 ASCII letters, digits, `-`, `_` or `.`, starting with a letter or digit."""
    usable = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not usable or not name[0].isalnum() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f"a collection name is 1 to {MAX_NAME_CHARACTERS} letters, digits, '-', '_' or '.' (ASCII) "
            "and starts with a letter or digit",
            field="name",
        )
    return name


def validate_document_id(document_id: str, *, field: str = "id") -> str:
    """Return `document_id` if it is 1 to 256 printable characters without blanks at either end."""
    if not (0 < len(document_id) <= MAX_ID_CHARACTERS and document_id.isprintable()):
        raise InvalidInput(f"a document id is 1 to {MAX_ID_CHARACTERS} printable characters", field=field)
    if document_id != document_id.strip():
        raise InvalidInput("a document id neither begins nor ends with a blank", field=field)
    return document_id


def validate_title(title: str, *, field: str = "title") -> str:
    """Return `title` if it is at most 1,000 characters: every passage carries it. Raises InvalidInput."""
    if len(title) > MAX_TITLE_CHARACTERS:
        raise InvalidInput(f"a title is at most {MAX_TITLE_CHARACTERS} characters", field=field)
    return title


def append_request(requests: tuple[str, ...], request: str | None) -> tuple[str, ...]:
    """Return `requests` with `request` appended and the oldest dropped."""
    return requests if request is None else (*requests, request)[-REMEMBERED_REQUESTS:]


def _now() -> datetime:
    return datetime.now(UTC)
