"""Whatever happens while a collection changes its model, search finds every ready document, by vectors of one model."""

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.pipeline import Pipeline
from ingest.reconcile import Reconciler
from ingest.reembed import ChangeStopped, Reembedder
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.contract import InputType, ModelContract
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library, ModelName
from phoserve.documents.ports import IndexingTask
from phoserve.documents.records import DocumentState
from phoserve.embedding.ports import Embeddings
from phoserve.errors import Conflict, DocumentNotFound
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder, fake_contract
from tests.support.memory import MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources
from tests.support.models import tiny_model

CONTRACTS = [msgspec.structs.replace(fake_contract(16), name=name) for name in ("team/a", "team/b", "team/c")]
IDS = ("d1", "d2", "d3")
Event = Callable[["Bench"], Coroutine[Any, Any, object]]


class SignedEmbedder(WordHashEmbedder):
    """Vectors that show which model made them: three models of one dimension, whose vectors all differ."""

    def __init__(self, contract: ModelContract, bench: "Bench") -> None:
        super().__init__(contract)
        self._bench = bench

    async def embed(
        self, texts: Any, *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        await self._bench.meanwhile()
        return await super().embed([f"{self.contract.name} {text}" for text in texts], input_type=input_type)


class Interrupted:
    """A store between whose calls the next events happen, as other processes act between them."""

    def __init__(self, store: Any, bench: "Bench") -> None:
        self._store = store
        self._bench = bench

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._bench.meanwhile()
            return await found(*arguments, **named)

        return call


class Bench:
    """A platform of three models in memory.

    While a model embeds, and between the calls of a change, the next of `events` happen: each after a number of such
    moments.
    """

    def __init__(self, folder: Path, events: list[tuple[int, list[Event]]]) -> None:
        self.registry, self.queue, self.sources = MemoryRegistry(), MemoryQueue(), MemorySources()
        self.events = events
        self.running = 0
        text = TextPipeline.load(tiny_model(folder))
        self.embedders = [SignedEmbedder(contract, self) for contract in CONTRACTS]
        self.indexes = [MemoryIndex(contract.fingerprint) for contract in CONTRACTS]
        pairs = zip(self.indexes, self.embedders, strict=True)
        self.models = IndexingModels([IndexingModel(index, StagingTools(each, text)) for index, each in pairs])
        stores: Any = (self.registry, self.models.indexes, self.sources, self.queue)
        self.pipeline = Pipeline(registry=self.registry, models=self.models, sources=self.sources)
        self.intake, self.library, self.reconciler = Intake(*stores), Library(*stores), Reconciler(*stores)
        interrupted: list[Any] = [Interrupted(index, self) for index in self.indexes]
        tools = zip(interrupted, self.embedders, strict=True)
        changing = IndexingModels([IndexingModel(index, StagingTools(each, text)) for index, each in tools])
        registry: Any = Interrupted(self.registry, self)
        self.reembedder = Reembedder(registry, changing, self.sources, self.queue)

    async def meanwhile(self) -> None:
        """Let the next events happen if their moment has come, in other tasks as on a server."""
        await self.check_found()
        if not self.events or self.running >= 3:
            return
        moments, events = self.events[0]
        if moments:
            self.events[0] = moments - 1, events
            return
        self.events.pop(0)
        self.running += 1
        try:
            for event in events:
                await asyncio.create_task(self.happen(event))
        finally:
            self.running -= 1

    async def check_found(self) -> None:
        """Check that searches find every document that was ready once, now and not only in the end."""
        kb = await self.registry.collection("kb")
        searched = self.models.indexes.of(kb)
        for each in (await self.registry.page(kb.id, limit=100)).documents:
            if each.live_revision and each.state is not DocumentState.DELETING:
                found = {passage.revision for passage in await searched.passages(kb.id, each.key)}
                # A process that lost its change may publish an older revision too, until it compares the records.
                assert found, f"{each.id} is not found"
                if each.state is not DocumentState.PROCESSING:  # its new revision is being published
                    assert max(found) >= each.live_revision, f"{each.id} is found as it was before"

    async def happen(self, event: Event) -> None:
        with contextlib.suppress(Conflict, ChangeStopped, DocumentNotFound):
            await event(self)

    async def work(self) -> None:
        while self.queue.tasks:
            await self.pipeline.process(self.queue.tasks.pop(0))

    async def settle(self) -> None:
        """Let what was begun be finished, as time does: leases end, workers work, changes are carried out."""
        for _ in range(20):
            kb = await self.registry.collection("kb")
            if kb.reembedding is not None:
                await self.registry.update_collection(kb.extend_reembedding(timedelta()))
            await self.happen(lambda bench: bench.reembedder.run_once())
            await self.reconciler.run_once(ignore_leases=True)
            page = await self.registry.page(kb.id, limit=100)
            waiting = [each for each in page.documents if each.state is DocumentState.QUEUED]
            self.queue.tasks[:] = [IndexingTask.of(each) for each in waiting]
            await self.work()
            kb = await self.registry.collection("kb")
            if kb.reembedding is None and not waiting:
                return
        raise AssertionError(f"no end: {kb}, {page}")


async def submit(bench: Bench, *, id_: str, text: str) -> None:
    await bench.intake.submit("kb", [Draft(text.encode(), id=id_)])


async def work(bench: Bench) -> None:
    await bench.work()


async def add(bench: Bench, *, id_: str, text: str) -> None:
    await submit(bench, id_=id_, text=text)
    await bench.work()


async def delete(bench: Bench, *, id_: str) -> None:
    await bench.library.delete("kb", id_)


async def change(bench: Bench, *, to: int) -> None:
    await bench.library.change_model("kb", ModelName(CONTRACTS[to].name, CONTRACTS[to].fingerprint))


async def cancel(bench: Bench) -> None:
    await bench.library.cancel_model_change("kb")


async def switch(bench: Bench, *, to: int) -> None:
    await change(bench, to=to)
    await bench.reembedder.run_once()


async def reembed(bench: Bench) -> None:
    await bench.reembedder.run_once()


async def reconcile(bench: Bench) -> None:
    await bench.reconciler.run_once()


async def an_hour(bench: Bench) -> None:
    """Passages of former models are kept no longer."""
    kb = await bench.registry.collection("kb")
    now = datetime.now(UTC)
    due = kb.reembedding.due_at if kb.reembedding else now
    retired = tuple(msgspec.structs.replace(each, until=min(due, now)) for each in kb.retired)
    await bench.registry.update_collection(msgspec.structs.replace(kb, retired=retired))


async def crash(bench: Bench) -> None:
    """The lease on the change ends."""
    kb = await bench.registry.collection("kb")
    if kb.reembedding is not None:
        await bench.registry.update_collection(kb.extend_reembedding(timedelta()))


TEXTS = st.lists(st.sampled_from(["học", "sinh", "nghỉ", "phép", "lương"]), min_size=1, max_size=6).map(" ".join)
EVENTS = st.one_of(
    st.builds(partial, st.just(add), id_=st.sampled_from(IDS), text=TEXTS),
    st.builds(partial, st.just(submit), id_=st.sampled_from(IDS), text=TEXTS),
    st.just(work),
    st.builds(partial, st.just(delete), id_=st.sampled_from(IDS)),
    st.builds(partial, st.just(change), to=st.integers(0, 2)),
    st.builds(partial, st.just(switch), to=st.integers(0, 2)),
    st.just(reembed),
    st.sampled_from([cancel, reconcile, an_hour, crash]),
)


async def check(bench: Bench) -> None:
    """Every document is found, in the index of the collection's model, by that model's vectors; nothing else is."""
    kb = await bench.registry.collection("kb")
    searched = bench.models.indexes.of(kb)
    assert searched.fingerprint == kb.fingerprint
    documents = (await bench.registry.page(kb.id, limit=100)).documents
    assert {each.state for each in documents} <= {DocumentState.READY}
    for document in documents:
        text = (await bench.sources.read(document.original.key)).decode()
        found = await searched.passages(kb.id, document.key)
        assert [(each.text, each.revision) for each in found] == [(text, document.revision)]
        assert document.passages == 1
    assert await searched.count(kb.id) == len(documents)
    for index, embedder in zip(bench.indexes, bench.embedders, strict=True):
        for entry in index._live.values():
            [wanted] = (await embedder.embed([entry.passage.text])).vectors
            np.testing.assert_array_equal(entry.vector, wanted)
        assert index._staged == {}


RENEWED = partial(add, id_="d1", text="nghỉ phép")
AWKWARD: list[list[Event]] = [
    [cancel, RENEWED, partial(switch, to=1)],
    [cancel, an_hour, partial(switch, to=1)],
    [partial(delete, id_="d1"), RENEWED],
    [partial(submit, id_="d1", text="lương"), crash, reembed, work],
]
"""Sequences that a random choice seldom makes."""
MEANWHILE = st.one_of(st.lists(EVENTS, min_size=1, max_size=3), st.sampled_from(AWKWARD))
NESTED = st.lists(st.tuples(st.integers(0, 15), MEANWHILE), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(events=[partial(add, id_="d1", text="lương")], nested=[(0, [partial(switch, to=1)])])
@example(events=[partial(switch, to=1)], nested=[(0, [partial(add, id_="d1", text="lương")])])
@example(events=[partial(switch, to=1)], nested=[(0, [partial(delete, id_="d1")])])
@example(events=[partial(switch, to=1)], nested=[(0, [cancel, an_hour, partial(switch, to=1)])])
@given(events=st.lists(EVENTS, max_size=6).map(lambda before: [*before, partial(switch, to=1)]), nested=NESTED)
def test_any_history_ends_with_every_document_found_by_one_model(
    events: list[Event], nested: list[tuple[int, list[Event]]]
) -> None:
    async def play(folder: Path) -> None:
        bench = Bench(folder, [])
        await bench.library.create_collection("kb", model=ModelName(CONTRACTS[0].name, CONTRACTS[0].fingerprint))
        for id_ in IDS:
            await submit(bench, id_=id_, text=f"học {id_}")
        await bench.work()
        bench.events = list(nested)
        for event in events:
            await bench.happen(event)
        bench.events = []
        await bench.settle()
        await check(bench)

    with TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))
