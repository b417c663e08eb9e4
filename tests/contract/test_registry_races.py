"""What the API acknowledges holds, whatever else happens to the same names at the same time.

Each test stops a use case at the worst moment, lets another one run, and resumes the first.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import Pipeline
from ingest.reconcile import Reconciler
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, IndexingTask
from phoserve.documents.records import Document, DocumentState
from phoserve.documents.removal import purge_collection, sweep_originals
from phoserve.errors import CollectionNotFound, Conflict, DocumentNotFound
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder
from tests.support.memory import MemoryIndex, MemoryQueue, MemorySources
from tests.support.models import tiny_model
from tests.support.pages import all_pages


class Paused:
    """A port whose next call of one method is preceded by something else."""

    def __init__(self, port: Any, method: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._port = port
        self._method = method
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)
        if name != self._method:
            return call

        async def paused(*arguments: Any, **named: Any) -> Any:
            meanwhile, self._meanwhile = self._meanwhile, None
            if meanwhile:
                await meanwhile()
            return await call(*arguments, **named)

        return paused


@dataclass
class Platform:
    registry: DocumentRegistry
    index: MemoryIndex
    text: TextPipeline
    sources: MemorySources = field(default_factory=MemorySources)
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    def intake(self, **ports: Any) -> Intake:
        stores: dict[str, Any] = {
            "registry": self.registry,
            "indexes": PassageStores([self.index]),
            "sources": self.sources,
            "queue": self.queue,
        } | ports
        return Intake(**stores)

    def library(self, **ports: Any) -> Library:
        stores: dict[str, Any] = {
            "registry": self.registry,
            "indexes": PassageStores([self.index]),
            "sources": self.sources,
            "queue": self.queue,
        } | ports
        return Library(**stores)

    async def post(self, id_: str = "d", text: str = "nghỉ phép", **ports: Any) -> Document:
        [document] = await self.intake(**ports).submit("kb", [Draft(text.encode(), id=id_)])
        return document

    async def delete(self, id_: str = "d") -> None:
        await self.library().delete("kb", id_)

    async def remake(self) -> Collection:
        await self.library().delete_collection("kb")
        return (await self.library().create_collection("kb"))[0]

    async def work(self) -> None:
        """Do all that is queued, and reconcile."""
        pipeline = Pipeline(
            registry=self.registry, sources=self.sources,
            models=IndexingModels([IndexingModel(self.index, StagingTools(WordHashEmbedder(), self.text))]),
        )  # fmt: skip
        while self.queue.tasks:
            await pipeline.process(self.queue.tasks.pop(0))
        await Reconciler(self.registry, PassageStores([self.index]), self.sources, self.queue).run_once()

    async def check(self, **expected: str) -> None:
        """Every document is ready with that text, its original is there, and nothing else is."""
        await self.work()
        kb = await self.registry.collection("kb")
        documents = await all_pages(self.registry, kb.id, limit=100)
        assert {each.id: each.state for each in documents} == dict.fromkeys(expected, DocumentState.READY)
        for each in documents:
            assert (await self.sources.read(each.original.key)).decode() == expected[each.id]
            assert [p.text for p in await self.index.passages(kb.id, each.key)] == [expected[each.id]]
        assert await self.index.count() == len(expected)
        assert await self.index.staged() == []
        assert sum((await self.registry.counts()).values()) == len(expected)
        stored = [key async for key, _ in self.sources.keys("")]
        originals = [key for key in stored if not key.endswith(".txt")]
        assert sorted(originals) == sorted(each.original.key for each in documents), "no original is left behind"
        texts = {key.rpartition("/")[2].partition(".")[0] for key in stored if key.endswith(".txt")}
        assert texts == {each.key for each in documents}, "texts go with their documents"


@pytest.fixture(params=["sqlite", "postgres"])
async def platform(
    request: pytest.FixtureRequest, tmp_path: Path, new_database: Callable[[str], str]
) -> AsyncIterator[Platform]:
    registry = SqlRegistry(open_database(new_database(request.param)))
    platform = Platform(
        registry, MemoryIndex(WordHashEmbedder().contract.fingerprint), TextPipeline.load(tiny_model(tmp_path))
    )
    await platform.library().create_collection("kb")
    yield platform
    await registry.close()


async def test_a_collection_made_again_keeps_what_is_posted_to_it(platform: Platform) -> None:
    await platform.post("old")

    async def remake_and_post() -> None:
        await platform.library().create_collection("kb")
        await platform.post("new")

    # The deletion is interrupted after it was acknowledged by the registry, before anything is emptied.
    slow = Paused(platform.registry, "remove_documents", remake_and_post)
    await platform.library(registry=slow).delete_collection("kb")
    await platform.check(new="nghỉ phép")


async def test_a_deletion_that_is_completed_late_spares_the_collection_made_again(platform: Platform) -> None:
    await platform.post("old")
    old = await platform.registry.collection("kb")
    await platform.remake()
    await platform.post("new")
    await platform.work()
    await purge_collection(old.id, platform.registry, PassageStores([platform.index]), platform.sources)
    platform.queue.tasks.append(IndexingTask.purge(old))
    await platform.check(new="nghỉ phép")


async def test_a_purge_of_a_collection_that_is_not_being_deleted_does_nothing(platform: Platform) -> None:
    await platform.post("d")
    kb = await platform.registry.collection("kb")
    platform.queue.tasks.append(IndexingTask.purge(kb))
    await platform.check(d="nghỉ phép")


async def test_a_post_to_a_collection_that_is_deleted_meanwhile_is_refused_or_kept(platform: Platform) -> None:
    for method in ("find", "save"):
        slow = Paused(platform.registry, method, platform.remake)
        with pytest.raises(CollectionNotFound):
            await platform.post("lost", registry=slow)
        await platform.check()
    slow_upload = Paused(platform.sources, "put", platform.remake)
    with pytest.raises(CollectionNotFound):
        await platform.post("lost", sources=slow_upload)
    await platform.check()


async def test_a_batch_to_a_collection_that_is_made_again_meanwhile_does_not_land_in_the_new_one(
    platform: Platform,
) -> None:
    drafts = [Draft(b"x", id=f"d{number}") for number in range(20)]
    slow = Paused(platform.registry, "save", platform.remake)
    with pytest.raises(CollectionNotFound):
        await platform.intake(registry=slow).submit("kb", drafts)
    await platform.post("new")
    await platform.check(new="nghỉ phép")


async def test_a_put_while_a_collection_is_deleted_makes_a_new_one(platform: Platform) -> None:
    before = await platform.registry.collection("kb")
    slow = Paused(platform.registry, "update_collection", lambda: platform.library().delete_collection("kb"))
    made, is_new = await platform.library(registry=slow).create_collection("kb", description="neu")
    assert is_new
    assert made.id != before.id


async def test_a_document_deleted_while_it_is_replaced_ends_with_the_replacement(platform: Platform) -> None:
    await platform.post(text="cũ")
    await platform.work()
    for port, method in (("sources", "put"), ("registry", "find"), ("registry", "save")):
        slow = Paused(getattr(platform, port), method, platform.delete)
        await platform.post(text=f"mới {method} {port}", **{port: slow})  # type: ignore[arg-type]
        await platform.check(d=f"mới {method} {port}")


async def test_a_document_replaced_while_it_is_deleted_is_gone_or_replaced(platform: Platform) -> None:
    await platform.post(text="cũ")
    await platform.work()
    # Replaced between the look-up and the mark: the deletion comes after the replacement.
    slow = Paused(platform.registry, "save", lambda: platform.post(text="mới"))
    await platform.library(registry=slow).delete("kb", "d")
    await platform.check()
    await platform.post(text="cũ")
    await platform.work()
    # Replaced when passages and originals are being removed: the deletion is complete, and then comes the new one.
    slow_sources = Paused(platform.sources, "delete", lambda: platform.post(text="mới"))
    await platform.library(sources=slow_sources).delete("kb", "d")
    await platform.check(d="mới")


async def test_a_document_that_no_longer_matches_is_not_deleted_by_a_filter(platform: Platform) -> None:
    await platform.post("a", text="cũ")
    await platform.post("b")
    await platform.work()
    await platform.post("a", text="mới")  # queued again

    async def finish() -> None:
        await platform.work()

    slow = Paused(platform.registry, "save", finish)
    deleted = await platform.library(registry=slow).delete_where("kb", states=[DocumentState.QUEUED])
    assert deleted == 0
    await platform.check(a="mới", b="nghỉ phép")


async def test_a_reindex_while_the_document_is_deleted_does_not_bring_it_back(platform: Platform) -> None:
    await platform.post()
    await platform.work()
    slow = Paused(platform.registry, "save", platform.delete)
    with pytest.raises(DocumentNotFound):
        await platform.intake(registry=slow).reindex("kb", "d")
    await platform.check()
    await platform.post()
    await platform.work()
    slow = Paused(platform.registry, "save", platform.delete)
    assert await platform.intake(registry=slow).reindex_all("kb") == 0
    await platform.check()


async def test_two_replacements_at_once_are_both_kept_in_turn(platform: Platform) -> None:
    await platform.post(text="cũ")
    await platform.work()
    slow = Paused(platform.registry, "save", lambda: platform.post(text="thứ nhất"))
    document = await platform.post(text="thứ hai", registry=slow)
    assert document.revision == 3
    await platform.check(d="thứ hai")


async def test_many_at_once_on_the_same_documents(platform: Platform) -> None:
    async def client(number: int) -> None:
        for round_ in range(5):
            try:
                await platform.post(f"d{round_ % 2}", text=f"bản {number} {round_}")
            except Conflict:  # ten lost rounds: the client should retry
                continue
            if number % 3 == 0:
                try:
                    await platform.delete(f"d{round_ % 2}")
                except DocumentNotFound:
                    continue

    await asyncio.gather(*(client(number) for number in range(6)))
    await platform.work()
    kb = await platform.registry.collection("kb")
    documents = await all_pages(platform.registry, kb.id, limit=100)
    texts = {each.id: (await platform.sources.read(each.original.key)).decode() for each in documents}
    await platform.check(**texts)


async def test_a_sweep_spares_the_original_of_a_document_that_was_made_again(platform: Platform) -> None:
    await platform.post(text="cũ")
    slow = Paused(platform.sources, "put", platform.delete)
    await platform.post(text="mới", sources=slow)
    far = (await platform.registry.get(await platform.registry.collection("kb"), "d")).created_at.replace(year=2100)
    assert await sweep_originals(platform.registry, platform.sources, stored_before=far) == 0
    await platform.check(d="mới")
