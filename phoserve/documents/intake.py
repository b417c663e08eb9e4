"""Accept documents: store the original, write the record, notify a worker, in this order.

Once `submit` has returned, original and record are on disk and the document survives any crash.
"""

import asyncio
import hashlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import structlog

from phoserve.concurrency.turns import Turns
from phoserve.documents.access import READERS, Access, Audience, validate_access
from phoserve.documents.access_changes import check_access_backlog, check_access_room, try_apply_access
from phoserve.documents.collections import Collection
from phoserve.documents.metadata import validate_metadata
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, IndexingTask, SourceStore, TaskQueue
from phoserve.documents.records import (
    Document,
    DocumentState,
    Metadata,
    Original,
    new_document,
    validate_document_id,
    validate_title,
)
from phoserve.documents.removal import remove_marked
from phoserve.errors import (
    CollectionNotFound,
    Conflict,
    DocumentNotFound,
    Forbidden,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from phoserve.text.normalise import compose, compose_value

UPLOADS_AT_ONCE: Final = 64
"""Of one request, for content in memory. The store flushes those that arrive together with one call."""
STREAMS_AT_ONCE: Final = 8
COUNT_TTL_S: Final = 1.0
ROUNDS: Final = 10
_DRAFT_IDS: Final = uuid.UUID("6f1bb7d4-5f0e-5c0c-9d0e-3a8c1f5a7e21")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How much is accepted."""

    max_document_bytes: int = 100 * 1024 * 1024
    max_unfinished: int = 1_000_000
    """Documents queued or being processed, over all collections."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as submitted."""

    content: bytes | AsyncIterable[bytes]
    id: str | None = None
    title: str = ""
    metadata: Metadata = field(default_factory=dict)
    access: Access | None = None
    """The groups that may see the document. None leaves those of an existing document, and a new one has none."""
    media_type: str = "text/plain"
    filename: str | None = None


class Intake:
    """Accepts documents and queues them for indexing."""

    def __init__(
        self,
        registry: DocumentRegistry,
        indexes: PassageStores[Any],
        sources: SourceStore,
        queue: TaskQueue,
        *,
        limits: IntakeLimits | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._registry = registry
        self._indexes = indexes
        self._sources = sources
        self._queue = queue
        self._limits = limits or IntakeLimits()
        self._turns = turns or Turns()
        self._waiting = 0
        self._count_again_at = 0.0

    async def submit(
        self,
        collection: str,
        drafts: Sequence[Draft],
        *,
        audience: Audience = READERS,
        bulk: bool = False,
        request: str | None = None,
    ) -> list[Document]:
        """Store `drafts` in the collection of that name and return their records, in the drafts' order.

        A draft with the id of an existing document becomes its next revision; one with the same content, title,
        metadata and groups changes nothing. `request` is an idempotency key: a repeated key changes nothing, and gives
        drafts without an id the same ids again. Changed groups are in force at once, also for the live revision.

        Raises CollectionNotFound, InvalidInput (fields `documents[i].id`, `.title`, `.metadata`, `.access`, and
        `Idempotency-Key` if the key was sent with another draft in the place of this one), TooLarge,
        Forbidden for groups that `audience` may not add, Conflict for the id of a document that it may not see,
        Overloaded, Unavailable.
        """
        target = await self._registry.collection(collection)
        await self._check_capacity(len(drafts))
        drafts = await self._turns.map(_composed, drafts)
        drafts = await self._turns.map(_validated, enumerate(drafts))
        if any(draft.access is not None for draft in drafts):
            await check_access_backlog(self._registry)
            await check_access_room(self._registry, target.id, {draft.access for draft in drafts if draft.access})
        named = dict(zip(_ids(collection, drafts, request), drafts, strict=True))
        known = await self._registry.find(target.id, list(named))
        for id_, draft in named.items():
            _check_allowed(id_, draft, known.get(id_), audience)
        pending = {
            id_: draft for id_, draft in named.items() if not _is_repetition(target, known.get(id_), draft, request)
        }
        uploads = await self._store(target, pending)
        waiting = dict(uploads)
        try:
            taken = await self._register(target, waiting, known, audience=audience, bulk=bulk, request=request)
        except (Conflict, Forbidden):  # no record names what still waits
            await self._delete_originals([upload.original.key for upload in waiting.values()])
            raise
        except CollectionNotFound:  # deleted meanwhile, so no record can name these
            await self._delete_originals([upload.original.key for upload in uploads.values()])
            raise
        await try_apply_access(list(taken.values()), self._registry, self._indexes)
        await self._wake(taken.values())
        return [taken.get(id_) or known[id_] for id_ in named]

    async def reindex(self, collection: str, document_id: str, *, audience: Audience = READERS) -> Document:
        """Index the document's stored original again.

        Raises CollectionNotFound, DocumentNotFound, Conflict while the document is being deleted.
        """
        target = await self._registry.collection(collection)
        for _ in range(ROUNDS):
            document = await self._registry.get(target, document_id)
            if not audience.sees(document.access):
                raise DocumentNotFound(collection, document_id)
            [saved] = await self._registry.save([document.reindex(bulk=False)])
            if saved:
                await self._wake([saved])
                return saved
        raise Conflict(f"document {document_id!r} keeps changing; try again")

    async def reindex_all(
        self, collection: str, *, audience: Audience = READERS, states: Sequence[DocumentState] = ()
    ) -> int:
        """Queue all visible documents of the collection at rest, or those in `states`, and return how many."""
        target = await self._registry.collection(collection)
        wanted = states or (DocumentState.READY, DocumentState.FAILED)
        cursor, total = None, 0
        while True:
            page = await self._registry.page(target.id, states=wanted, audience=audience, cursor=cursor, limit=500)
            movable = [each for each in page.documents if each.state is not DocumentState.DELETING]
            saved = await self._registry.save([document.reindex() for document in movable])
            queued = [document for document in saved if document]
            await self._wake(queued)
            total += len(queued)
            cursor = page.cursor
            if cursor is None:
                return total

    async def _check_capacity(self, wanted: int) -> None:
        """Raise Overloaded if too many documents wait. Far below the limit, a count may be `COUNT_TTL_S` old."""
        is_far_below = self._waiting + wanted <= self._limits.max_unfinished // 2
        if not is_far_below or time.monotonic() >= self._count_again_at:
            counts = await self._registry.counts()
            self._waiting = counts.get(DocumentState.QUEUED, 0) + counts.get(DocumentState.PROCESSING, 0)
            self._count_again_at = time.monotonic() + COUNT_TTL_S
        if self._waiting + wanted > self._limits.max_unfinished:
            raise Overloaded(f"{self._waiting} documents are waiting to be indexed already", retry_after_s=30.0)
        self._waiting += wanted

    async def _store(self, collection: Collection, drafts: dict[str, Draft]) -> "dict[str, _Upload]":
        gates = {True: asyncio.Semaphore(UPLOADS_AT_ONCE), False: asyncio.Semaphore(STREAMS_AT_ONCE)}

        async def store(draft: Draft) -> _Upload:
            # A key of its own for each upload: deleting one document or revision never touches another's original.
            key = f"{collection.id}/{uuid.uuid4().hex}"
            async with gates[isinstance(draft.content, bytes)]:
                stored = await self._sources.put(key, draft.content, max_bytes=self._limits.max_document_bytes)
            original = Original(
                key=stored.key,
                sha256=stored.sha256,
                size_bytes=stored.size_bytes,
                media_type=draft.media_type,
                filename=draft.filename,
            )
            return _Upload(draft, original)

        uploads = await asyncio.gather(*(store(draft) for draft in drafts.values()))
        return dict(zip(drafts, uploads, strict=True))

    async def _register(
        self,
        collection: Collection,
        pending: "dict[str, _Upload]",
        known: Mapping[str, Document],
        *,
        audience: Audience,
        bulk: bool,
        request: str | None,
    ) -> dict[str, Document]:
        """Write the records of `pending`, which leave it, retrying while other writers change the same documents.

        `known` has records as they were before the upload: those that changed since are not overwritten.
        """
        taken: dict[str, Document] = {}
        for round_ in range(ROUNDS):
            if not pending:
                return taken
            if round_:
                known = await self._registry.find(collection.id, list(pending))
            current = await self._without_deleting({id_: known[id_] for id_ in pending if id_ in known})
            for document_id in pending:
                _check_allowed(document_id, pending[document_id].draft, current.get(document_id), audience)
            same = {id_: each for id_, each in current.items() if _is_stored(collection, each, pending[id_])}
            versions = [
                upload.next_version(collection, id_, current.get(id_), bulk=bulk, request=request)
                for id_, upload in pending.items()
                if id_ not in same
            ]
            saved = {each.id: each for each in await self._registry.save(versions) if each}
            replaced = [current[id_].original.key for id_ in saved if id_ in current]
            doubled = [pending[id_].original.key for id_ in same]
            unneeded = {*replaced, *doubled} - {each.original.key for each in same.values()}
            taken |= same | saved
            for id_ in {*same, *saved}:
                del pending[id_]
            await self._delete_originals(sorted(unneeded))
        if pending:
            raise Conflict(f"document {next(iter(pending))!r} keeps changing; try again")
        return taken

    async def _without_deleting(self, documents: Mapping[str, Document]) -> dict[str, Document]:
        """Return `documents` without those being deleted: their deletion is completed here, so their ids are free."""
        leaving = [document for document in documents.values() if document.state is DocumentState.DELETING]
        await remove_marked(leaving, self._registry, self._indexes, self._sources)
        return {id_: document for id_, document in documents.items() if document not in leaving}

    async def _delete_originals(self, keys: Sequence[str]) -> None:
        """Delete originals that no record names; if the store does not respond, the next sweep deletes them."""
        with suppress(Unavailable):
            await self._sources.delete(keys)

    async def _wake(self, documents: Iterable[Document]) -> None:
        tasks = [IndexingTask.of(each) for each in documents]
        if not tasks:
            return
        try:
            await self._queue.enqueue(tasks)
        except Unavailable as error:
            # The records are stored and `reconcile` queues them: not an error for the caller.
            log.warning("queue_unavailable", error=str(error), documents=len(tasks))


@dataclass(frozen=True, slots=True)
class _Upload:
    """An original that is stored but not yet named by a record."""

    draft: Draft
    original: Original

    def next_version(
        self, collection: Collection, document_id: str, before: Document | None, *, bulk: bool, request: str | None
    ) -> Document:
        draft = self.draft
        if request is not None:
            sha256 = self.original.sha256 if isinstance(draft.content, bytes) else ""
            request = _entry(request, draft, sha256)
        if before is None:
            return new_document(
                collection,
                document_id,
                self.original,
                title=draft.title,
                metadata=draft.metadata,
                access=draft.access or (),
                bulk=bulk,
                request=request,
            )
        return before.revise(
            self.original, title=draft.title, metadata=draft.metadata, access=draft.access, bulk=bulk, request=request
        )


def _is_repetition(collection: Collection, known: Document | None, draft: Draft, request: str | None) -> bool:
    if known is None or known.state is DocumentState.DELETING:
        return False
    sha256 = hashlib.sha256(draft.content).hexdigest() if isinstance(draft.content, bytes) else ""
    if request is not None and _is_repeated(request, _entry(request, draft, sha256), known.requests):
        return True
    return bool(sha256) and _is_same(collection, known, sha256, draft)


def _is_repeated(request: str, entry: str, requests: Sequence[str]) -> bool:
    """Return whether the draft of `entry` was sent with the key `request`. Raises InvalidInput if another one was."""
    if entry in requests:
        return True
    if any(each.startswith(f"{request}\n") for each in requests):
        raise InvalidInput(
            "was sent with another document, title, metadata or groups before; send a new key with what is new",
            field="Idempotency-Key",
        )
    return False


def _entry(request: str, draft: Draft, sha256: str) -> str:
    """Return the idempotency key with a digest of what was sent; `sha256` is that of content, "" if it is streamed."""
    sent = [sha256, draft.title, draft.metadata, draft.filename, draft.media_type, draft.access]
    return f"{request}\n{hashlib.sha256(msgspec.json.encode(sent, order='sorted')).hexdigest()[:16]}"


def _is_same(collection: Collection, known: Document, sha256: str, draft: Draft) -> bool:
    """Return whether indexing `draft` would change nothing: same content and metadata, same model."""
    if known.state is DocumentState.FAILED or known.original.sha256 != sha256:
        return False
    model = (collection.fingerprint,) if collection.fingerprint else ()
    current = known.state is not DocumentState.READY or known.is_embedded_by(model)
    # Version 0.1 took a file's name for its title.
    titles = {draft.title, draft.filename} if not draft.title else {draft.title}
    same_access = draft.access is None or known.access == draft.access
    return current and same_access and known.title in titles and known.metadata == draft.metadata


def _is_stored(collection: Collection, known: Document, upload: _Upload) -> bool:
    """Return whether the record has this upload or an equal one; the answer to an earlier write may have been lost."""
    return known.original.key == upload.original.key or _is_same(
        collection, known, upload.original.sha256, upload.draft
    )


def _composed(draft: Draft) -> Draft:
    """Return the draft with its names in normal form C, so that equal ones are the same however they were typed."""
    return replace(
        draft,
        id=draft.id if draft.id is None else compose(draft.id),
        title=compose(draft.title),
        metadata=compose_value(draft.metadata),
        filename=draft.filename if draft.filename is None else compose(draft.filename),
    )


def _validated(numbered: tuple[int, Draft]) -> Draft:
    """Return the draft at a position, with its groups sorted. Raises InvalidInput."""
    position, draft = numbered
    validate_title(draft.title, field=f"documents[{position}].title")
    validate_metadata(draft.metadata, field=f"documents[{position}].metadata")
    if draft.access is None:
        return draft
    return replace(draft, access=validate_access(draft.access, field=f"documents[{position}].access"))


def _check_allowed(document_id: str, draft: Draft, known: Document | None, audience: Audience) -> None:
    """Raise Conflict for a document that `audience` may not see, Forbidden for groups that it may not add."""
    if known is not None and known.state is DocumentState.DELETING:
        known = None
    if known is not None and not audience.sees(known.access):
        raise Conflict(f"the document id {document_id!r} is taken; choose another one")
    audience.check_assignable(draft.access or (), known.access if known else ())


def _ids(collection: str, drafts: Sequence[Draft], request: str | None) -> list[str]:
    ids = []
    for position, draft in enumerate(drafts):
        if draft.id is not None:
            ids.append(validate_document_id(draft.id, field=f"documents[{position}].id"))
        elif request is not None:
            ids.append(uuid.uuid5(_DRAFT_IDS, f"{collection}\n{request}\n{position}").hex)
        else:
            ids.append(uuid.uuid4().hex)
    for document_id, count in Counter(ids).items():
        if count > 1:
            position = ids.index(document_id)
            raise InvalidInput(f"document id {document_id!r} is given {count} times", field=f"documents[{position}].id")
    return ids
