"""Index one document: fetch, parse, chunk, embed, stage, publish. Every step may be done twice; no step is lost.

A worker owns a document by its lease, which each sign of life extends. Whoever changed the record meanwhile (a newer
revision, a deletion, another worker after the lease ran out) has the last word: this worker takes its passages back.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ingest.parsing import ParsingFailed
from ingest.record import Record, Superseded
from ingest.staging import StagingOptions, StagingTools, stage_document
from phoserve.documents import Document, DocumentFailure, DocumentState
from phoserve.errors import (
    DeadlineExceeded,
    DocumentNotFound,
    InvalidInput,
    NotFound,
    Overloaded,
    PhoserveError,
    Unavailable,
)
from phoserve.ports import DocumentRegistry, PassageIndex, SourceStore, Task
from phoserve.removal import purge_collection, remove_marked

_DEPENDENCY_FAULTS: Final = (Unavailable, Overloaded, DeadlineExceeded)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How work is cut and how often it is tried."""

    lease: timedelta = timedelta(seconds=60)
    staging: StagingOptions = field(default_factory=StagingOptions)
    max_attempts: int = 3
    """Tries of a document that fails for no known reason; a dependency's fault does not count."""
    retry_in: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Everything that turning a stored original into searchable passages needs."""

    registry: DocumentRegistry
    index: PassageIndex
    sources: SourceStore
    tools: StagingTools
    options: PipelineOptions = field(default_factory=PipelineOptions)

    async def process(self, task: Task) -> None:
        """Do what the task's document needs now; a task that is out of date does nothing.

        Faults of the document end in its record. Raises Unavailable only if the registry itself does not answer.
        """
        if not task.document_id:
            await purge_collection(task.collection, self.registry, self.index, self.sources)
            return
        try:
            document = await self.registry.get(task.collection, task.document_id)
        except DocumentNotFound:
            return
        if document.state is DocumentState.DELETING:
            await remove_marked([document], self.registry, self.index, self.sources)
        elif document.revision == task.revision and _is_free(document):
            [claimed] = await self.registry.save([document.claimed(self.options.lease)])
            if claimed is not None:
                await self._work(claimed)

    async def _work(self, document: Document) -> None:
        record = Record(document, self.registry, self.options.lease)
        bound = structlog.contextvars.bound_contextvars(collection=document.collection, document_id=document.id)
        with bound, suppress(Superseded):
            beat = asyncio.create_task(record.keep_alive())
            try:
                await self._index(record)
            except Superseded:
                await self._take_back(document)
            except asyncio.CancelledError:
                raise  # the lease runs out, or the next start hands the document out again
            except Exception as error:
                await record.write(partial(self._after, error=error))
            finally:
                beat.cancel()

    async def _index(self, record: Record) -> None:
        document = record.document
        if not document.is_indexed:
            passages = await stage_document(
                document, self.sources, self.index, self.tools, self.options.staging, record.progress
            )
            fingerprint = self.index.fingerprint
            await record.write(lambda current: current.indexed(passages, fingerprint, self.options.lease))
        await self.index.publish(document.key, document.revision)
        await record.write(lambda current: current.ready())
        log.info("document_ready", revision=document.revision, passages=record.document.passages)

    async def _take_back(self, document: Document) -> None:
        """Remove what was staged for a revision that nobody wants any more."""
        with suppress(PhoserveError):  # if the index is away, `reconcile` does it
            await self.index.discard(document.key, up_to=document.revision, staged_only=True)

    def _after(self, document: Document, error: Exception) -> Document:
        """The record after an error: failed for good, or queued for another try."""
        if isinstance(error, _DEPENDENCY_FAULTS):
            failure = DocumentFailure(code="dependency", message=str(error), retryable=True)
            pause = timedelta(seconds=getattr(error, "retry_after_s", self.options.retry_in.total_seconds()))
            return document.released(failure, retry_in=pause, counted=False)
        if isinstance(error, ParsingFailed):
            return document.failed(DocumentFailure(code=error.code, message=str(error), retryable=error.retryable))
        if isinstance(error, InvalidInput | NotFound):
            return document.failed(DocumentFailure(code="invalid", message=str(error)))
        log.error("indexing_failed", exc_info=error)
        failure = DocumentFailure(code="internal", message=f"indexing failed: {type(error).__name__}", retryable=True)
        if document.attempts >= self.options.max_attempts:
            return document.failed(failure)
        return document.released(failure, retry_in=self.options.retry_in * 2**document.attempts, counted=True)


def _is_free(document: Document) -> bool:
    """Whether nobody works on the document, or whoever did has not been heard of since the lease ran out."""
    if document.state is DocumentState.PROCESSING:
        return document.due_at is None or document.due_at <= datetime.now(UTC)
    return document.state is DocumentState.QUEUED
