"""The graph of the embedded index is built while it serves, and nothing is lost wherever that is interrupted."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from structlog.testing import capture_logs

from phoserve.adapters.edge.graph import BuildFailed, GraphOptions
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.edge.shard import CurrentShard, ShardSize, model_folder, read_current
from phoserve.contract import ModelContract
from phoserve.documents.filters import Match
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import Unavailable
from phoserve.search.ports import PassageIndex
from phoserve.text.lexical import SparseVector
from tests.support.patience import patient
from tests.support.polling import eventually
from tests.support.processes import command_lines

DIM: Final = 32
CONTRACT: Final = ModelContract(name="tiny", dim=DIM, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
GRAPH: Final = GraphOptions(check_every_s=3600, indexing_threshold_kb=10, threads=1, nice=0)
PASSAGES: Final = 20


def key_of(document: int) -> str:
    return f"{document:032x}"


def document(number: int, revision: int) -> list[IndexedPassage]:
    numbers = np.random.default_rng((number, revision))
    made = []
    for ordinal in range(PASSAGES):
        text = f"tài liệu {number} bản {revision} đoạn {ordinal}"
        passage = Passage(
            collection=f"c{number % 2}", document_id=f"d{number}", document_key=key_of(number), revision=revision,
            ordinal=ordinal, title="", text=text, headings=(), start=0, end=len(text), metadata={"year": number % 5},
        )  # fmt: skip
        indices = np.unique(numbers.integers(0, 300, 12)).astype(np.uint32)
        terms = SparseVector(indices, np.ones(len(indices), np.float32))
        made.append(IndexedPassage(passage, numbers.standard_normal(DIM).astype(np.float32), terms))
    return made


async def add(index: PassageIndex, number: int, revision: int = 1, *, publish: bool = True) -> None:
    await index.stage(document(number, revision))
    if publish:
        await index.publish([(key_of(number), revision)])


async def contents(index: PassageIndex) -> object:
    """All that can be read: what is staged and published, and what searches find."""
    numbers = np.random.default_rng(1)
    found: list[object] = [await index.staged(), await index.published(), await index.count()]
    for collection in ("c0", "c1"):
        for _ in range(5):
            terms = SparseVector(np.sort(numbers.choice(300, 5, False)).astype(np.uint32), np.ones(5, np.float32))
            hits = await index.matching(collection, terms, limit=1000)
            found.append(sorted((hit.id, round(hit.score, 3)) for hit in hits))
            passages = await index.find(collection, [hit.id for hit in hits])
            found.append(sorted(passage.text for passage in passages.values()))
    return found


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[EdgeProcessIndex]:
    index = await EdgeProcessIndex(tmp_path / "index", CONTRACT, GRAPH).start()
    yield index
    await index.close()


def shards(folder: Path) -> list[str]:
    return sorted(path.name for path in model_folder(folder, CONTRACT.fingerprint).glob("shard*"))


@pytest.mark.parametrize("seed", range(2))
async def test_writes_during_a_build_are_all_there_afterwards(
    index: EdgeProcessIndex, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    same = EdgePassageIndex(tmp_path / "same", CONTRACT)
    revisions = dict.fromkeys(range(60), 1)
    for number in revisions:
        for each in (index, same):
            await add(each, number)

    async def change() -> None:
        number = chance.randrange(90)
        revision = revisions[number] = revisions.get(number, 0) + 1
        kind = chance.choice(["add", "add", "add", "stage", "discard", "many"])
        for each in (index, same):
            if kind in {"add", "stage"}:
                await add(each, number, revision, publish=kind == "add")
            elif kind == "discard":
                await each.discard(key_of(number), up_to=revision, staged_only=seed == 1)
            else:
                await each.discard_many([key_of(number), key_of(number + 1)])

    for _ in range(2):  # of a shard without a graph, and of one that has one
        building = asyncio.create_task(index.build_graph())
        changes = 0
        while not building.done():
            await change()
            changes += 1
            assert await index.nearest("c0", np.ones(DIM, np.float32), limit=3)
        await building
        assert changes > 5
        assert await contents(index) == await contents(same)
        for _ in range(10):
            await change()
        assert await contents(index) == await contents(same)
    assert shards(tmp_path / "index") == ["shard-3"]
    await index.close()
    again = await EdgeProcessIndex(tmp_path / "index", CONTRACT, GRAPH).start()
    assert await contents(again) == await contents(same)
    await again.close()
    await same.close()


async def test_what_is_nearest_is_found_with_the_graph_with_and_without_a_filter(index: EdgeProcessIndex) -> None:
    for number in range(400):
        await add(index, number)
    vectors = {each.passage.id: each for number in range(0, 400, 2) for each in document(number, 1)}
    await index.build_graph()
    queries = np.random.default_rng(7).standard_normal((20, DIM)).astype(np.float32)
    for where in (None, Match("year", 2)):
        same = 0
        for query in queries:
            hits = await index.nearest("c0", query, limit=10, where=where)
            scores = {
                id_: float(query @ each.vector / np.linalg.norm(each.vector))
                for id_, each in vectors.items()
                if where is None or each.passage.metadata["year"] == 2
            }
            exact = sorted(scores, key=scores.__getitem__)[-10:]
            same += len({hit.id for hit in hits} & set(exact))
        assert same >= 0.97 * 10 * len(queries)


async def test_cancelled_callers_do_not_change_the_order_of_writes(index: EdgeProcessIndex) -> None:
    for number in range(10):
        await add(index, number)
    building = asyncio.create_task(index.build_graph())
    for number in range(10, 60):
        writing = asyncio.create_task(add(index, number))
        await asyncio.sleep(0.001)
        writing.cancel()
        await asyncio.wait([writing])
        await index.discard_many([key_of(number)])
    await building
    assert {key for key, _ in [*await index.published(), *await index.staged()]} == {key_of(each) for each in range(10)}


@pytest.mark.parametrize("step", ["copy", "optimize"])
async def test_a_builder_that_dies_changes_nothing(index: EdgeProcessIndex, tmp_path: Path, step: str) -> None:
    for number in range(60):
        await add(index, number)
    before = await contents(index)
    building = asyncio.create_task(index.build_graph())

    async def killed() -> bool:
        for pid, command in command_lines():
            if "phoserve.adapters.edge.builder" in command and step in command and str(tmp_path) in " ".join(command):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    await eventually(killed)
    with pytest.raises(BuildFailed, match=f"step {step} ended with status -9"):
        await building
    assert shards(tmp_path / "index") == ["shard"]
    await add(index, 100)
    await index.discard_many([key_of(100)])
    assert await contents(index) == before
    await index.build_graph()
    assert await contents(index) == before


async def test_an_engine_that_dies_during_a_build_is_started_again(index: EdgeProcessIndex, tmp_path: Path) -> None:
    for number in range(60):
        await add(index, number)
    before = await contents(index)
    building = asyncio.create_task(index.build_graph())
    await asyncio.sleep(0.3)
    for pid, command in command_lines():
        if "phoserve.adapters.edge.server" in command and str(tmp_path) in " ".join(command):
            os.kill(pid, signal.SIGKILL)
    with pytest.raises((BuildFailed, Unavailable, OSError)):
        await building

    async def back() -> bool:
        try:
            return await contents(index) == before
        except Unavailable:
            return False

    await eventually(back)
    await index.build_graph()
    assert await contents(index) == before


async def test_closing_ends_a_build(tmp_path: Path) -> None:
    options = GraphOptions(least_points=100, check_every_s=0.1, indexing_threshold_kb=10, threads=1, nice=0)
    index = await EdgeProcessIndex(tmp_path, CONTRACT, options).start()
    for number in range(60):
        await add(index, number)

    async def builds() -> bool:
        return any("phoserve.adapters.edge.builder" in command for _, command in command_lines())

    await eventually(builds)
    await index.close()
    assert not [command for _, command in command_lines() if str(tmp_path) in " ".join(command)]
    again = await EdgeProcessIndex(tmp_path, CONTRACT, GRAPH).start()
    assert len(shards(tmp_path)) == 1
    assert await again.count() == 60 * PASSAGES
    await again.close()


async def test_too_little_disk_space_is_logged_and_serving_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    options = GraphOptions(least_points=100, check_every_s=0.05, indexing_threshold_kb=10)
    with capture_logs() as logged:
        index = await EdgeProcessIndex(tmp_path, CONTRACT, options).start()
        for number in range(10):
            await add(index, number)

        async def warned() -> bool:
            return bool(logged)

        await eventually(warned)
        assert await index.count() == 10 * PASSAGES
        await index.close()
    assert [each["event"] for each in logged] == ["graph_build_failed"]
    assert "MB of free disk space" in logged[0]["reason"]
    assert shards(tmp_path) == ["shard"]


async def test_it_is_built_when_it_is_out_of_date(tmp_path: Path) -> None:
    options = GraphOptions(least_points=1_000, check_every_s=0.1, indexing_threshold_kb=10, nice=0)

    async def built() -> bool:
        return shards(tmp_path) == ["shard-2"]

    with capture_logs() as logged:
        index = await EdgeProcessIndex(tmp_path, CONTRACT, options).start()
        for number in range(60):
            await add(index, number)
        await eventually(built)
        await index.close()
    (event,) = [each for each in logged if each["event"] == "graph_built"]
    assert 0 < event["writes_waited_s"] < event["seconds"]
    assert read_current(model_folder(tmp_path, CONTRACT.fingerprint)).points >= 1_000


@pytest.mark.parametrize(
    ("points", "size", "built", "expected"),
    [
        (9_000, 40_000_000, CurrentShard(), False),
        (11_000, 40_000_000, CurrentShard(), True),
        (105_000, 525_000_000, CurrentShard("shard-2", 100_000, 500_000_000), False),
        (112_000, 560_000_000, CurrentShard("shard-2", 100_000, 500_000_000), True),
        (100_000, 560_000_000, CurrentShard("shard-2", 100_000, 500_000_000), True),  # replaced, not grown
        (1_040_000, 5_200_000_000, CurrentShard("shard-2", 1_000_000, 5_000_000_000), False),
        (1_060_000, 5_300_000_000, CurrentShard("shard-2", 1_000_000, 5_000_000_000), True),
        (70_000, 500_000_000, CurrentShard("shard-2", 100_000, 500_000_000), True),  # deleted
        (90_000, 500_000_000, CurrentShard("shard-2", 100_000, 500_000_000), False),
        (0, 70_000_000, CurrentShard("shard-2", 100_000, 500_000_000), True),
        (0, 70_000_000, CurrentShard("shard-2", 0, 70_000_000), False),
    ],
)
def test_when_a_graph_is_out_of_date(points: int, size: int, built: CurrentShard, expected: bool) -> None:
    assert GraphOptions().asks_for(ShardSize(points, size), built) is expected


WRITER: Final = """
import asyncio, sys
from pathlib import Path
from phoserve.adapters.edge.process import EdgeProcessIndex
from tests.integration.test_edge_graph import CONTRACT, GRAPH, add

async def main(folder, first):
    index = await EdgeProcessIndex(folder, CONTRACT, GRAPH).start()
    async def build():
        while True:
            await index.build_graph()
            print("built", flush=True)
    building = asyncio.create_task(build())
    number = first
    while not building.done():
        await add(index, number)
        print(number, flush=True)
        number += 1
        await asyncio.sleep(0.01)
    await building

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    chance, acknowledged, built = random.Random(5), set[int](), 0
    for turn in range(4):
        begun = max(acknowledged, default=0) + 1
        command = [sys.executable, "-c", WRITER, str(tmp_path / "index"), str(begun)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # At any moment, or shortly after a build.
            until = time.monotonic() + chance.uniform(0, min(5, patient(3))) if turn % 2 else float("inf")
            for line in process.stdout:
                if line.startswith("built"):
                    built += 1
                    until = min(until, time.monotonic() + chance.uniform(0, 1))
                elif line.strip().isdigit():
                    acknowledged.add(int(line))
                if time.monotonic() > until:
                    process.kill()
        asyncio.run(check(tmp_path / "index", acknowledged))
    assert built >= 2


async def check(folder: Path, acknowledged: set[int]) -> None:
    """All that was acknowledged is there, whole, in one shard."""
    index = await EdgeProcessIndex(folder, CONTRACT, GRAPH).start()
    published = {key for key, _ in await index.published()}
    assert {key_of(number) for number in acknowledged} <= published
    assert await index.count() == len(published) * PASSAGES
    assert len(shards(folder)) == 1
    await index.close()
