"""A pipeline on an event loop of its own thread: what Celery's threads hand their tasks to.

Threads hold the tasks while the loop works on them. Processes are not forked for them: the connections to Triton and
Qdrant belong to one loop, and what a hostile file can do is confined to the child process that parses it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from ingest.document_slots import DocumentSlots
from ingest.pipeline import Pipeline
from phoserve.documents.ports import IndexingTask

TIME_LIMIT_S: Final = 600.0
"""Of one task; below the broker's visibility timeout, so that a task is never handed out while it runs."""

PipelineFactory = Callable[[], AbstractAsyncContextManager[Pipeline]]


class PipelineLoop:
    """Runs a pipeline, to be used from any thread."""

    def __init__(self, factory: PipelineFactory, *, long_documents: int) -> None:
        """Of the pipeline that `factory` makes, for so many long documents at once (see `DocumentSlots`)."""
        self._factory = factory
        self._slots = DocumentSlots(long_documents)
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

    def process(self, task: IndexingTask) -> None:
        """Process the task once there is room, and wait for its end.

        Raises Unavailable, or TimeoutError after `TIME_LIMIT_S` of work.
        """
        self._wait(self._slots.enter(task), None)
        try:
            self._wait(self._pipeline.process(task), TIME_LIMIT_S)
        finally:
            self._loop.call_soon_threadsafe(self._slots.leave, task)

    def soon(self, action: Callable[[], object]) -> None:
        """Let the loop call `action`: it happens only if the loop is alive."""
        self._loop.call_soon_threadsafe(action)

    def _wait(self, work: Any, timeout_s: float | None) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeout:
            future.cancel()
            raise
