"""Groups that change at any moment, with crashes at any step: no search shows what the record hides."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.pipeline import Pipeline
from ingest.reconcile import Reconciler
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents import access_changes
from phoserve.documents.access import UNRESTRICTED, Access, Audience
from phoserve.documents.access_changes import AccessChanges
from phoserve.documents.collections import Collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.library import Library
from phoserve.documents.ports import DocumentRegistry
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import Overloaded, Unavailable
from phoserve.text import TextPipeline
from tests.support.embedders import InterruptedEmbedder
from tests.support.memory import MemoryQueue
from tests.support.models import tiny_model
from tests.support.registry import add_collection, sqlite_registry

PARAGRAPHS = "\n\n".join(f"# Mục {number}\n\nnhân viên nghỉ phép {number} ngày ở hà nội" for number in range(200))
GROUPS = ("a", "b", "c")


class Killed(BaseException):
    """The process died here."""


class FaultyIndex(EdgePassageIndex):
    """Fails or dies in `set_access`, before or after it has worked, as the next faults name."""

    faults: list[tuple[str, type[BaseException]]]

    async def set_access(self, document_key: str, access: Any, version: int, *, here_only: bool = False) -> None:
        when, error = self.faults.pop(0) if self.faults else ("", None)
        if error and when == "before":
            raise error("index", "away") if error is Unavailable else error
        await super().set_access(document_key, access, version, here_only=here_only)
        if error:
            raise error("index", "away") if error is Unavailable else error


@dataclass
class Bench:
    """One process's worth of everything."""

    registry: DocumentRegistry
    kb: Collection
    index: FaultyIndex
    queue: MemoryQueue
    embedder: InterruptedEmbedder
    pipeline: Pipeline
    intake: Intake
    library: Library
    reconciler: Reconciler
    guards: list[AccessChanges] = field(default_factory=list)

    async def submit(self, id_: str = "d", text: str = "nhân viên nghỉ phép", access: Access | None = None) -> Document:
        draft = Draft(text.encode(), id=id_, media_type="text/markdown", access=access)
        [document] = await self.intake.submit("kb", [draft], audience=UNRESTRICTED)
        return document

    async def work(self) -> None:
        while self.queue.tasks:
            await self.pipeline.process(self.queue.tasks.pop(0))
            if self.embedder.happening:
                await self.embedder.happening

    async def share(self, access: Access, id_: str = "d") -> None:
        await self.library.set_access("kb", id_, access, audience=UNRESTRICTED)

    async def found(self, who: Audience) -> set[str]:
        """The ids that a search finds, as the retriever does it."""
        seen = await self.guards[0].narrow(who)
        vector = np.ones(self.embedder.contract.dim, np.float32)
        near = await self.index.nearest(self.kb.id, vector, limit=1000, audience=seen)
        read = await self.index.find(self.kb.id, [each.id for each in near], audience=seen)
        return {each.document_id for each in read.values()}

    async def listed(self, who: Audience) -> set[str]:
        return {each.id for each in (await self.library.documents("kb", audience=who)).documents}

    async def stored(self, id_: str = "d") -> Document:
        return await self.registry.get(self.kb, id_)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    embedder = InterruptedEmbedder()
    registry, index = sqlite_registry(tmp_path), FaultyIndex(tmp_path / "edge", embedder.contract)
    index.faults = []
    sources, queue = ObjectStoreSources(tmp_path / "originals"), MemoryQueue()
    models = IndexingModels([IndexingModel(index, StagingTools(embedder, TextPipeline.load(tiny_model(tmp_path))))])
    stores = registry, models.indexes, sources, queue
    yield Bench(
        registry, await add_collection(registry, "kb"), index, queue, embedder,
        Pipeline(registry=registry, models=models, sources=sources),
        Intake(*stores), Library(*stores), Reconciler(*stores), [AccessChanges(registry)],
    )  # fmt: skip
    await registry.close()
    await index.close()


def of(*groups: str) -> Audience:
    return Audience(frozenset(groups))


async def test_groups_that_change_while_the_document_is_indexed(bench: Bench) -> None:
    await bench.submit(text=PARAGRAPHS, access=("a",))
    bench.embedder.meanwhile = lambda: bench.share(("b",))
    await bench.work()
    stored = await bench.stored()
    assert (stored.state, stored.access, stored.attempts) == (DocumentState.READY, ("b",), 1), "no work was lost"
    assert await bench.found(of("a")) == set()
    assert await bench.found(of("b")) == {"d"}
    passages = await bench.index.passages(bench.kb.id, stored.key)
    assert {each.access for each in passages} == {("b",)}
    assert len(passages) == stored.passages


async def test_another_revision_still_ends_the_work(bench: Bench) -> None:
    """Only groups are taken over; other changes of the record make the work obsolete, with groups or without."""
    await bench.submit(text=PARAGRAPHS)

    async def revise_and_share() -> None:
        await bench.submit(text="bảo hiểm mới", access=("b",))

    bench.embedder.meanwhile = revise_and_share
    await bench.work()
    stored = await bench.stored()
    assert (stored.revision, stored.live_revision) == (2, 2)
    assert await bench.found(of("b")) == {"d"}
    assert len(await bench.index.passages(bench.kb.id, stored.key)) == 1


@pytest.mark.parametrize("error", [Unavailable, Killed])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_between_registry_and_index(bench: Bench, when: str, error: type[BaseException]) -> None:
    await bench.submit()
    await bench.work()
    assert await bench.found(of()) == {"d"}
    bench.index.faults = [(when, error)]
    with suppress(Killed):
        await bench.share(("a",))
    assert await bench.found(of()) == await bench.listed(of()) == set(), "hidden from the moment it was stored"
    assert len(await bench.registry.access_due(limit=10)) == 1
    await bench.reconciler.run_once()
    assert await bench.registry.access_due(limit=10) == []
    assert await bench.found(of()) == set()
    assert await bench.found(of("a")) == {"d"}


async def test_an_upload_with_other_groups_hides_the_live_revision_at_once(bench: Bench) -> None:
    await bench.submit()
    await bench.work()
    bench.index.faults = [("before", Unavailable)]
    await bench.submit(text="bản mới", access=("a",))
    assert await bench.found(of()) == set(), "although the new revision is not indexed yet"
    await bench.reconciler.run_once()
    await bench.work()
    assert await bench.found(of()) == set()
    assert await bench.found(of("a")) == {"d"}
    await bench.submit(text="bản thứ ba")
    await bench.work()
    assert (await bench.stored()).access == ("a",), "without groups in the upload they stay"
    assert await bench.found(of()) == set()


async def test_a_worker_that_stopped_before_publishing_is_replaced_with_the_groups_of_now(bench: Bench) -> None:
    await bench.submit(text=PARAGRAPHS)
    publish, reached = bench.index.publish, asyncio.Event()

    async def hang(_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    bench.index.publish = hang  # type: ignore[method-assign,assignment]
    working = asyncio.create_task(bench.work())
    await reached.wait()
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    bench.index.publish = publish  # type: ignore[method-assign]
    bench.index.faults = [("before", Unavailable)]
    await bench.share(("a",))
    models = IndexingModels([IndexingModel(bench.index, bench.pipeline.models.default.tools)])
    bench.pipeline = Pipeline(registry=bench.registry, models=models, sources=bench.pipeline.sources)
    bench.queue.tasks.clear()
    await bench.reconciler._queue_due(datetime.now(UTC), ignore_leases=True)
    await bench.work()
    assert (await bench.stored()).state is DocumentState.READY
    assert await bench.found(of()) == set()
    assert await bench.found(of("a")) == {"d"}


async def test_too_many_changes_that_wait_for_the_index_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_changes, "MAX_DUE", 3)
    for number in range(4):
        await bench.submit(f"d{number}")
    await bench.work()
    bench.index.faults = [("before", Unavailable)] * 3
    for number in range(3):
        await bench.share(("a",), f"d{number}")
    with pytest.raises(Overloaded, match="too many changes of groups"):
        await bench.share(("a",), "d3")
    assert await bench.found(of()) == {"d3"}
    await bench.reconciler.run_once()
    await bench.share(("a",), "d3")
    assert await bench.found(of()) == set()


async def test_while_the_registry_is_away_the_last_known_changes_stay_in_force(bench: Bench) -> None:
    await bench.submit()
    await bench.work()
    bench.index.faults = [("before", Unavailable)]
    await bench.share(("a",))
    assert await bench.found(of()) == set()

    async def away(**_: object) -> list[Document]:
        raise Unavailable("registry", "away")

    bench.registry.access_due = away  # type: ignore[method-assign]
    assert await bench.found(of()) == set()
    assert await bench.found(UNRESTRICTED) == {"d"}


class Writes:
    """Notes what is written to a registry while someone watches, from before it is written until after."""

    def __init__(self, registry: Any) -> None:
        self._save, self._watchers = registry.save, list[list[Document]]()
        self._in_flight: list[Document] = []
        registry.save = self.save

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        self._in_flight += documents
        for each in self._watchers:
            each += documents
        try:
            saved: list[Document | None] = await self._save(documents)
            return saved
        finally:
            for document in documents:
                self._in_flight.remove(document)

    @contextmanager
    def watched(self) -> Iterator[list[Document]]:
        written = list(self._in_flight)
        self._watchers.append(written)
        yield written
        self._watchers = [each for each in self._watchers if each is not written]


async def change_once(bench: Bench, rng: random.Random, ids: list[str]) -> None:
    """Change the groups of one document, with a fault half of the time."""
    faults: list[tuple[str, type[BaseException]]] = [("before", Killed), ("after", Killed), ("before", Unavailable)]
    bench.index.faults = [rng.choice(faults)] if rng.random() < 0.5 else []
    access = tuple(sorted(rng.sample(GROUPS, rng.randint(0, 2))))
    with suppress(Killed, Overloaded):
        if rng.random() < 0.3:
            await bench.submit(rng.choice(ids), text=f"bản {rng.random()}", access=access)
        else:
            await bench.share(access, rng.choice(ids))
    await asyncio.sleep(rng.random() / 200)


@pytest.mark.parametrize("seed", range(6))
async def test_no_search_shows_what_the_record_hid_when_it_began(
    bench: Bench, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers, uploads, workers and the reconciler interleave, the index fails or dies, and searches never lag."""
    # A registry that is slow on a busy machine is not one that is away.
    monkeypatch.setattr(access_changes, "PATIENCE_S", 30.0)
    rng = random.Random(seed)
    ids = [f"d{number}" for number in range(4)]
    for id_ in ids:
        await bench.submit(id_, text=f"nhân viên {id_}")
    await bench.work()
    done, checks, writes = asyncio.Event(), 0, Writes(bench.registry)

    async def change() -> None:
        for _ in range(25):
            await change_once(bench, rng, ids)

    async def maintain() -> None:
        while not done.is_set():
            with suppress(Killed, Unavailable):
                await bench.reconciler.run_once(ignore_leases=True)
            with suppress(Killed, Unavailable):
                await bench.work()
            await asyncio.sleep(0.01)

    async def search() -> None:
        nonlocal checks
        while not done.is_set():
            who = of(*rng.sample(GROUPS, rng.randint(0, 2)))
            with writes.watched() as written:
                seen = await bench.listed(who)
                found = await bench.found(who)
            opened = {each.id for each in written if who.sees(each.access)}
            assert found <= seen | opened, "shown although hidden all the while"
            checks += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        changes = [group.create_task(change()) for _ in range(3)]
        others = [group.create_task(maintain()), *(group.create_task(search()) for _ in range(3))]
        await asyncio.gather(*changes)
        done.set()
        await asyncio.gather(*others)
    assert checks > 50
    bench.index.faults = []
    await bench.reconciler.run_once(ignore_leases=True)
    await bench.work()
    for who in (of(), of("a"), of("b"), of("c"), of("a", "c"), UNRESTRICTED):
        ready = {each.id for each in (await bench.library.documents("kb", audience=who)).documents}
        assert await bench.found(who) == ready
