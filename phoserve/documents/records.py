"""Documents and passages: their records and the states a document can be in.

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

from phoserve.documents.access import Access
from phoserve.documents.collections import Collection
from phoserve.errors import Conflict, InvalidInput
from phoserve.text.blocks import ParserWarning, Place

MAX_ID_CHARACTERS: Final = 256
MAX_TITLE_CHARACTERS: Final = 1000
REMEMBERED_REQUESTS: Final = 8
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
    """The idempotency keys of the last few requests that changed the document, with digests of what was sent."""
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

    def mark_reembedded(self, own: str, fingerprint: str, passages: int) -> Self:
        """Return the document as embedded by the model that its collection is changing to, in that many passages.

        `own` is the fingerprint of the collection's model, which an earlier change may have made the document's too.
        It does not count as updated.
        """
        return msgspec.structs.replace(
            self, fingerprint=own or self.fingerprint, target_fingerprint=fingerprint, passages=passages
        )

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


def validate_document_id(document_id: str, *, field: str = "id") -> str:
    """Return `document_id` if it is 1 to 256 printable characters without blanks at either end, and not "." or ".."."""
    if not (0 < len(document_id) <= MAX_ID_CHARACTERS and document_id.isprintable()):
        raise InvalidInput(f"a document id is 1 to {MAX_ID_CHARACTERS} printable characters", field=field)
    if document_id != document_id.strip():
        raise InvalidInput("a document id neither begins nor ends with a blank", field=field)
    if document_id in {".", ".."}:
        raise InvalidInput('"." and ".." are no document ids: a URL cannot name them', field=field)
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
