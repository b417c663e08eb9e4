"""A pipeline on an event loop in its own thread, to which Celery's threads submit their tasks.

Threads hold the tasks while the loop processes them. No processes are forked, because the connections to Triton and
Qdrant belong to one loop. The child process that parses a hostile file confines its damage.
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
"""Limit of one task, below the broker's visibility timeout, so that a running task is never delivered again."""

PipelineFactory = Callable[[], AbstractAsyncContextManager[Pipeline]]


class PipelineLoop:
    """Runs a pipeline for calls from any thread."""

    def __init__(self, factory: PipelineFactory, *, long_documents: int) -> None:
        """Run the pipeline of `factory` for a number of long documents (see `DocumentSlots`)."""
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
        """Process the task when there are free slots, and wait for its end.

        Raises Unavailable, or TimeoutError after `TIME_LIMIT_S` of processing.
        """
        self._wait(self._slots.enter(task), None)
        try:
            self._wait(self._pipeline.process(task), TIME_LIMIT_S)
        finally:
            self._loop.call_soon_threadsafe(self._slots.leave, task)

    def soon(self, action: Callable[[], object]) -> None:
        """Schedule `action` on the loop. It runs only if the loop is alive."""
        self._loop.call_soon_threadsafe(action)

    def _wait(self, work: Any, timeout_s: float | None) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeout:
            future.cancel()
            raise
