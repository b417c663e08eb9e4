"""Workers inside this process: the task queue of the local platform."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from typing import Final

import structlog

from ingest.document_slots import DocumentSlots
from ingest.pipeline import Pipeline
from phoserve.documents.ports import IndexingTask
from phoserve.errors import Unavailable

LONG_DOCUMENTS_AT_ONCE: Final = 2

log = structlog.get_logger(__name__)


class InlineWorkers:
    """A `TaskQueue` that works its tasks off on this event loop; interactive work before bulk work."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[bool, int, IndexingTask]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._waiting: set[IndexingTask] = set()
        self._room = DocumentSlots(LONG_DOCUMENTS_AT_ONCE)
        self._working: set[asyncio.Task[None]] = set()

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Hand `tasks` to the workers; one that waits already is not queued twice."""
        for task in tasks:
            if task not in self._waiting:
                self._waiting.add(task)
                self._queue.put_nowait((task.bulk, next(self._order), task))

    async def depth(self, *, bulk: bool | None = None) -> int:
        """How many tasks wait."""
        return sum(bulk in {None, task.bulk} for task in self._waiting)

    def start(self, pipeline: Pipeline) -> None:
        """Begin to work the tasks off."""
        self._begin(self._hand_out(pipeline))

    async def stop(self) -> None:
        """Drop what is under way: the next start takes it up again."""
        while working := list(self._working):
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _hand_out(self, pipeline: Pipeline) -> None:
        while True:
            _, _, task = await self._queue.get()
            self._waiting.discard(task)
            await self._room.enter(task)
            self._begin(self._work(task, pipeline))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        running = asyncio.create_task(work)
        self._working.add(running)
        running.add_done_callback(self._working.discard)

    async def _work(self, task: IndexingTask, pipeline: Pipeline) -> None:
        try:
            await pipeline.process(task)
        except Unavailable as error:  # the registry: `reconcile` hands the document out again
            log.warning("task_dropped", document_key=task.document_key, error=str(error))
        except Exception:
            log.exception("task_failed", document_key=task.document_key)
        finally:
            self._room.leave(task)
