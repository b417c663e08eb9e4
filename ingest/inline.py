"""Workers inside this process: the task queue of the local platform."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from ingest.document_slots import DocumentSlots, Entry
from phoserve.concurrency.tasks import TaskSet
from phoserve.documents.ports import IndexingTask
from phoserve.errors import Unavailable

LONG_DOCUMENTS: Final = 3
"""One collection works on two of them at most (`DocumentSlots`)."""
SMALL_PER_LONG: Final = 16
"""Thirty-two small ones of a collection: while one half waits for the encoder and the disk, the other is chunked."""

log = structlog.get_logger(__name__)


class Processor(Protocol):
    """Processes tasks: a `Pipeline` here, or an `IndexingProcess`."""

    async def process(self, task: IndexingTask) -> None:
        """Do what the task's document needs now. Raises Unavailable if that is unknown."""
        ...


class InlineWorkers:
    """A `TaskQueue` that starts its tasks from this event loop: interactive before bulk, collections in turn."""

    def __init__(self) -> None:
        self._queues: dict[bool, dict[str, deque[IndexingTask]]] = {False: {}, True: {}}
        self._waiting: set[IndexingTask] = set()
        self._slots = DocumentSlots(LONG_DOCUMENTS, SMALL_PER_LONG)
        self._tasks = TaskSet()
        self._changed = asyncio.Event()

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Queue `tasks`; one that is queued already is not queued twice."""
        for task in tasks:
            if task not in self._waiting:
                self._waiting.add(task)
                self._queues[task.bulk].setdefault(task.collection_id, deque()).append(task)
        self._changed.set()

    async def depth(self, *, bulk: bool | None = None) -> int:
        """Return how many tasks are queued."""
        return sum(bulk in {None, task.bulk} for task in self._waiting)

    def start(self, processor: Processor) -> None:
        """Start running tasks."""
        self._tasks.begin(self._run(processor))

    async def stop(self) -> None:
        """Cancel the tasks in flight: the next start resumes them."""
        await self._tasks.cancel()

    async def _run(self, processor: Processor) -> None:
        while True:
            while task := self._next():
                self._tasks.begin(self._work(task, processor))
            await self._changed.wait()
            self._changed.clear()

    def _next(self) -> IndexingTask | None:
        """Take the next task that has slots off its queue."""
        for queues in self._queues.values():
            for collection_id in sorted(queues, key=self._slots.taken_by):
                entry = self._slots.try_enter(queues[collection_id][0])
                if entry is Entry.FULL:
                    return None  # a long document waits its turn instead of being overtaken by small ones
                if entry is Entry.GRANTED:
                    return self._pop(queues, collection_id)
        return None

    def _pop(self, queues: dict[str, deque[IndexingTask]], collection_id: str) -> IndexingTask:
        task = queues[collection_id].popleft()
        # The collection's next task goes behind those of the others.
        rest = queues.pop(collection_id)
        if rest:
            queues[collection_id] = rest
        self._waiting.discard(task)
        return task

    async def _work(self, task: IndexingTask, processor: Processor) -> None:
        try:
            await processor.process(task)
        except Unavailable as error:  # the registry: `reconcile` queues the document again
            log.warning("task_dropped", document_key=task.document_key, error=str(error))
        except Exception:
            log.exception("task_failed", document_key=task.document_key)
        finally:
            self._slots.leave(task)
            self._changed.set()
