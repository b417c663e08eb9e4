"""Documents are indexed in a process of lower priority: whatever happens to it, each document gets ready."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from cli.triton_process import TritonProcess
from ingest.indexing_messages import NICENESS, RELAYED, IndexCall, Opening
from ingest.indexing_process import IndexingProcess
from ingest.inline import InlineWorkers
from ingest.reconcile import Reconciler
from loadtests.benchmark.memory import family
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.contract import load_contract
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import ActivePassageStore, DocumentRegistry
from phoserve.documents.records import Document, DocumentState
from phoserve.settings import Settings, TritonSettings
from tests.support.deployed import MODEL
from tests.support.polling import eventually
from tests.support.registry import add_collection, sqlite_registry

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = "\n\n".join(f"# Mục {number}\n\nNhân viên được nghỉ phép {number} ngày." for number in range(400))
HTML = b"<html><body><h1>Quy che</h1><p>Nhan vien duoc nghi phep.</p></body></html>"


@dataclass
class Bench:
    """A platform's process with ingestion in another one."""

    registry: DocumentRegistry
    kb: Collection
    index: EdgePassageIndex
    workers: InlineWorkers
    indexing: IndexingProcess
    intake: Intake
    reconciler: Reconciler

    async def submit(self, id_: str, content: bytes, media_type: str = "text/plain") -> None:
        await self.intake.submit("kb", [Draft(content, id=id_, media_type=media_type)])

    async def document(self, id_: str) -> Document:
        return await self.registry.get(self.kb, id_)

    async def ended(self, id_: str) -> Document:
        async def has_ended() -> bool:
            return (await self.document(id_)).state in {DocumentState.READY, DocumentState.FAILED}

        await eventually(has_ended, timeout_s=60)
        return await self.document(id_)

    async def begun(self, id_: str) -> None:
        async def has_begun() -> bool:
            return (await self.document(id_)).state is not DocumentState.QUEUED

        await eventually(has_begun, every_s=0.002)

    async def pid(self) -> int:
        await eventually(lambda: self.indexing.pid)
        assert self.indexing.pid is not None
        return self.indexing.pid


@pytest_asyncio.fixture(loop_scope="module")
async def bench(tmp_path: Path, triton: TritonProcess) -> AsyncIterator[Bench]:
    registry, contract = sqlite_registry(tmp_path), load_contract(MODEL)
    index, sources = EdgePassageIndex(tmp_path / "edge", contract), ObjectStoreSources(tmp_path / "originals")
    opening = Opening(
        settings=Settings(triton=TritonSettings(url=triton.ports.grpc_url)),
        model=MODEL,
        registry_url=f"sqlite:///{tmp_path / 'registry.sqlite3'}",
        originals=str(tmp_path / "originals"),
        log_file=tmp_path / "log",
    )
    indexing, workers, stores = IndexingProcess(opening, [index]), InlineWorkers(), PassageStores([index])
    indexing.start(workers)
    workers.start(indexing)
    kb = await add_collection(registry, "kb")
    intake = Intake(registry, stores, sources, workers)
    reconciler = Reconciler(registry, stores, sources, workers)
    yield Bench(registry, kb, index, workers, indexing, intake, reconciler)
    await workers.stop()
    await indexing.stop()
    assert indexing.pid is None
    await registry.close()
    await index.close()


async def test_documents_are_indexed_by_a_process_that_yields_to_searches(bench: Bench) -> None:
    await bench.submit("text", LONG.encode())
    await bench.submit("page", HTML, "text/html")
    pid, own = await bench.pid(), os.getpriority(os.PRIO_PROCESS, 0)
    assert [(await bench.ended(each)).state for each in ("text", "page")] == [DocumentState.READY] * 2
    assert await bench.index.count(bench.kb.id) == sum(
        [(await bench.document(each)).passages for each in ("text", "page")]
    )
    priorities = {each: os.getpriority(os.PRIO_PROCESS, each) for each in family(pid)}
    assert len(priorities) >= 2, "no parser was started"
    assert set(priorities.values()) == {min(19, own + NICENESS)}


async def test_its_metrics_are_those_of_the_platform(bench: Bench) -> None:
    await bench.submit("text", b"Nghi phep.")
    await bench.ended("text")
    line = b'phoserve_ingest_documents_total{outcome="ready"} 1.0'
    await eventually(lambda: line in generate_latest(bench.indexing.registry))


async def test_documents_get_ready_although_the_process_is_killed(bench: Bench) -> None:
    await bench.submit("text", LONG.encode())
    await bench.begun("text")
    first = await bench.pid()
    os.kill(first, signal.SIGKILL)

    async def is_ready() -> bool:
        await bench.reconciler.run_once()
        return (await bench.document("text")).state is DocumentState.READY

    await eventually(lambda: bench.indexing.pid not in {None, first}, timeout_s=60)
    await bench.reconciler.run_once(ignore_leases=True)  # once: each takes the document from the process that has it
    await eventually(is_ready, timeout_s=60, every_s=0.2)
    assert await bench.index.count(bench.kb.id) == (await bench.document("text")).passages
    assert await bench.index.staged() == []


async def test_the_end_releases_documents(bench: Bench) -> None:
    await bench.submit("text", LONG.encode())
    await bench.begun("text")
    await bench.workers.stop()
    await bench.indexing.stop()
    released = await bench.document("text")
    assert released.state is DocumentState.READY or released.attempts == 0
    assert released.due_at is None or released.due_at - released.updated_at < timedelta(seconds=5)


async def test_all_methods_of_the_index_are_relayed() -> None:
    wanted = {
        name
        for kind in ActivePassageStore.__mro__
        for name, value in vars(kind).items()
        if callable(value) and not name.startswith("_")
    }
    assert wanted == RELAYED


async def test_other_methods_are_refused(bench: Bench) -> None:
    for call in (IndexCall(1, bench.index.fingerprint, "_delete", (), {}), IndexCall(1, "other", "count", (), {})):
        with pytest.raises(Exception, match="may not call"):
            await bench.indexing._called(call)
