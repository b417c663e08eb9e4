"""A switch to another model finds exactly the documents of the registry, despite concurrent changes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from ingest.pipeline import Pipeline
from ingest.reconcile import Reconciler
from ingest.reembed import Reembedding
from ingest.staging import StagingTools
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.active_model import check_active_model
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library
from phoserve.documents.ports import IndexingTask
from phoserve.documents.records import Collection, Document, DocumentState
from phoserve.errors import ContractMismatch, InvalidInput
from phoserve.text import TextPipeline
from tests.support.embedders import InterruptedEmbedder, fake_contract
from tests.support.memory import MemoryQueue
from tests.support.models import tiny_model
from tests.support.qdrant_server import QdrantServer, qdrant_client, qdrant_server
from tests.support.registry import add_collection, sqlite_registry

LONG = "\n\n".join(f"# Mục {number}\n\nnhân viên nghỉ phép {number} ngày ở hà nội" for number in range(300))


class Side:
    """API and worker of one model, over stores that both models share."""

    def __init__(self, client: AsyncQdrantClient, folder: Path, dim: int) -> None:
        self.embedder = InterruptedEmbedder(fake_contract(dim))
        self.index = QdrantPassageIndex(client, self.embedder.contract, QdrantOptions())
        self.registry = sqlite_registry(folder)
        self.queue = MemoryQueue()
        sources = ObjectStoreSources(folder / "originals")
        self.tools = StagingTools(self.embedder, TextPipeline.load(tiny_model(folder)))
        self.pipeline = Pipeline(registry=self.registry, index=self.index, sources=sources, tools=self.tools)
        self.intake = Intake(self.registry, self.index, sources, self.queue)
        self.library = Library(self.registry, self.index, sources, self.queue)
        self.reconciler = Reconciler(self.registry, self.index, sources, self.queue)

    async def submit(self, id_: str, content: str) -> None:
        await self.intake.submit("kb", [Draft(content.encode(), id=id_, media_type="text/markdown")])

    async def work(self) -> None:
        while self.queue.tasks:
            await self.pipeline.process(self.queue.tasks.pop(0))

    async def add(self, id_: str, content: str) -> None:
        await self.submit(id_, content)
        await self.work()

    async def found(self) -> dict[str, set[str]]:
        """The texts that search may find, by document, with anything staged or of no document."""
        page = await self.registry.page((await self.registry.collection("kb")).id, limit=1000)
        texts = {each.id: await self.index.passages(each.collection_id, each.key) for each in page.documents}
        assert await self.index.count() == sum(len(each) for each in texts.values())
        assert await self.index.staged() == []
        return {id_: {passage.text for passage in each} for id_, each in texts.items() if each}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with qdrant_server(tmp_path / "qdrant") as server:
        yield server


@pytest.fixture
async def client(server: QdrantServer) -> AsyncIterator[AsyncQdrantClient]:
    async with qdrant_client(server) as client:
        yield client


@pytest.fixture
async def old(client: AsyncQdrantClient, tmp_path: Path) -> AsyncIterator[Side]:
    side = Side(client, tmp_path, dim=64)
    await check_active_model(side.index)
    await add_collection(side.registry, "kb")
    await side.add("d1", "nhân viên nghỉ phép")
    await side.add("d2", LONG)
    yield side
    await side.registry.close()


@pytest.fixture
async def new(client: AsyncQdrantClient, tmp_path: Path) -> AsyncIterator[Side]:
    side = Side(client, tmp_path, dim=32)
    yield side
    await side.registry.close()


async def kb(side: Side) -> Collection:
    return await side.registry.collection("kb")


async def record(side: Side) -> Document:
    return await side.registry.get(await kb(side), "d1")


def job_of(side: Side) -> Reembedding:
    return Reembedding(side.registry, side.index, side.tools)


async def test_the_new_model_finds_all_and_takes_over(old: Side, new: Side) -> None:
    with pytest.raises(ContractMismatch, match="phoserve reembed"):
        await check_active_model(new.index)
    seen: list[int] = []
    assert await job_of(new).copy(seen.append) == 2
    assert seen[-1] == await job_of(new).total() == 2
    assert await old.index.active_model() == old.index.fingerprint
    outcome = await job_of(new).switch()
    assert (outcome.copied, outcome.queued) == (0, 0)
    await check_active_model(new.index)
    assert await new.found() == await old.found()
    assert {each.fingerprint for each in (await new.registry.page((await kb(new)).id)).documents} == {
        new.index.fingerprint
    }
    await new.submit("d1", "nhân viên nghỉ phép")
    assert new.queue.tasks == []  # nothing new, and known to be this model's


async def test_a_run_that_was_cut_off_is_taken_up(old: Side, new: Side) -> None:
    async def cut() -> None:
        raise InvalidInput("cut off")

    new.embedder.meanwhile = cut
    with pytest.raises(InvalidInput):
        await job_of(new).copy(lambda _: None)
    await job_of(new).copy(lambda _: None)
    before = len(new.embedder.calls)
    assert await job_of(new).copy(lambda _: None) == 0
    assert len(new.embedder.calls) == before
    assert await new.found() == await old.found()


async def test_deleted_while_copied_nothing_is_left(old: Side, new: Side) -> None:
    new.embedder.meanwhile = lambda: old.library.delete("kb", "d1")
    await job_of(new).copy(lambda _: None)
    assert set(await new.found()) == {"d2"}


async def test_deleted_after_it_was_copied_nothing_is_left(old: Side, new: Side) -> None:
    await job_of(new).copy(lambda _: None)
    await old.library.delete("kb", "d1")
    assert set(await new.found()) == {"d2"}
    await job_of(new).switch()
    await new.library.delete("kb", "d2")
    assert await new.found() == await old.found() == {}


async def test_added_and_replaced_meanwhile_the_newest_is_found(old: Side, new: Side) -> None:
    new.embedder.meanwhile = lambda: old.add("d1", "bảo hiểm mới")
    await job_of(new).copy(lambda _: None)
    await old.add("d3", "thêm sau")
    outcome = await job_of(new).switch()
    assert outcome.queued == 0
    assert await new.found() == await old.found()
    assert (await new.found())["d1"] == {"bảo hiểm mới"}


async def test_what_the_old_worker_holds_at_the_switch_goes_to_the_new_one(old: Side, new: Side) -> None:
    await job_of(new).copy(lambda _: None)
    old.embedder.meanwhile = lambda: job_of(new).switch()
    await old.add("d1", "bảo hiểm mới")
    document = await record(new)
    assert (document.state, document.error and document.error.code) == (DocumentState.QUEUED, "model_changed")
    await old.pipeline.process(IndexingTask.of(document))  # too late: not its model's any more
    assert (await record(new)).state is DocumentState.QUEUED
    await new.reconciler.run_once()
    await new.work()
    assert (await record(new)).state is DocumentState.READY
    assert (await new.found())["d1"] == {"bảo hiểm mới"}
    assert set(await new.found()) == {"d1", "d2"}


async def test_a_failed_revision_s_older_content_comes_along(old: Side, new: Side) -> None:
    await old.add("d1", " ")
    assert (await record(old)).state is DocumentState.FAILED
    await job_of(new).copy(lambda _: None)
    assert (await job_of(new).switch()).queued == 0
    assert (await new.found())["d1"] == {"nhân viên nghỉ phép"}


async def test_what_cannot_be_taken_over_is_made_anew(old: Side, new: Side, client: AsyncQdrantClient) -> None:
    await client.delete_collection(f"passages@{old.index.fingerprint}")
    await job_of(new).copy(lambda _: None)
    assert (await job_of(new).switch()).queued == 2
    await new.reconciler.run_once()
    await new.work()
    assert set(await new.found()) == {"d1", "d2"}


async def test_workers_of_the_new_model_leave_what_is_being_copied(old: Side, new: Side) -> None:
    cuts: list[bool] = []

    async def cut_once_something_is_staged() -> None:
        new.embedder.meanwhile = cut_once_something_is_staged
        if await new.index.staged() and not cuts:
            cuts.append(True)
            raise InvalidInput("cut off")

    new.embedder.meanwhile = cut_once_something_is_staged
    with pytest.raises(InvalidInput):
        await job_of(new).copy(lambda _: None)
    new.embedder.meanwhile = None
    staged = await new.index.staged()
    await new.reconciler.run_once()
    assert await new.index.staged() == staged != []
    await job_of(new).copy(lambda _: None)
    assert await new.found() == await old.found()
