"""A change of a collection's model finds exactly the documents of the registry, despite concurrent changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.pipeline import Pipeline
from ingest.reconcile import Reconciler
from ingest.reembed import Changed, ChangeStopped, Reembedder
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.contract import ModelContract
from phoserve.documents.access import UNRESTRICTED
from phoserve.documents.active_model import settle_models
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library, ModelName
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, IndexingTask
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import Conflict, InvalidInput
from phoserve.search.ports import PassageIndex
from phoserve.text import TextPipeline
from tests.support.embedders import InterruptedEmbedder, fake_contract
from tests.support.memory import MemoryQueue
from tests.support.models import tiny_model
from tests.support.qdrant_server import qdrant_client, qdrant_server
from tests.support.registry import sqlite_registry

LONG = "\n\n".join(f"# Mục {number}\n\nnhân viên nghỉ phép {number} ngày ở hà nội" for number in range(150))
OLD = msgspec.structs.replace(fake_contract(64), name="tests/old")
NEW = msgspec.structs.replace(fake_contract(32), name="tests/new")


class Bench:
    """API and worker of some models, over stores that all of them share."""

    def __init__(self, folder: Path, registry: DocumentRegistry, *indexes: PassageIndex, dims: dict[str, int]) -> None:
        self.registry, self.queue = registry, MemoryQueue()
        self.sources = ObjectStoreSources(folder / "originals")
        self.embedders = {
            each.fingerprint: InterruptedEmbedder(fake_contract(dims[each.fingerprint])) for each in indexes
        }
        text = TextPipeline.load(tiny_model(folder))
        self.models = IndexingModels(
            [IndexingModel(each, StagingTools(self.embedders[each.fingerprint], text)) for each in indexes]
        )
        stores: Any = (registry, self.models.indexes, self.sources, self.queue)
        self.pipeline = Pipeline(registry=registry, models=self.models, sources=self.sources)
        self.intake, self.library, self.reconciler = Intake(*stores), Library(*stores), Reconciler(*stores)
        self.reembedder = Reembedder(registry, self.models, self.sources, self.queue)

    def index(self, contract: ModelContract) -> Any:
        return self.models.indexes.find(contract.fingerprint)

    async def submit(self, id_: str, content: str) -> None:
        await self.intake.submit("kb", [Draft(content.encode(), id=id_, media_type="text/markdown")])

    async def work(self) -> None:
        while self.queue.tasks:
            await self.pipeline.process(self.queue.tasks.pop(0))

    async def add(self, id_: str, content: str) -> None:
        await self.submit(id_, content)
        await self.work()

    async def kb(self) -> Collection:
        return await self.registry.collection("kb")

    async def record(self, id_: str = "d1") -> Document:
        return await self.registry.get(await self.kb(), id_)

    async def start(self) -> None:
        await self.library.change_model("kb", ModelName(NEW.name, NEW.fingerprint))

    async def change(self) -> Changed | None:
        return await self.reembedder.change(await self.kb())

    async def texts(self, contract: ModelContract) -> dict[str, set[str]]:
        """The texts that the model's index has, by document, with anything staged or of no document."""
        index, kb = self.index(contract), await self.kb()
        page = await self.registry.page(kb.id, limit=1000)
        texts = {each.id: await index.passages(kb.id, each.key) for each in page.documents}
        assert await index.count(kb.id) == sum(len(each) for each in texts.values())
        assert await index.staged() == []
        return {id_: {passage.text for passage in each} for id_, each in texts.items() if each}


@pytest.fixture(params=["edge", "qdrant"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        registry = sqlite_registry(tmp_path)
        stack.push_async_callback(registry.close)
        indexes: list[PassageIndex] = []
        if request.param == "qdrant":
            server = stack.enter_context(qdrant_server(tmp_path / "qdrant"))
            client = await stack.enter_async_context(qdrant_client(server))
        for contract in (OLD, NEW):
            if request.param == "qdrant":
                indexes.append(QdrantPassageIndex(client, contract, QdrantOptions()))
            else:
                indexes.append(EdgePassageIndex(tmp_path / "index", contract))
            stack.push_async_callback(indexes[-1].close)
        dims = {OLD.fingerprint: 64, NEW.fingerprint: 32}
        bench = Bench(tmp_path, registry, *indexes, dims=dims)
        await bench.library.create_collection("kb", model=ModelName(OLD.name, OLD.fingerprint))
        await bench.add("d1", "nhân viên nghỉ phép")
        await bench.add("d2", LONG)
        yield bench


async def test_the_new_model_finds_all_and_the_old_passages_stay_for_a_while(bench: Bench) -> None:
    before = await bench.texts(OLD)
    await bench.start()
    assert (await bench.kb()).fingerprint == OLD.fingerprint
    assert await bench.change() == Changed(copied=2, queued=0)
    kb = await bench.kb()
    assert (kb.model, kb.fingerprint, kb.reembedding) == (NEW.name, NEW.fingerprint, None)
    assert await bench.texts(NEW) == await bench.texts(OLD) == before
    assert kb.searchable_fingerprints == (NEW.fingerprint, OLD.fingerprint)
    await bench.submit("d1", "nhân viên nghỉ phép")
    assert bench.queue.tasks == []  # nothing new, and known to be this model's
    await bench.reembedder.run_once()
    assert await bench.texts(OLD) == before
    [former] = kb.retired
    over = msgspec.structs.replace(former, until=datetime.now(UTC))
    await bench.registry.update_collection(msgspec.structs.replace(kb, retired=(over,)))
    await bench.reembedder.run_once()
    assert (await bench.texts(OLD), await bench.texts(NEW)) == ({}, before)
    assert (await bench.kb()).retired == ()


async def test_a_change_that_was_cut_off_is_continued(bench: Bench) -> None:
    async def cut() -> None:
        raise InvalidInput("cut off")

    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = cut
    with pytest.raises(InvalidInput):
        await bench.change()
    assert await bench.change() is None  # its lease has not ended
    kb = await bench.kb()
    await bench.registry.update_collection(kb.extend_reembedding(timedelta()))
    await bench.change()
    assert await bench.texts(NEW) == await bench.texts(OLD)
    assert (await bench.kb()).fingerprint == NEW.fingerprint


async def test_deleted_while_copied_nothing_is_left(bench: Bench) -> None:
    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = lambda: bench.library.delete("kb", "d1")
    await bench.change()
    assert set(await bench.texts(NEW)) == {"d2"}


async def test_deleted_after_it_was_copied_nothing_is_left(bench: Bench) -> None:
    await bench.start()
    await bench.reembedder.copy(await bench.kb(), NEW.fingerprint)
    await bench.library.delete("kb", "d1")
    await bench.change()
    assert set(await bench.texts(NEW)) == {"d2"}
    await bench.library.delete("kb", "d2")
    assert await bench.texts(NEW) == await bench.texts(OLD) == {}


async def test_documents_added_and_replaced_meanwhile_are_embedded_by_both(bench: Bench) -> None:
    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = lambda: bench.add("d1", "bảo hiểm mới")
    await bench.add("d3", "thêm sau")
    await bench.change()
    assert await bench.texts(NEW) == await bench.texts(OLD)
    assert (await bench.texts(NEW))["d1"] == {"bảo hiểm mới"}
    assert set(await bench.texts(NEW)) == {"d1", "d2", "d3"}


@pytest.mark.parametrize("when", ["before", "while it is copied", "afterwards"])
async def test_groups_that_change_are_those_of_the_new_passages(bench: Bench, when: str) -> None:
    async def share() -> None:
        await bench.library.set_access("kb", "d1", ["hr"], audience=UNRESTRICTED)

    if when == "before":
        await share()
    await bench.start()
    if when == "afterwards":
        await bench.reembedder.copy(await bench.kb(), NEW.fingerprint)
        # By a process that does not serve the new model.
        alone = PassageStores([bench.index(OLD)])
        await Library(bench.registry, alone, bench.sources, bench.queue).set_access(
            "kb", "d1", ["hr"], audience=UNRESTRICTED
        )
    else:
        bench.embedders[NEW.fingerprint].meanwhile = share
    await bench.change()
    found = await bench.index(NEW).passages((await bench.kb()).id, (await bench.record()).key)
    assert [each.access for each in found] == [("hr",)]


async def test_a_worker_that_knew_nothing_of_the_change_does_it_again(bench: Bench) -> None:
    async def start_and_change() -> None:
        await bench.start()
        await bench.change()

    bench.embedders[OLD.fingerprint].meanwhile = start_and_change
    await bench.add("d1", "bảo hiểm mới")
    document = await bench.record()
    assert (document.state, document.fingerprint) == (DocumentState.READY, NEW.fingerprint)
    assert (await bench.texts(NEW))["d1"] == {"bảo hiểm mới"}


async def test_a_worker_that_published_for_the_former_model_never_makes_the_document_ready(bench: Bench) -> None:
    """The registry refuses: the change may come between the worker's last look and its last write."""
    [document] = list((await bench.registry.find((await bench.kb()).id, ["d1"])).values())
    [claimed] = await bench.registry.save([document.reindex()])
    assert claimed is not None
    [claimed] = await bench.registry.save([claimed.claim(timedelta(seconds=30))])
    assert claimed is not None
    [indexed] = await bench.registry.save([claimed.indexed(1, OLD.fingerprint, timedelta(seconds=30))])
    assert indexed is not None
    await bench.start()
    assert await bench.registry.save([indexed.ready()]) == [None]
    both = msgspec.structs.replace(indexed, target_fingerprint=NEW.fingerprint)
    assert await bench.registry.save([both.ready()]) != [None]


async def test_a_failed_revision_s_older_content_comes_along(bench: Bench) -> None:
    await bench.add("d1", " ")
    assert (await bench.record()).state is DocumentState.FAILED
    await bench.start()
    assert await bench.change() == Changed(copied=2, queued=0)
    assert (await bench.texts(NEW))["d1"] == {"nhân viên nghỉ phép"}


async def test_what_is_lost_or_not_whole_is_indexed_again(bench: Bench) -> None:
    await bench.index(OLD).discard((await bench.record("d1")).key, up_to=1)
    document = await bench.record("d2")
    await bench.registry.save([msgspec.structs.replace(document, passages=document.passages + 1)])
    await bench.start()
    assert await bench.change() == Changed(copied=0, queued=2)
    await bench.work()
    assert set(await bench.texts(NEW)) == {"d1", "d2"}
    assert (await bench.record("d2")).passages == await bench.index(NEW).count((await bench.kb()).id) - 1


async def test_reconciling_leaves_what_is_being_copied(bench: Bench) -> None:
    looks: list[bool] = []

    async def reconcile() -> None:
        bench.embedders[NEW.fingerprint].meanwhile = reconcile
        staged = await bench.index(NEW).staged()
        await bench.reconciler.run_once()
        # The copy continues meanwhile: it may have staged other documents.
        assert [each for each in await bench.index(NEW).staged() if each in staged] == staged
        looks.append(bool(staged))

    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = reconcile
    await bench.change()
    assert any(looks)
    assert await bench.texts(NEW) == await bench.texts(OLD)


async def test_a_cancelled_change_leaves_nothing_and_may_start_again(bench: Bench) -> None:
    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = lambda: bench.library.cancel_model_change("kb")
    with pytest.raises(ChangeStopped):
        await bench.change()
    kb = await bench.kb()
    assert (kb.fingerprint, kb.reembedding, kb.searchable_fingerprints) == (OLD.fingerprint, None, (OLD.fingerprint,))
    [target] = kb.retired
    assert target.until > datetime.now(UTC)  # the end of the lease of the process that worked on it
    over = msgspec.structs.replace(kb, retired=(msgspec.structs.replace(target, until=datetime.now(UTC)),))
    await bench.registry.update_collection(over)
    await bench.reembedder.run_once()
    await bench.reconciler.run_once()
    assert await bench.texts(NEW) == {}
    assert set(await bench.texts(OLD)) == {"d1", "d2"}
    await bench.start()
    await bench.change()
    assert await bench.texts(NEW) == await bench.texts(OLD)


async def test_passages_that_are_being_deleted_are_not_used_again(bench: Bench) -> None:
    await bench.start()
    await bench.change()
    kb = await bench.kb()
    await bench.registry.update_collection(kb.discard_retired(OLD.fingerprint))
    with pytest.raises(Conflict, match="are being deleted"):
        await bench.library.change_model("kb", ModelName(OLD.name, OLD.fingerprint))


async def test_back_to_the_former_model_nothing_is_embedded_again(bench: Bench) -> None:
    await bench.start()
    await bench.change()
    await bench.add("d3", "thêm sau")
    before = len(bench.embedders[OLD.fingerprint].calls)
    await bench.library.change_model("kb", ModelName(OLD.name, OLD.fingerprint))
    assert await bench.change() == Changed(copied=1, queued=0)
    assert len(bench.embedders[OLD.fingerprint].calls) == before + 1
    assert (await bench.kb()).fingerprint == OLD.fingerprint
    assert set(await bench.texts(OLD)) == {"d1", "d2", "d3"}


async def test_a_collection_deleted_meanwhile_leaves_nothing(bench: Bench) -> None:
    await bench.start()
    kb = await bench.kb()
    bench.embedders[NEW.fingerprint].meanwhile = lambda: bench.library.delete_collection("kb")
    with pytest.raises(ChangeStopped):
        await bench.change()
    for contract in (OLD, NEW):
        assert await bench.index(contract).count(kb.id) == 0
    await bench.reconciler.run_once()
    assert await bench.index(NEW).staged() == []


async def test_two_processes_share_the_work_of_one(bench: Bench) -> None:
    await bench.start()
    kb = await bench.kb()
    outcomes = await asyncio.gather(bench.reembedder.change(kb), bench.reembedder.change(kb))
    assert sorted(outcome is None for outcome in outcomes) == [False, True]
    assert await bench.texts(NEW) == await bench.texts(OLD)


async def test_a_process_that_serves_one_of_both_models_leaves_documents_to_others(
    bench: Bench, tmp_path: Path
) -> None:
    dims = {OLD.fingerprint: 64}
    alone = Bench(tmp_path, bench.registry, bench.index(OLD), dims=dims)
    await bench.start()
    await alone.submit("d1", "bảo hiểm mới")
    task = alone.queue.tasks[0]
    await alone.work()
    assert (await bench.record()).state is DocumentState.QUEUED
    assert await alone.reembedder.change(await bench.kb()) is None
    await bench.pipeline.process(IndexingTask.of(await bench.record()))
    assert (await bench.record()).state is DocumentState.READY
    assert task.revision == 2
    await bench.change()
    # Its searches read the former passages, until they are deleted.
    assert alone.models.indexes.of(await bench.kb()) is bench.index(OLD)


async def test_collections_of_earlier_versions_get_the_model_of_the_platform(bench: Bench) -> None:
    kb = await bench.kb()
    await bench.registry.update_collection(msgspec.structs.replace(kb, fingerprint="", model=""))
    await bench.index(OLD).activate()
    names = {OLD.fingerprint: OLD.name, NEW.fingerprint: NEW.name}
    assert await settle_models(bench.registry, bench.models.indexes, lambda each: names.get(each, "")) == []
    kb = await bench.kb()
    assert (kb.fingerprint, kb.model) == (OLD.fingerprint, OLD.name)
    only_new = IndexingModels([IndexingModel(bench.index(NEW), bench.models.default.tools)])
    assert await settle_models(bench.registry, only_new.indexes, lambda _: "") == [kb]


async def test_groups_that_change_while_the_documents_are_copied(bench: Bench) -> None:
    await bench.library.set_access("kb", "d1", ["a"], audience=UNRESTRICTED)
    await bench.start()
    bench.embedders[NEW.fingerprint].meanwhile = lambda: bench.library.set_access(
        "kb", "d2", ["b"], audience=UNRESTRICTED
    )
    assert await bench.change() == Changed(copied=2, queued=0)
    kb = await bench.kb()
    assert kb.fingerprint == NEW.fingerprint
    for contract in (OLD, NEW):
        index = bench.index(contract)
        for id_, access in (("d1", ("a",)), ("d2", ("b",))):
            passages = await index.passages(kb.id, (await bench.record(id_)).key)
            assert {each.access for each in passages} == {access}
    assert (await bench.record("d2")).is_embedded_by([NEW.fingerprint])
