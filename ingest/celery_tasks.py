"""What a Celery worker does with a task, and how it shows that it is alive."""

from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any, Final

import structlog
from celery import Celery, bootsteps
from celery.apps.worker import Worker
from opentelemetry import propagate, trace

from ingest.document_slots import SMALL_PER_LONG
from ingest.pipeline_loop import PipelineLoop
from phoserve.adapters.celery_queue import INDEX_TASK, QUEUES
from phoserve.documents.ports import IndexingTask
from phoserve.errors import Unavailable

RETRIES: Final = 5
FIRST_RETRY_S: Final = 2
HEARTBEAT_S: Final = 5.0

log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("phoserve.ingest")


def register(app: Celery, pipelines: PipelineLoop) -> None:
    """Make the indexing task known to `app`: a registry's outage is tried again with growing pauses."""

    @app.task(name=INDEX_TASK, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def index(self: Any, collection_id: str, document_key: str, revision: int, bulk: bool, light: bool = False) -> None:
        context = propagate.extract(self.request.headers or {})
        try:
            with _tracer.start_as_current_span("index document", context=context, kind=trace.SpanKind.CONSUMER):
                pipelines.process(IndexingTask(collection_id, document_key, revision, bulk, light))
        except Unavailable as error:
            raise self.retry(exc=error, countdown=FIRST_RETRY_S * 2**self.request.retries) from error
        except FutureTimeout:
            # The lease runs out with it; `reconcile` hands the document out again, until its attempts are used up.
            log.warning("task_timed_out", collection_id=collection_id, document_key=document_key)


def make_worker(app: Celery, *, queues: tuple[str, ...] = QUEUES, long_documents: int) -> Worker:
    """A worker of the queues, to be started with `start()`; it ends on SIGTERM after the tasks in progress."""
    return Worker(
        app=app,
        pool="threads",
        concurrency=SMALL_PER_LONG * long_documents,
        queues=list(queues),
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
        quiet=True,
    )


def beat(app: Celery, pipelines: PipelineLoop, file: Path) -> None:
    """Touch `file` every few seconds while the worker is connected to its broker and its event loop turns."""

    class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
        """Part of the consumer: it runs while there is a connection."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Any) -> None:
            touch = file.touch
            pipelines.soon(touch)
            self._timer = parent.timer.call_repeatedly(HEARTBEAT_S, pipelines.soon, (touch,))

        def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            self._timer.cancel()

    app.steps["consumer"].add(Heartbeat)
