"""Workers inside this process: the task queue of the local platform."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import structlog

from ingest.pipeline import Pipeline
from phoserve.errors import Unavailable
from phoserve.ports import Task

WORKERS: Final = 2

log = structlog.get_logger(__name__)


class InlineWorkers:
    """A `TaskQueue` whose workers run on this event loop; interactive work before bulk work."""

    def __init__(self) -> None:
        self._queue: asyncio.PriorityQueue[tuple[bool, int, Task]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._waiting: set[Task] = set()
        self._workers: list[asyncio.Task[None]] = []

    async def enqueue(self, tasks: Sequence[Task]) -> None:
        """Hand `tasks` to the workers; one that waits already is not queued twice."""
        for task in tasks:
            if task not in self._waiting:
                self._waiting.add(task)
                self._queue.put_nowait((task.bulk, next(self._order), task))

    async def depth(self, *, bulk: bool | None = None) -> int:
        """How many tasks wait."""
        return sum(bulk in {None, task.bulk} for task in self._waiting)

    def start(self, pipeline: Pipeline, *, workers: int = WORKERS) -> None:
        """Begin to work the tasks off."""
        self._workers = [asyncio.create_task(self._work(pipeline)) for _ in range(workers)]

    async def stop(self) -> None:
        """Drop what is under way: the next start takes it up again."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, pipeline: Pipeline) -> None:
        while True:
            _, _, task = await self._queue.get()
            self._waiting.discard(task)
            try:
                await pipeline.process(task)
            except Unavailable as error:  # the registry: `reconcile` hands the document out again
                log.warning("task_dropped", document_id=task.document_id, error=str(error))
            except Exception:
                log.exception("task_failed", document_id=task.document_id)
