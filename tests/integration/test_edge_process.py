"""The search engine in its own process: the same index, whatever becomes of either process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.edge.shard import model_folder
from phoserve.contract import ModelContract
from phoserve.documents.filters import Match
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import ConfigurationError, EngineFailed, InvalidInput, Unavailable
from phoserve.text.lexical import SparseVector
from tests.support.patience import patient
from tests.support.polling import eventually
from tests.support.processes import command_lines

CONTRACT = ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
KEY, OTHER_KEY = "0" * 31 + "1", "0" * 31 + "2"
VECTOR = np.array([1, 0, 0, 0], np.float32)
TERMS = SparseVector(np.array([7], np.uint32), np.array([1.0], np.float32))


def passage(ordinal: int, key: str = KEY) -> IndexedPassage:
    text = f"đoạn {ordinal}"
    found = Passage(
        collection="kb", document_id=f"d{key[-1]}", document_key=key, revision=1, ordinal=ordinal, title="", text=text,
        headings=(), start=0, end=len(text), metadata={"even": ordinal % 2 == 0},
    )  # fmt: skip
    return IndexedPassage(found, VECTOR, TERMS)


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[EdgeProcessIndex]:
    index = await EdgeProcessIndex(tmp_path, CONTRACT).start()
    yield index
    await index.close()


async def filled(index: EdgeProcessIndex) -> None:
    await index.stage([passage(0), passage(1)])
    assert await index.staged() == [(KEY, 1)]
    await index.publish([(KEY, 1)])


async def test_it_is_the_index_of_the_folder(index: EdgeProcessIndex, tmp_path: Path) -> None:
    await filled(index)
    found = await index.nearest("kb", VECTOR, limit=5, where=Match("even", False))
    assert [each.id for each in found] == [passage(1).passage.id]
    assert [each.text for each in (await index.find("kb", [found[0].id])).values()] == ["đoạn 1"]
    assert len(await index.matching("kb", TERMS, limit=5)) == await index.count("kb") == 2
    assert [each.ordinal for each in await index.passages("kb", KEY)] == [0, 1]
    assert await index.published() == [(KEY, 1)]
    await index.activate()
    assert await index.active_model() == index.fingerprint
    await index.discard_collection("other", here_only=True)
    assert await index.published("kb") == [(KEY, 1)]
    assert await index.sibling("c" * 16) is None
    await index.stage([passage(0, OTHER_KEY)])
    await index.discard(OTHER_KEY, up_to=1, staged_only=True)
    assert await index.staged() == []
    await index.close()
    inside = EdgePassageIndex(tmp_path, CONTRACT)
    assert await inside.count() == 2
    await inside.close()


async def test_everything_of_a_document_or_a_collection_goes(index: EdgeProcessIndex) -> None:
    await filled(index)
    await index.discard_many([KEY])
    assert await index.count() == 0
    await filled(index)
    await index.discard_collection("kb")
    assert await index.count() == 0


async def test_what_it_refuses_is_said(index: EdgeProcessIndex) -> None:
    with pytest.raises(InvalidInput, match="is not a field's name"):
        await index.nearest("kb", VECTOR, limit=5, where=Match('"', 1))
    with pytest.raises(EngineFailed):
        await index.nearest("kb", np.zeros(3, np.float32), limit=5)
    assert await index.count() == 0


async def test_calls_go_side_by_side_and_may_be_given_up(index: EdgeProcessIndex) -> None:
    await filled(index)
    calls = [asyncio.create_task(index.count()) for _ in range(20)]
    for call in calls[::2]:
        call.cancel()
    given_up = await asyncio.gather(*calls, return_exceptions=True)
    assert given_up[1::2] == [2] * 10
    assert await index.count() == 2


def engine_of(folder: Path) -> int:
    """The process that has the index of the folder open."""
    for pid, command in command_lines():
        if "phoserve.adapters.edge.server" in command and str(folder) in command:
            return pid
    raise AssertionError("no engine runs")


async def test_one_that_was_killed_starts_again_with_all_that_was_written(
    index: EdgeProcessIndex, tmp_path: Path
) -> None:
    await filled(index)
    for _ in range(2):
        os.kill(engine_of(tmp_path), signal.SIGKILL)

        async def back() -> bool:
            try:
                return await index.count("kb") == 2
            except Unavailable:
                return False

        await eventually(back)


async def test_a_call_in_the_moment_of_its_end_is_answered(index: EdgeProcessIndex, tmp_path: Path) -> None:
    await filled(index)
    for _ in range(3):
        os.kill(engine_of(tmp_path), signal.SIGKILL)
        async with asyncio.timeout(patient(30)):
            with pytest.raises(Unavailable):
                await index.count()
            assert await index.count() == 2  # at once


async def test_only_its_parent_stops_it(index: EdgeProcessIndex, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(engine_of(tmp_path), number)
    await filled(index)
    assert await index.count() == 2


async def test_a_folder_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    shard = model_folder(tmp_path, CONTRACT.fingerprint)
    shard.mkdir(parents=True)
    (shard / "made").touch()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await EdgeProcessIndex(tmp_path, CONTRACT).start()


async def test_the_next_one_waits_until_the_folder_is_free(index: EdgeProcessIndex, tmp_path: Path) -> None:
    await filled(index)
    first = engine_of(tmp_path)
    waiting = asyncio.create_task(EdgeProcessIndex(tmp_path, CONTRACT).start())
    done, _ = await asyncio.wait([waiting], timeout=patient(3))
    assert not done
    os.kill(first, signal.SIGKILL)
    second = await asyncio.wait_for(waiting, patient(30))
    assert await second.count() == 2
    await second.close()
