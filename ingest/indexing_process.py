"""Index documents in a process of lower priority, so that ingestion does not slow searches down.

Parsing, chunking and terms take whole cores. In the API's process they would hold the interpreter's lock, and each step
of a search would wait for it. The index stays with the platform's process, which makes the calls of this one.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from ingest.indexing_messages import (
    RELAYED,
    Enqueued,
    IndexCall,
    IndexResult,
    Measured,
    Opened,
    Opening,
    Ran,
    Run,
)
from phoserve.adapters.edge.frames import PendingCalls, next_value, packed, portable
from phoserve.concurrency.tasks import TaskSet
from phoserve.documents.ports import ActivePassageStore, IndexingTask, TaskQueue
from phoserve.errors import InvalidInput, Unavailable

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STABLE_S: Final = 60.0
"""A process that has run for this long is started again at once when it ends."""
EXIT_TIMEOUT_S: Final = 5.0

log = structlog.get_logger(__name__)


class IndexingProcess:
    """Processes indexing tasks in a child process. One that ends is started again."""

    def __init__(self, opening: Opening, indexes: Sequence[ActivePassageStore]) -> None:
        """Use these indexes for its calls. Call `start`."""
        self.registry = CollectorRegistry()
        """Its metrics."""
        self._opening = opening
        self._indexes = {each.fingerprint: each for each in indexes}
        self._default = indexes[0]
        self._families = _Families()
        self.registry.register(self._families)
        self._runs = PendingCalls()
        self._tasks = TaskSet()
        self._opened = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._supervising: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process, None while there is none."""
        return self._process.pid if self._process else None

    def start(self, queue: TaskQueue) -> None:
        """Start the process; the tasks that it finds go to `queue`."""
        self._supervising = asyncio.create_task(self._supervise(queue))

    async def process(self, task: IndexingTask) -> None:
        """Process a task, as `Pipeline.process` does. Raises Unavailable if the process ends meanwhile."""
        await self._opened.wait()
        await self._runs.make(lambda number: self._send(Run(number, task)))

    async def stop(self) -> None:
        """End the process once it has released its documents."""
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.gather(self._supervising, return_exceptions=True)

    async def _supervise(self, queue: TaskQueue) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            begun = time.monotonic()
            try:
                await self._run_once(queue)
            except (OSError, EOFError) as error:
                log.warning("indexing_process_failed", error=str(error))
            if time.monotonic() - begun > STABLE_S:
                pause_s = FIRST_PAUSE_S
            log.warning("indexing_process_ended", restart_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run_once(self, queue: TaskQueue) -> None:
        """Run one process until it ends."""
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", "ingest.indexing_child"]
        process = self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            self._send(self._opening)
            with contextlib.suppress(EOFError):
                while True:
                    self._receive(await next_value(process.stdout), queue)
        finally:
            await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        self._opened.clear()
        process.stdin.close()  # it releases its documents, and ends
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), EXIT_TIMEOUT_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None
        self._runs.fail(lambda: Unavailable("ingestion", "the indexing process ended; it is started again"))

    def _receive(self, message: Any, queue: TaskQueue) -> None:
        match message:
            case Opened():
                self._opened.set()
            case Ran(number, error):
                self._runs.finish(number, None, error)
            case IndexCall():
                self._tasks.begin(self._answer(message))
            case Enqueued(tasks):
                self._tasks.begin(queue.enqueue(tasks))
            case Measured(families):
                self._families.found = families

    async def _answer(self, call: IndexCall) -> None:
        result, failure = None, None
        try:
            result = await self._called(call)
        except Exception as error:  # every error is returned to the caller
            failure = portable(error, "the search engine")
        self._send(IndexResult(call.number, result, failure))

    async def _called(self, call: IndexCall) -> Any:
        if call.method not in RELAYED or call.fingerprint not in self._indexes:
            raise InvalidInput(f"the indexing process may not call {call.method} of {call.fingerprint}")
        if call.method == "sibling":
            return await self._open_sibling(*call.arguments)
        index = self._indexes[call.fingerprint] if call.method != "close" else self._indexes.pop(call.fingerprint)
        return await getattr(index, call.method)(*call.arguments, **call.named)

    async def _open_sibling(self, fingerprint: str) -> bool:
        found = await self._default.sibling(fingerprint)
        if found is not None:
            self._indexes[fingerprint] = found
        return found is not None

    def _send(self, message: Any) -> None:
        """Write a message; one to a process that has ended is lost, like what it was doing."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(packed(message))


class _Families(Collector):
    """The metrics that the process sent last."""

    def __init__(self) -> None:
        self.found: Sequence[Metric] = ()

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self.found
