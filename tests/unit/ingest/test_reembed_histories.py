"""Whatever happens while a collection changes its model, search finds every ready document, by vectors of one model."""

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ingest.pipeline import Pipeline, PipelineOptions
from ingest.reconcile import Reconciler
from ingest.reembed import ChangeStopped, Reembedder
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.contract import InputType
from phoserve.documents.access import UNRESTRICTED
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library, ModelName
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import IndexingTask
from phoserve.documents.records import UNFINISHED, DocumentState
from phoserve.embedding.ports import Embeddings
from phoserve.errors import Conflict, DocumentNotFound, Unavailable
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder, fake_contract
from tests.support.memory import MemoryEngine, MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources
from tests.support.models import tiny_model

CONTRACTS = [msgspec.structs.replace(fake_contract(16), name=name) for name in ("team/a", "team/b", "team/c")]
IDS = ("d1", "d2", "d3")
Event = Callable[["Bench"], Coroutine[Any, Any, object]]


class SignedEmbedder(WordHashEmbedder):
    """Vectors that show which model made them: three models of one dimension, whose vectors all differ."""

    async def embed(
        self, texts: Any, *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        return await super().embed([f"{self.contract.name} {text}" for text in texts], input_type=input_type)


@dataclass
class Process:
    """A process of the platform, which may be killed."""

    is_alive: bool = True


class Died(Unavailable):
    """The process was killed, so it makes no further call."""

    def __init__(self) -> None:
        super().__init__("process", "killed")


class Interrupted:
    """A store of one process. Before each call the next events happen, as other processes act between two calls."""

    def __init__(self, store: Any, bench: "Bench", process: Process) -> None:
        self._store = store
        self._bench = bench
        self._process = process

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._bench.meanwhile(self._process)
            if not self._process.is_alive:
                raise Died
            return await found(*arguments, **named)

        return call


class Bench:
    """A platform of three models in memory.

    Before each call of a change or a worker, the next of `events` happen: each after a number of such calls.
    """

    def __init__(self, text: TextPipeline, events: list[tuple[int, list[Event]]]) -> None:
        self.registry, self.queue, self.sources = MemoryRegistry(), MemoryQueue(), MemorySources()
        self.events = events
        self.running = 0
        self.found: set[str] = set()
        self.text = text
        self.embedders = [SignedEmbedder(contract) for contract in CONTRACTS]
        engine = MemoryEngine()
        self.indexes = [MemoryIndex(contract.fingerprint, engine) for contract in CONTRACTS]
        self.stores = PassageStores(self.indexes)
        stores: Any = (self.registry, self.stores, self.sources, self.queue)
        self.intake, self.library, self.reconciler = Intake(*stores), Library(*stores), Reconciler(*stores)

    def start(self, process: Process) -> tuple[Any, IndexingModels, Any]:
        """Return the registry, the models and the originals as a process uses them."""
        indexes: list[Any] = [Interrupted(index, self, process) for index in self.indexes]
        tools = zip(indexes, self.embedders, strict=True)
        models = IndexingModels([IndexingModel(index, StagingTools(each, self.text)) for index, each in tools])
        return Interrupted(self.registry, self, process), models, Interrupted(self.sources, self, process)

    async def reembed(self) -> None:
        """Carry out the changes in a new process."""
        registry, models, sources = self.start(Process())
        await Reembedder(registry, models, sources, self.queue).run_once()

    async def work(self) -> None:
        """Process what is queued in a new process."""
        registry, models, sources = self.start(Process())
        pipeline = Pipeline(registry=registry, models=models, sources=sources, options=WITHOUT_PAUSES)
        while self.queue.tasks:
            await pipeline.process(self.queue.tasks.pop(0))

    async def meanwhile(self, process: Process) -> None:
        """Let the next events happen if it is time, in other tasks as on a server."""
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
                if event is kill:
                    process.is_alive = False
                else:
                    await asyncio.create_task(self.happen(event))
        finally:
            self.running -= 1

    async def check_found(self) -> None:
        """Check that searches find each document that was ready once, in one revision, at every moment."""
        kb = await self.registry.collection("kb")
        searched = self.stores.of(kb)
        for each in (await self.registry.page(kb.id, limit=100)).documents:
            if each.live_revision and each.state is not DocumentState.DELETING:
                passages = await searched.passages(kb.id, each.key)
                found = {passage.revision for passage in passages}
                assert len(found) <= 1, f"{each.id} is found in the revisions {found}"
                assert found or each.key not in self.found, f"{each.id} is found no longer"
                self.found |= {each.key} if found else set()
                if each.state not in UNFINISHED:  # else its new revision is being published
                    assert found == {each.live_revision}, f"{each.id} is found as it was before"
                if each.access_due_at is None:  # else searches hide what the index may still show
                    assert {passage.access for passage in passages} <= {each.access}

    async def happen(self, event: Event) -> None:
        with contextlib.suppress(Conflict, ChangeStopped, DocumentNotFound, Died):
            await event(self)

    async def settle(self) -> None:
        """Let what was begun be finished, as time does: leases end, workers work, changes are carried out."""
        for _ in range(20):
            await crash(self)
            await self.happen(reembed)
            await self.reconciler.run_once(ignore_leases=True)
            kb = await self.registry.collection("kb")
            page = await self.registry.page(kb.id, limit=100)
            waiting = [each for each in page.documents if each.state in UNFINISHED]
            self.queue.tasks[:] = [IndexingTask.of(each) for each in waiting]
            await self.work()
            kb = await self.registry.collection("kb")
            if kb.reembedding is None and not waiting:
                await an_hour(self)
                return await self.happen(reembed)
        raise AssertionError(f"no end: {kb}, {page}")


async def submit(bench: Bench, *, id_: str, text: str) -> None:
    await bench.intake.submit("kb", [Draft(text.encode(), id=id_)])


async def work(bench: Bench) -> None:
    await bench.work()


async def add(bench: Bench, *, id_: str, text: str) -> None:
    await submit(bench, id_=id_, text=text)
    await bench.work()


async def delete(bench: Bench, *, id_: str) -> None:
    await bench.library.delete("kb", id_, audience=UNRESTRICTED)


async def change(bench: Bench, *, to: int) -> None:
    await bench.library.change_model("kb", ModelName(CONTRACTS[to].name, CONTRACTS[to].fingerprint))


async def cancel(bench: Bench) -> None:
    await bench.library.cancel_model_change("kb")


async def share(bench: Bench, *, id_: str, groups: tuple[str, ...]) -> None:
    await bench.library.set_access("kb", id_, groups, audience=UNRESTRICTED)


async def switch(bench: Bench, *, to: int) -> None:
    await change(bench, to=to)
    await bench.reembed()


async def reembed(bench: Bench) -> None:
    await bench.reembed()


async def kill(bench: Bench) -> None:
    """Kill the process that is about to make a call; `Bench.meanwhile` does."""


async def reconcile(bench: Bench) -> None:
    await bench.reconciler.run_once()


async def an_hour(bench: Bench) -> None:
    """Passages of former models are kept no longer."""
    kb = await bench.registry.collection("kb")
    retired = tuple(msgspec.structs.replace(each, until=datetime.now(UTC)) for each in kb.retired)
    await bench.registry.update_collection(msgspec.structs.replace(kb, retired=retired))


async def crash(bench: Bench) -> None:
    """All leases end: on the change, on documents."""
    kb = await bench.registry.collection("kb")
    if kb.reembedding is not None:
        await bench.registry.update_collection(kb.extend_reembedding(timedelta()))
    page = await bench.registry.page(kb.id, states=[DocumentState.PROCESSING], limit=100)
    await bench.registry.save([each.update_progress(each.progress, timedelta()) for each in page.documents])


WITHOUT_PAUSES = PipelineOptions(retry_in=timedelta())
LONG = " ".join(["nghỉ phép năm mười hai ngày."] * 12)
"""A text of several passages."""
TEXTS = st.one_of(
    st.just(LONG), st.lists(st.sampled_from(["học", "sinh", "nghỉ", "lương"]), min_size=1, max_size=6).map(" ".join)
)
EVENTS = st.one_of(
    st.builds(partial, st.just(add), id_=st.sampled_from(IDS), text=TEXTS),
    st.builds(partial, st.just(submit), id_=st.sampled_from(IDS), text=TEXTS),
    st.just(work),
    st.builds(partial, st.just(delete), id_=st.sampled_from(IDS)),
    st.builds(partial, st.just(change), to=st.integers(0, 2)),
    st.builds(partial, st.just(switch), to=st.integers(0, 2)),
    st.builds(partial, st.just(share), id_=st.sampled_from(IDS), groups=st.sampled_from([(), ("a",), ("b", "c")])),
    st.just(reembed),
    st.sampled_from([cancel, reconcile, an_hour, crash]),
    st.sampled_from([kill, crash]),
)


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    """Render no log lines, which takes longer than what they are about."""
    with capture_logs():
        yield


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TextPipeline:
    return TextPipeline.load(tiny_model(tmp_path_factory.mktemp("model")))


async def filled(text: TextPipeline) -> Bench:
    """Return a platform with a collection of ready documents, one of which has groups, one several passages."""
    bench = Bench(text, [])
    await bench.library.create_collection("kb", model=ModelName(CONTRACTS[0].name, CONTRACTS[0].fingerprint))
    for id_ in IDS:
        await submit(bench, id_=id_, text=LONG if id_ == "d2" else f"học {id_}")
    await bench.work()
    await share(bench, id_="d3", groups=("a",))
    return bench


async def check(bench: Bench) -> None:
    """Every document is found, in the index of the collection's model, by that model's vectors; nothing else is."""
    await bench.check_found()
    kb = await bench.registry.collection("kb")
    searched = bench.stores.of(kb)
    assert searched.fingerprint == kb.fingerprint
    documents = (await bench.registry.page(kb.id, limit=100)).documents
    assert {each.state for each in documents} <= {DocumentState.READY}
    passages = 0
    for document in documents:
        assert document.is_embedded_by([kb.fingerprint])
        text = (await bench.sources.read(document.original.key)).decode()
        found = await searched.passages(kb.id, document.key)
        assert "".join(each.text for each in found).replace(" ", "") == text.replace(" ", "")
        assert {(each.revision, each.access) for each in found} == {(document.revision, document.access)}
        assert document.passages == len(found)
        passages += len(found)
    assert await searched.count(kb.id) == passages
    assert kb.retired == ()
    for index, embedder in zip(bench.indexes, bench.embedders, strict=True):
        for entry in index._live.values():
            [wanted] = (await embedder.embed([entry.passage.text])).vectors
            np.testing.assert_array_equal(entry.vector, wanted)
        assert index._staged == {}


RENEWED = partial(add, id_="d1", text="nghỉ phép")
TAKEN_OVER: list[Event] = [crash, reembed]
AWKWARD: list[list[Event]] = [
    [cancel, RENEWED, partial(switch, to=1)],
    [cancel, an_hour, partial(switch, to=1)],
    [cancel, partial(change, to=2)],
    [partial(delete, id_="d1"), RENEWED],
    [partial(submit, id_="d1", text="lương"), crash, reembed, work],
    [partial(submit, id_="d1", text="lương"), partial(switch, to=1), work],
    [partial(share, id_="d1", groups=("b",))],
    [*TAKEN_OVER, RENEWED],
    [*TAKEN_OVER, partial(delete, id_="d1")],
    [*TAKEN_OVER, partial(share, id_="d1", groups=("b",))],
    [partial(switch, to=1), an_hour, partial(switch, to=0)],
    [RENEWED, kill],
    [partial(delete, id_="d1"), kill],
    [partial(switch, to=1), kill],
    [cancel],
    [reconcile],
    [kill],
]
"""Sequences that a random choice seldom makes."""
MEANWHILE = st.one_of(st.lists(EVENTS, min_size=1, max_size=3), st.sampled_from(AWKWARD))
NESTED = st.lists(st.tuples(st.integers(0, 15), MEANWHILE), max_size=6)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@example(events=[partial(add, id_="d1", text="lương")], nested=[(0, [partial(switch, to=1)])])
@example(events=[partial(switch, to=1)], nested=[(0, [partial(add, id_="d1", text="lương")])])
@example(events=[partial(switch, to=1)], nested=[(0, [partial(delete, id_="d1")])])
@example(events=[partial(switch, to=1)], nested=[(0, [cancel, an_hour, partial(switch, to=1)])])
@example(events=[partial(change, to=1), cancel, an_hour, reembed], nested=[(2, [partial(switch, to=1)])])
@given(events=st.lists(EVENTS, max_size=6).map(lambda before: [*before, partial(switch, to=1)]), nested=NESTED)
def test_any_history_ends_with_every_document_found_by_one_model(
    text: TextPipeline, events: list[Event], nested: list[tuple[int, list[Event]]]
) -> None:
    async def play() -> None:
        bench = await filled(text)
        bench.events = list(nested)
        for event in events:
            await bench.happen(event)
        bench.events = []
        await bench.settle()
        await check(bench)

    asyncio.run(play())


SWITCH: list[Event] = [partial(switch, to=1)]
WORK: list[Event] = [partial(submit, id_="d1", text="nghỉ học"), work]


@pytest.mark.parametrize(("before", "begun"), [([], SWITCH), ([], WORK), (SWITCH, [partial(switch, to=2)])])
@pytest.mark.parametrize("sequence", range(len(AWKWARD)))
def test_an_awkward_sequence_at_any_call(
    text: TextPipeline, before: list[Event], begun: list[Event], sequence: int
) -> None:
    """During a change of the model, the indexing of a document, or a second change."""

    async def play(moment: int) -> bool:
        bench = await filled(text)
        for event in before:
            await bench.happen(event)
        bench.events = [(moment, AWKWARD[sequence])]
        for event in begun:
            await bench.happen(event)
        is_over = bool(bench.events)
        bench.events = []
        await bench.settle()
        await check(bench)
        if begun is WORK:
            await bench.happen(partial(switch, to=2))
            await bench.settle()
            await check(bench)
        return is_over

    moment = 0
    while not asyncio.run(play(moment)):
        moment += 1
    assert moment > 5
