"""A Celery worker: one process with one event loop, on which several documents are indexed side by side.

Threads hold Celery's tasks while the loop works on them. Processes are not forked for them: the connections to Triton
and Qdrant belong to one loop, and what a hostile file can do is confined to the child process that parses it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import structlog
from celery import Celery
from celery.apps.worker import Worker

from ingest.pipeline import Pipeline
from phoserve.adapters.celery_queue import BULK_QUEUE, INDEX_TASK, INTERACTIVE_QUEUE
from phoserve.errors import Unavailable
from phoserve.ports import Task

DOCUMENTS_AT_ONCE: Final = 4
TIME_LIMIT_S: Final = 600.0
"""Of one task; below the broker's visibility timeout, so that a task is never handed out while it runs."""
RETRIES: Final = 5
FIRST_RETRY_S: Final = 2

log = structlog.get_logger(__name__)

PipelineFactory = Callable[[], AbstractAsyncContextManager[Pipeline]]


class PipelineLoop:
    """A pipeline on an event loop of its own thread, to be used from any thread."""

    def __init__(self, factory: PipelineFactory) -> None:
        self._factory = factory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pipeline", daemon=True)

    def __enter__(self) -> "PipelineLoop":
        self._thread.start()
        self._context = self._factory()
        self._pipeline = self._wait(self._context.__aenter__(), None)
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._context.__aexit__(None, None, None), None)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def process(self, task: Task) -> None:
        """Process the task, waiting for its end. Raises Unavailable, or TimeoutError after `TIME_LIMIT_S`."""
        self._wait(self._pipeline.process(task), TIME_LIMIT_S)

    def _wait(self, work: Any, timeout_s: float | None) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeout:
            future.cancel()
            raise


def register(app: Celery, pipelines: PipelineLoop) -> None:
    """Make the indexing task known to `app`: a dependency's outage is tried again with growing pauses."""

    @app.task(name=INDEX_TASK, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def index(self: Any, collection: str, document_id: str, revision: int, bulk: bool) -> None:
        try:
            pipelines.process(Task(collection, document_id, revision, bulk))
        except Unavailable as error:
            raise self.retry(exc=error, countdown=FIRST_RETRY_S * 2**self.request.retries) from error
        except FutureTimeout:
            # The lease runs out with it; `reconcile` hands the document out again, until its attempts are used up.
            log.warning("task_timed_out", collection=collection, document_id=document_id)


def worker_of(app: Celery, *, documents_at_once: int = DOCUMENTS_AT_ONCE) -> Worker:
    """A worker of both queues, to be started with `start()`; it ends on SIGTERM after the tasks under way."""
    return Worker(
        app=app,
        pool="threads",
        concurrency=documents_at_once,
        queues=[INTERACTIVE_QUEUE, BULK_QUEUE],
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
        quiet=True,
    )
