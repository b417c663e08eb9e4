"""Real Redis, Celery workers as processes: nothing that was acknowledged is lost, and nothing is done twice."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from phoserve.adapters.celery_queue import INDEX_TASK, INTERACTIVE_QUEUE, CeleryQueue, broker_app
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import IndexingTask
from phoserve.documents.records import Document
from phoserve.errors import Unavailable
from phoserve.text import TextPipeline
from tests.support.celery_worker import MODEL
from tests.support.patience import patient
from tests.support.redis_server import RedisServer
from tests.support.registry import add_collection, sqlite_registry

DOCUMENTS = 12
PARAGRAPHS = 3


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


class WorkerProcess:
    """A worker over the stores in `folder`, and what it reports."""

    def __init__(self, folder: Path, url: str) -> None:
        command = [sys.executable, "-m", "tests.support.celery_worker", str(folder), url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def reported(self, *, timeout_s: float = 60.0, **wanted: int) -> None:
        """Wait until a report has at least these counts."""
        deadline = time.monotonic() + patient(timeout_s)
        report: dict[str, Any] = {}
        while not all(report.get(name, 0) >= count for name, count in wanted.items()):
            try:
                report = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"{wanted} not reached within {timeout_s:g} s; last report {report}") from None

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.wait(timeout=patient(30))
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):  # Celery logs its shutdown on standard output
                self._lines.put(json.loads(line))


class Stores:
    """The stores in `folder`; one process at a time may have them open."""

    def __init__(self, folder: Path, url: str) -> None:
        self.contract = TextPipeline.load(MODEL).contract
        self.registry = sqlite_registry(folder)
        self.index = EdgePassageIndex(folder / "index", self.contract)
        self.queue = CeleryQueue(url)
        self.sources = ObjectStoreSources(folder / "originals")

    async def submit(self) -> list[Document]:
        await add_collection(self.registry, "kb")
        intake = Intake(self.registry, PassageStores([self.index]), self.sources, self.queue)
        return await intake.submit("kb", [Draft(_text(each), id=f"d{each}") for each in range(DOCUMENTS)])

    async def check(self) -> None:
        """Every document is ready once, and nothing else is left."""
        page = await self.registry.page((await self.registry.collection("kb")).id, limit=100)
        assert {(each.state, each.live_revision) for each in page.documents} == {("ready", 1)}
        passages = [await self.index.passages(each.collection_id, each.key) for each in page.documents]
        assert [len(each) for each in passages] == [each.passages for each in page.documents]
        assert await self.index.count() == sum(each.passages for each in page.documents) >= DOCUMENTS
        assert await self.index.staged() == []

    async def close(self) -> None:
        for store in (self.registry, self.index, self.queue):
            await store.close()


def _text(number: int) -> bytes:
    paragraph = f"Điều {number}. Nhân viên được nghỉ phép mười hai ngày mỗi năm và báo trước cho quản lý. " * 8
    return "\n\n".join([paragraph] * PARAGRAPHS).encode()


async def submitted(folder: Path, url: str) -> list[Document]:
    stores = Stores(folder, url)
    documents = await stores.submit()
    assert len(documents) == DOCUMENTS
    await stores.close()
    return documents


async def checked(folder: Path, url: str) -> None:
    stores = Stores(folder, url)
    await stores.check()
    await stores.close()


async def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path, broker: RedisServer) -> None:
    await submitted(tmp_path, broker.url)
    with WorkerProcess(tmp_path, broker.url) as worker:
        worker.reported(ready=2, processing=1)
        worker.kill()
    with WorkerProcess(tmp_path, broker.url) as worker:
        worker.reported(ready=DOCUMENTS)
    await checked(tmp_path, broker.url)


async def test_a_broker_that_forgets_everything_costs_one_interval(tmp_path: Path, broker: RedisServer) -> None:
    await submitted(tmp_path, broker.url)
    with WorkerProcess(tmp_path, broker.url) as worker:
        worker.reported(ready=1)
        broker.flush()
        worker.reported(ready=DOCUMENTS, timeout_s=30)
    await checked(tmp_path, broker.url)


async def test_a_broker_that_restarts_empty_costs_one_interval(tmp_path: Path, broker: RedisServer) -> None:
    await submitted(tmp_path, broker.url)
    with WorkerProcess(tmp_path, broker.url) as worker:
        worker.reported(ready=1)
        broker.stop()
        broker.start()
        worker.reported(ready=DOCUMENTS)
    await checked(tmp_path, broker.url)


def test_a_worker_survives_that_its_connection_is_lost_with_tasks_unacknowledged(broker: RedisServer) -> None:
    app = broker_app(broker.url)
    connection = app.connection_for_read()
    waiting = connection.SimpleQueue(INTERACTIVE_QUEUE)
    app.send_task(INDEX_TASK, args=["kb", "d", 1, False, True], queue=INTERACTIVE_QUEUE)
    message = waiting.get(timeout=patient(5))
    channel = connection.default_channel
    broker.stop()
    lost = channel.connection
    lost.client = None  # as a worker's connection is left when its closing breaks off
    connection.maybe_close_channel(channel)
    assert channel.closed
    channel.connection = None  # and afterwards
    with pytest.raises(connection.connection_errors):  # which Celery logs
        message.ack()
    broker.start()


async def test_a_task_delivered_three_times_is_done_once(tmp_path: Path, broker: RedisServer) -> None:
    documents = await submitted(tmp_path, broker.url)
    tasks = CeleryQueue(broker.url)
    again = [IndexingTask.of(each) for each in documents]
    await tasks.enqueue([task for task in again for _ in range(2)])
    assert await tasks.depth() == 3 * DOCUMENTS
    await tasks.close()
    with WorkerProcess(tmp_path, broker.url) as worker:
        worker.reported(ready=DOCUMENTS)
    await checked(tmp_path, broker.url)


async def test_a_dead_broker_is_reported_at_once(tmp_path: Path, broker: RedisServer) -> None:
    tasks = CeleryQueue(broker.url)
    broker.stop()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="task queue"):
        await tasks.enqueue([IndexingTask("kb", "d", 1)])
    assert time.monotonic() - began < patient(2)
    with pytest.raises(Unavailable, match="task queue"):
        await tasks.depth()
    await tasks.close()
