"""Indexing, over the real embedded stores: whatever happens meanwhile, each document ends in a state with a reason."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.pipeline import Pipeline, PipelineOptions
from ingest.reconcile import Reconciler
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library
from phoserve.documents.ports import DocumentRegistry, IndexingTask
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import InvalidInput, Unavailable
from phoserve.text import TextPipeline
from tests.support.embedders import InterruptedEmbedder
from tests.support.memory import MemoryQueue
from tests.support.models import tiny_model
from tests.support.registry import add_collection, sqlite_registry

PARAGRAPHS = "\n\n".join(f"# Mục {number}\n\nnhân viên nghỉ phép {number} ngày ở hà nội" for number in range(200))


@dataclass
class Bench:
    """One process's worth of ingestion."""

    registry: DocumentRegistry
    kb: Collection
    index: EdgePassageIndex
    sources: ObjectStoreSources
    queue: MemoryQueue
    embedder: InterruptedEmbedder
    pipeline: Pipeline
    intake: Intake
    library: Library
    reconciler: Reconciler

    async def submit(self, content: bytes | str = PARAGRAPHS, media_type: str = "text/markdown") -> Document:
        body = content.encode() if isinstance(content, str) else content
        [document] = await self.intake.submit("kb", [Draft(body, id="d", media_type=media_type)])
        return document

    async def work(self) -> Document:
        """Do all that is queued, and return the document as it is then."""
        while self.queue.tasks:
            await self.pipeline.process(self.queue.tasks.pop(0))
            if self.embedder.happening:
                await self.embedder.happening
        return await self.registry.get(self.kb, "d")

    async def visible(self) -> set[str]:
        document = await self.registry.get(self.kb, "d")
        return {passage.text for passage in await self.index.passages(self.kb.id, document.key)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    embedder = InterruptedEmbedder()
    registry, index = sqlite_registry(tmp_path), EdgePassageIndex(tmp_path / "edge", embedder.contract)
    sources, queue = ObjectStoreSources(tmp_path / "originals"), MemoryQueue()
    tools = StagingTools(embedder, TextPipeline.load(tiny_model(tmp_path)))
    models = IndexingModels([IndexingModel(index, tools)])
    pipeline = Pipeline(registry=registry, models=models, sources=sources, options=PipelineOptions(max_attempts=2))
    kb = await add_collection(registry, "kb")
    yield Bench(
        registry, kb, index, sources, queue, embedder, pipeline,
        Intake(registry, models.indexes, sources, queue),
        Library(registry, models.indexes, sources, queue),
        Reconciler(registry, models.indexes, sources, queue),
    )  # fmt: skip
    await registry.close()
    await index.close()


async def test_a_document_becomes_ready_and_visible(bench: Bench) -> None:
    await bench.submit()
    document = await bench.work()
    assert (document.state, document.progress, document.due_at) == (DocumentState.READY, 1.0, None)
    assert document.passages == await bench.index.count(bench.kb.id) == 200
    assert await bench.index.staged() == []


async def test_the_same_task_three_times_does_the_work_once(bench: Bench) -> None:
    await bench.submit()
    bench.queue.tasks *= 3
    await bench.work()
    assert await bench.index.count(bench.kb.id) == 200
    assert len({text for texts, _, _ in bench.embedder.calls for text in texts}) == 200
    assert sum(len(texts) for texts, _, _ in bench.embedder.calls) == 200


async def test_a_task_that_comes_again_during_the_work_changes_nothing(bench: Bench) -> None:
    await bench.submit()
    again = bench.queue.tasks[0]
    bench.embedder.meanwhile = lambda: bench.pipeline.process(again)
    assert (await bench.work()).state is DocumentState.READY
    assert sum(len(texts) for texts, _, _ in bench.embedder.calls) == 200


async def test_replaced_while_processed_only_the_new_content_is_found(bench: Bench) -> None:
    await bench.submit()
    bench.embedder.meanwhile = lambda: bench.submit("bảo hiểm mới")
    document = await bench.work()
    assert (document.state, document.revision, document.live_revision) == (DocumentState.READY, 2, 2)
    assert await bench.visible() == {"bảo hiểm mới"}
    assert await bench.index.staged() == []


async def test_deleted_while_processed_nothing_is_left(bench: Bench) -> None:
    await bench.submit()
    bench.embedder.meanwhile = lambda: bench.library.delete("kb", "d")
    await bench.pipeline.process(bench.queue.tasks.pop())
    assert bench.embedder.happening is not None
    await bench.embedder.happening
    assert await bench.registry.find(bench.kb.id, ["d"]) == {}
    assert await bench.index.staged() == []
    assert await bench.index.count() == 0
    assert [key async for key, _ in bench.sources.keys("kb/")] == []


async def test_the_old_content_is_found_until_the_new_one_is_whole(bench: Bench) -> None:
    await bench.submit("lương cũ")
    await bench.work()
    await bench.submit()
    seen: list[set[str]] = []

    async def look() -> None:
        seen.append(await bench.visible())

    bench.embedder.meanwhile = look
    await bench.work()
    assert seen == [{"lương cũ"}]
    assert "lương cũ" not in await bench.visible()


async def test_a_claim_that_is_written_while_the_work_is_cancelled_is_released(bench: Bench) -> None:
    written, answered = asyncio.Event(), asyncio.Event()
    save = bench.registry.save

    async def slow_save(documents: Sequence[Document]) -> list[Document | None]:
        saved = await save(documents)
        written.set()
        await answered.wait()
        return saved

    await bench.submit()
    bench.registry.save = slow_save  # type: ignore[method-assign]
    work = asyncio.create_task(bench.pipeline.process(bench.queue.tasks[0]))
    await written.wait()
    assert (await bench.registry.get(bench.kb, "d")).attempts == 1
    work.cancel()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    released = await bench.registry.get(bench.kb, "d")
    assert (released.state, released.attempts) == (DocumentState.QUEUED, 0)


async def test_a_dependency_that_is_down_is_waited_for_and_not_held_against_the_document(bench: Bench) -> None:
    await bench.submit("xin chào")
    bench.embedder.failure = Unavailable("triton", "is restarting", retry_after_s=0.0)
    for _ in range(5):
        document = await bench.work()
        assert (document.state, document.attempts) == (DocumentState.QUEUED, 0)
        assert document.error is not None
        assert document.error.retryable
        assert await bench.reconciler.run_once() == 1
    bench.embedder.failure = None
    assert (await bench.work()).state is DocumentState.READY


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b" \n ", "empty", id="blank"),
        pytest.param(b"\0" * 100, "encoding", id="zeros"),
        pytest.param(b"\x7fELF", "unsupported", id="program"),
    ],
)
async def test_what_cannot_be_read_fails_for_good(bench: Bench, content: bytes, code: str) -> None:
    await bench.submit(content, "text/plain")
    document = await bench.work()
    assert document.state is DocumentState.FAILED
    assert document.error is not None
    assert (document.error.code, document.error.retryable) == (code, False)
    assert await bench.reconciler.run_once() == 0


async def test_input_the_encoder_refuses_fails_for_good(bench: Bench) -> None:
    await bench.submit("xin chào")
    bench.embedder.failure = InvalidInput("no")
    assert (await bench.work()).state is DocumentState.FAILED


async def test_a_dead_worker_s_document_is_finished_by_the_next(bench: Bench) -> None:
    submitted = await bench.submit()
    [held] = await bench.registry.save([submitted.claim(timedelta(seconds=-1))])  # it died, its lease has run out
    assert held is not None
    bench.queue.tasks.clear()
    assert await bench.reconciler.run_once() == 1
    assert (await bench.work()).state is DocumentState.READY


async def test_a_living_worker_s_document_is_left_alone(bench: Bench) -> None:
    submitted = await bench.submit()
    await bench.registry.save([submitted.claim(timedelta(minutes=1))])
    bench.queue.tasks.clear()
    assert await bench.reconciler.run_once() == 0
    await bench.pipeline.process(IndexingTask.of(submitted))
    assert (await bench.registry.get(bench.kb, "d")).state is DocumentState.PROCESSING


async def test_whatever_a_lost_queue_held_is_queued_again(bench: Bench) -> None:
    await bench.submit("xin chào")
    bench.queue.tasks.clear()
    assert await bench.reconciler.run_once() == 1
    assert (await bench.work()).state is DocumentState.READY


async def test_a_revision_that_fails_leaves_the_older_one_to_be_found(bench: Bench) -> None:
    await bench.submit("lương cũ")
    await bench.work()
    await bench.submit(b"\x7fELF", "text/plain")
    assert (await bench.work()).state is DocumentState.FAILED
    assert await bench.visible() == {"lương cũ"}
