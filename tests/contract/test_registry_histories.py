"""Random histories of several processes on the same records: no update is lost.

Each process changes records as the use cases do: it reads, makes the next version and saves it. What is acknowledged as
stored is what the registry must have in the end, each version exactly once, and counts must be those of the records.
"""

import asyncio
import json
import random
import subprocess
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.records import Document, DocumentState, Original, new_document
from phoserve.errors import CollectionNotFound
from tests.support.memory import MemoryRegistry
from tests.support.pages import all_pages

PROCESSES = 4
STEPS = 150
IDS = 6
LEASE = timedelta(seconds=30)
START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
AUDIENCES = (UNRESTRICTED, Audience(frozenset()), Audience(frozenset({"a"})), Audience(frozenset({"b", "c"})))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    return new_database(request.param)


async def test_several_processes_lose_no_update(url: str) -> None:
    registry = SqlRegistry(open_database(url))
    await registry.add_collection(new_collection("kb"))
    command = [sys.executable, "-m", __name__, url]
    processes = [
        await asyncio.create_subprocess_exec(*command, str(seed), stdout=subprocess.PIPE) for seed in range(PROCESSES)
    ]
    outputs = await asyncio.gather(*(each.communicate() for each in processes))
    assert [each.returncode for each in processes] == [0] * PROCESSES
    stored: dict[str, list[int]] = defaultdict(list)
    removed: Counter[str] = Counter()
    for output, _ in outputs:
        for line in output.splitlines():
            event = json.loads(line)
            if event["what"] == "stored":
                stored[event["key"]].append(event["version"])
            else:
                removed[event["key"]] += 1
    kb = await registry.collection("kb")
    documents = {each.key: each for each in await all_pages(registry, kb.id, limit=100)}
    assert sum(map(len, stored.values())) > PROCESSES * STEPS / 3, "most steps change something"
    for key, versions in stored.items():
        assert sorted(versions) == list(range(1, len(versions) + 1)), "each version was acknowledged to one process"
        if key in documents:
            assert documents[key].version == len(versions)
            assert not removed[key]
        else:
            assert removed[key] >= 1
    assert documents.keys() <= stored.keys()
    counts = Counter(each.state for each in documents.values())
    assert await registry.counts(kb.id) == counts == await registry.counts()
    assert await registry.drift() == 0
    await registry.close()


async def test_counts_stay_right_while_records_and_counts_are_repaired(url: str) -> None:
    registry = SqlRegistry(open_database(url))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None
    await registry.save([next_version(random.Random(number), kb, f"d{number}", None) for number in range(10)])

    written, is_repaired = 0, False

    async def write(seed: int) -> None:
        nonlocal written
        rng = random.Random(1000 + seed)
        while not is_repaired:
            [saved] = await registry.save([next_version(rng, kb, uuid.uuid4().hex, None)])
            assert saved is not None
            await registry.save([saved.share(("a",))])
            written += 1

    async def repair() -> None:
        nonlocal is_repaired
        damage = text("UPDATE documents SET metadata = '17' WHERE id = :id")
        for number in range(10):
            if number < 5:
                await registry.drift(repair=True)
            values = {"id": f"d{number}"}
            await registry.database.write(lambda each, values=values: each.execute(damage, values).close())  # type: ignore[misc]
            for record in await registry.damaged():
                await registry.mend(record)
        is_repaired = True

    await asyncio.gather(*map(write, range(4)), repair())
    assert await registry.drift() == 0
    assert sum((await registry.counts(kb.id)).values()) == 10 + written
    wrong = text("UPDATE document_counts SET documents = documents + 3")
    unfound = text("DELETE FROM filter_keys")
    for statement in (wrong, unfound, text("DELETE FROM document_counts")):
        await registry.database.write(lambda each, statement=statement: each.execute(statement).close())  # type: ignore[misc]
        assert await registry.drift() == await registry.drift(repair=True) > 0
        assert await registry.drift() == 0
    assert await registry.counts(kb.id, audience=Audience(frozenset({"a"}))) == {DocumentState.QUEUED: 10 + written}
    assert await registry.counts(kb.id, audience=Audience(frozenset())) == {DocumentState.QUEUED: 10}
    await registry.close()


async def change(url: str, seed: int) -> None:
    """Be one of the processes."""
    rng = random.Random(seed)
    registry = SqlRegistry(open_database(url))
    kb = await registry.collection("kb")

    async def step() -> None:
        ids = rng.sample([f"d{number}" for number in range(IDS)], rng.randint(1, 3))
        known = await registry.find(kb.id, ids)
        if known and rng.random() < 0.1:
            gone = next(iter(known.values()))
            await registry.remove([gone])
            if gone.key not in await registry.find_keys([gone.key]):
                tell("removed", gone)
            return
        versions = [next_version(rng, kb, id_, known.get(id_)) for id_ in ids]
        for saved in await registry.save(versions):
            if saved:
                tell("stored", saved)

    def tell(what: str, document: Document) -> None:
        sys.stdout.write(json.dumps({"what": what, "key": document.key, "version": document.version}) + "\n")

    for _ in range(STEPS // 3):
        await asyncio.gather(*(step() for _ in range(3)))
    await registry.close()


def next_version(rng: random.Random, kb: Collection, id_: str, known: Document | None) -> Document:
    if known is None:
        original = Original(key=f"{kb.id}/{rng.getrandbits(64)}", sha256="0", size_bytes=1, media_type="text/plain")
        return new_document(kb, id_, original)
    if rng.random() < 0.3:
        return known.share(rng.choice([(), ("a",), ("a", "b"), ("c",)]))
    if known.state is DocumentState.QUEUED:
        return known.claim(LEASE)
    if known.state is DocumentState.PROCESSING and rng.random() < 0.5:
        return known.indexed(1, "f", LEASE).ready()
    return known.reindex()


class Histories(RuleBasedStateMachine):
    """The database and the fake do the same, whatever is done in whatever order, with whatever version at hand."""

    url = ""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.real = SqlRegistry(open_database(self.url))
        self.fake = MemoryRegistry()
        self.versions: list[Document] = []
        self.collections: list[Collection] = []
        self.names = [f"c{uuid.uuid4().hex}" for _ in range(2)]  # every history has collections of its own
        self.add_collection(0)

    def both(self, method: str, *arguments: Any, **named: Any) -> Any:
        outcomes = []
        for registry in (self.real, self.fake):
            try:
                outcomes.append(self.runner.run(getattr(registry, method)(*arguments, **named)))
            except CollectionNotFound:
                outcomes.append(CollectionNotFound)
        assert outcomes[0] == outcomes[1], (method, arguments)
        return outcomes[0]

    @rule(name=st.integers(0, 1))
    def add_collection(self, name: int) -> None:
        added = self.both("add_collection", new_collection(self.names[name]))
        self.collections += [added] if added else []

    @rule(data=st.data(), deleting=st.booleans())
    def update_collection(self, data: st.DataObject, deleting: bool) -> None:
        before = data.draw(st.sampled_from(self.collections))
        updated = self.both("update_collection", msgspec.structs.replace(before, deleting=before.deleting or deleting))
        self.collections += [updated] if updated else []

    @rule(data=st.data())
    def remove_collection(self, data: st.DataObject) -> None:
        self.both("remove_collection", data.draw(st.sampled_from(self.collections)).id)

    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        drafts: list[Document] = []
        for _ in range(data.draw(st.integers(1, 3))):
            is_change: bool = data.draw(st.booleans())
            if self.versions and is_change:
                before = data.draw(st.sampled_from(self.versions))
                drafts.append(
                    next_version(random.Random(data.draw(st.integers(0, 9))), self.collections[0], "", before)
                )
            else:
                kb = data.draw(st.sampled_from(self.collections))
                key = f"{kb.id}/{uuid.uuid4().hex}"
                original = Original(key=key, sha256="0", size_bytes=1, media_type="text/plain")
                drafts.append(new_document(kb, f"d{data.draw(st.integers(0, 3))}", original))
        saved = self.both("save", drafts)
        if saved is not CollectionNotFound:
            self.versions += [each for each in saved if each]

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.versions:
            self.both("remove", [data.draw(st.sampled_from(self.versions))])

    @invariant()
    def the_same_is_stored(self) -> None:
        for name in self.names:
            self.both("collection", name)
        for collection_id in {each.id for each in self.collections}:
            self.both("counts", collection_id)
            found = [self.runner.run(all_pages(each, collection_id, limit=3)) for each in (self.real, self.fake)]
            assert found[0] == found[1]
            for audience in AUDIENCES:
                self.both("counts", collection_id, audience=audience)
                self.both("changed", collection_id, since=START, audience=audience)
                pages = [
                    self.runner.run(each.page(collection_id, audience=audience)) for each in (self.real, self.fake)
                ]
                assert pages[0].documents == pages[1].documents
        ids = {each.id for each in self.collections}
        due = [
            self.runner.run(each.due(END, states=tuple(DocumentState), limit=999)) for each in (self.real, self.fake)
        ]
        of_this_history = [{each.key: each for each in found if each.collection_id in ids} for found in due]
        assert of_this_history[0] == of_this_history[1]
        assert self.runner.run(self.real.drift()) == 0

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.real.close())
            self.runner.close()


def test_any_history_ends_as_in_the_fake(url: str) -> None:
    class OfUrl(Histories):
        pass

    OfUrl.url = url
    quick = settings(max_examples=10, stateful_step_count=12, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(OfUrl, settings=quick)


if __name__ == "__main__":
    asyncio.run(change(sys.argv[1], int(sys.argv[2])))
