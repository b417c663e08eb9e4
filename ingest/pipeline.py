"""Index one document: fetch, parse, chunk, embed, stage, publish. Every step may be done twice; no step is lost.

A worker owns a document by its lease, which each heartbeat extends. Another writer of the record (a newer
revision, a deletion, another worker after the lease ran out) has the last word: this worker takes its passages back.
Concurrent documents share their writes.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Final

import structlog

from ingest.claim import Claim, ClaimLost
from ingest.metrics import IngestMetrics
from ingest.orphans import is_orphaned
from ingest.parsing.parse import ParsingFailed
from ingest.staging import IndexingModel, IndexingModels, StagedDocument, stage_document
from phoserve.concurrency.batcher import Batcher
from phoserve.documents.ports import DocumentRegistry, IndexingTask, SourceStore
from phoserve.documents.records import Document, DocumentFailure, DocumentState
from phoserve.documents.removal import purge_collection, remove_marked
from phoserve.errors import (
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    PhoserveError,
    Unavailable,
)

RECORDS_PER_SAVE: Final = 64
_DEPENDENCY_FAULTS: Final = (Unavailable, Overloaded, DeadlineExceeded)
_STOPPED: Final = DocumentFailure(code="stopped", message="the worker was stopped; another takes over", retryable=True)

_MODEL_CHANGED: Final = "the model of the collection was changed meanwhile; the new one embeds the document"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How work is cut and how often it is tried."""

    lease: timedelta = timedelta(seconds=20)
    """Without a sign of life for this long, a worker is taken for dead."""
    time_limit_s: float = 600.0
    """Of one try."""
    max_attempts: int = 3
    """Tries of a document that fails for no known reason; a dependency's fault does not count."""
    max_deaths: int = 5
    """Tries of a document whose workers die of it, or with it."""
    retry_in: timedelta = timedelta(seconds=2)
    tries_in_a_row: int = 5
    """While a dependency is away, a worker keeps to its document: others would only fail as well."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Everything that turning a stored original into searchable passages needs."""

    registry: DocumentRegistry
    models: IndexingModels
    sources: SourceStore
    options: PipelineOptions = field(default_factory=PipelineOptions)

    @cached_property
    def save(self) -> Batcher[Document, Document | None]:
        """The registry's, for several documents in one call."""
        return Batcher(self.registry.save, max_items=RECORDS_PER_SAVE)

    @cached_property
    def _find(self) -> Batcher[str, Document | None]:
        """The registry's records by key, for several tasks in one call."""

        async def find(keys: Sequence[str]) -> Sequence[Document | None]:
            found = await self.registry.find_keys(keys)
            return [found.get(key) for key in keys]

        return Batcher(find, max_items=RECORDS_PER_SAVE)

    async def process(self, task: IndexingTask) -> None:
        """Do what the task's document needs now; a task that is out of date does nothing.

        Faults of the document end in its record. Raises Unavailable only if the registry itself does not answer.
        """
        if not task.document_key:
            await self._purge(task.collection_id)
            return
        for _ in range(self.options.tries_in_a_row):
            pause = await self._once(task)
            if pause is None:
                return
            await asyncio.sleep(pause.total_seconds())

    async def _purge(self, collection_id: str) -> None:
        """Delete the collection if it is marked as being deleted."""
        if any(each.id == collection_id and each.deleting for each in await self.registry.collections()):
            await purge_collection(collection_id, self.registry, self.models.indexes, self.sources)

    async def _once(self, task: IndexingTask) -> timedelta | None:
        """One try; after how long another one is worth it, if it is."""
        [document] = await self._find([task.document_key])
        if document is None:
            return None
        if document.state is DocumentState.DELETING:
            await remove_marked([document], self.registry, self.models.indexes, self.sources)
        elif document.revision == task.revision and _is_free(document):
            if not self.models.of(document):
                log.warning("task_of_another_model", document_key=document.key, needed=document.needed_fingerprints)
                return None
            if document.state is DocumentState.PROCESSING and document.attempts >= self.options.max_deaths:
                await self.save([document.failed(_given_up(document.attempts))])
                return None
            claimed = await self._claimed(document)
            if claimed is not None:
                self._waited(document)
                return await self._work(claimed)
            return timedelta()  # changed meanwhile: its groups, or another worker was first
        return None

    async def _claimed(self, document: Document) -> Document | None:
        """Claim the document. A claim that is written while this is cancelled is released."""
        claiming = asyncio.ensure_future(self.save([document.claim(self.options.lease)]))
        try:
            [claimed] = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(PhoserveError):  # else the lease runs out
                [claimed] = await claiming
                if claimed is not None:
                    await self.save([claimed.release(_STOPPED, retry_in=timedelta(), counted=False)])
            raise
        return claimed

    async def _work(self, document: Document) -> timedelta | None:
        claim = Claim(document, self.save, self.registry.find_keys, self.options.lease)
        bound = structlog.contextvars.bound_contextvars(collection=document.collection, document_id=document.id)
        with bound, suppress(ClaimLost), claim.keep_alive():
            try:
                async with asyncio.timeout(self.options.time_limit_s):
                    await self._index(claim)
            except ClaimLost:
                return await self._give_up(claim)
            except asyncio.CancelledError:
                with suppress(PhoserveError, ClaimLost):  # else the lease runs out
                    await claim.write(lambda current: current.release(_STOPPED, retry_in=timedelta(), counted=False))
                raise
            except Exception as error:
                await claim.write(partial(self._after, error=error))
                return self._noted(claim.document, error)
        return None

    async def _index(self, claim: Claim) -> None:
        document = claim.document
        models = self.models.of(document)
        # While the collection changes its model, what was staged for the new one may have been deleted meanwhile.
        if not document.is_indexed or len(models) > 1 or not document.is_embedded_by([models[0].fingerprint]):
            staged = await stage_document(document, self.sources, models, claim.progress)
            await claim.write(partial(_indexed, staged=staged, models=models, lease=self.options.lease))
        with self.metrics.stage("publish"):
            await _share(claim.document, models)
            for model in models:
                await model.publish([(document.key, document.revision)])
        await claim.write(lambda current: current.ready())
        self.metrics.ended("ready", passages=claim.document.passages)
        log.info("document_ready", revision=document.revision, passages=claim.document.passages)

    @property
    def metrics(self) -> IngestMetrics:
        """The counters of this process."""
        return self.models.default.tools.metrics

    def _waited(self, document: Document) -> None:
        """Record the queueing time of a document before its first attempt."""
        if document.attempts == 0 and document.due_at is not None:
            waited = datetime.now(UTC) - document.due_at
            self.metrics.waited(waited.total_seconds(), bulk=document.bulk)

    def _noted(self, document: Document, error: Exception) -> timedelta | None:
        """Count how the try ended; the pause after which another is worth it, if a dependency was at fault."""
        outcome = "failed" if document.state is DocumentState.FAILED else "postponed"
        reason = document.error.code if document.error else ""
        self.metrics.ended(outcome, reason=reason)
        log.warning("document_not_indexed", outcome=outcome, reason=reason, error=str(error))
        if not isinstance(error, _DEPENDENCY_FAULTS) or document.due_at is None:
            return None
        return max(document.due_at - datetime.now(UTC), timedelta())

    async def _give_up(self, claim: Claim) -> timedelta | None:
        """Remove staged passages, unless another worker processes the same revision and owns them.

        If the record is unchanged, the collection's model has changed: the document is released, for another try.
        """
        document = claim.document
        with suppress(PhoserveError):  # if a store is away, `reconcile` does it
            known = (await self.registry.find_keys([document.key])).get(document.key)
            for model in self.models.of(document):
                await model.stage([])  # wait for calls in flight, which write even after their caller was cancelled
                if is_orphaned(known, document.revision, model.fingerprint):
                    await model.index.discard(document.key, up_to=document.revision, staged_only=True)
            if known is not None and known.version == document.version:
                changed = DocumentFailure(code="model_changed", message=_MODEL_CHANGED, retryable=True)
                await self.save([known.release(changed, retry_in=timedelta(), counted=False)])
                return timedelta()
        return None

    def _after(self, document: Document, error: Exception) -> Document:
        """The record after an error: failed for good, or queued for another try."""
        if isinstance(error, _DEPENDENCY_FAULTS):
            failure = DocumentFailure(code="dependency", message=str(error), retryable=True)
            pause = timedelta(seconds=getattr(error, "retry_after_s", self.options.retry_in.total_seconds()))
            return document.release(failure, retry_in=pause, counted=False)
        if isinstance(error, TimeoutError):
            message = f"indexing took longer than {self.options.time_limit_s:g} s; split the document"
            return self._tried(document, DocumentFailure(code="timeout", message=message))
        if isinstance(error, ParsingFailed):
            return document.failed(DocumentFailure(code=error.code, message=str(error)))
        if isinstance(error, InvalidInput | NotFound):
            return document.failed(DocumentFailure(code="invalid", message=str(error)))
        log.error("indexing_failed", exc_info=error)
        failure = DocumentFailure(code="internal", message=f"indexing failed: {type(error).__name__}", retryable=True)
        return self._tried(document, failure)

    def _tried(self, document: Document, failure: DocumentFailure) -> Document:
        if document.attempts >= self.options.max_attempts:
            return document.failed(failure)
        return document.release(failure, retry_in=self.options.retry_in * 2**document.attempts, counted=True)


async def _share(document: Document, models: Sequence[IndexingModel]) -> None:
    """Give the staged passages the groups of the record, which may have changed since they were staged.

    A later change finds all of them in the index.
    """
    if document.access_version:
        for model in models:
            await model.index.set_access(document.key, document.access, document.access_version)


def _indexed(document: Document, staged: StagedDocument, models: Sequence[IndexingModel], lease: timedelta) -> Document:
    own, *target = (each.fingerprint for each in models)
    return document.indexed(
        staged.passages,
        own,
        lease,
        target_fingerprint=target[0] if target else "",
        warnings=staged.warnings,
        properties=staged.properties,
    )


def _is_free(document: Document) -> bool:
    """Return whether no worker holds the document, or its lease has expired."""
    if document.state is DocumentState.PROCESSING:
        return document.due_at is None or document.due_at <= datetime.now(UTC)
    return document.state is DocumentState.QUEUED


def _given_up(attempts: int) -> DocumentFailure:
    return DocumentFailure(code="abandoned", message=f"{attempts} workers died while they worked on it", retryable=True)
