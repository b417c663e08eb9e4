"""Damaged payloads in the engine stop no search, no listing and no reconcile pass; the engine's errors are ours."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reconcile import Reconciler
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.contract import ModelContract
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import EngineFailed
from phoserve.text.lexical import SparseVector
from tests.support.memory import MemoryQueue, MemoryRegistry, MemorySources

CONTRACT = ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
KEYS = [f"{number:032}" for number in range(1, 4)]
VECTOR = np.array([1, 0, 0, 0], np.float32)
TERMS = SparseVector(np.array([7], np.uint32), np.ones(1, np.float32))
FIELDS = ("passage", "visibility", "document_key", "revision", "metadata", "collection", "document_id", "title_key")
GARBAGE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31),
    st.text(max_size=9),
    st.lists(st.integers(0, 9), max_size=3),
    st.sampled_from(["{", "{}", "null", '{"collection": 3}', {"a": {"b": 1}}, "[" * 2000]),
)


def passage(key: str, ordinal: int) -> IndexedPassage:
    found = Passage(
        collection="kb", document_id=key[-1], document_key=key, revision=1, ordinal=ordinal, title="T", text="đoạn",
        start=0, end=4, metadata={"a": "x" * 600},
    )  # fmt: skip
    return IndexedPassage(found, VECTOR, TERMS)


PASSAGES = [passage(key, ordinal) for key in KEYS for ordinal in range(2)]


async def check(index: EdgePassageIndex, damaged: set[int]) -> None:
    intact = [each.passage for number, each in enumerate(PASSAGES) if number not in damaged]
    for hits in (await index.nearest("kb", VECTOR, limit=10), await index.matching("kb", TERMS, limit=10)):
        assert {each.id for each in intact} <= {hit.id for hit in hits}
        found = await index.find("kb", [hit.id for hit in hits])
        # A damaged first passage takes the metadata of its document with it, no other passage.
        assert [each.text for each in intact] == [found[each.id].text for each in intact]
    for number, key in enumerate(KEYS):
        own = [each for each in intact if each.document_key == key]
        read = {each.id for each in await index.passages("kb", key)}
        assert {each.id for each in own} <= read
        if not {2 * number, 2 * number + 1} & damaged:
            assert await index.passages("kb", key) == own
    assert {(each.document_key, 1) for each in intact} <= set(await index.published())
    await index.staged()
    reconciler = Reconciler(MemoryRegistry(), PassageStores([index]), MemorySources(), MemoryQueue())
    assert await reconciler.run_once() == 0


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(FIELDS), GARBAGE), min_size=1, max_size=4))
def test_a_damaged_payload_stops_nothing(damages: list[tuple[int, str, Any]]) -> None:
    import asyncio

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            index = EdgePassageIndex(Path(folder), CONTRACT)
            await index.stage(PASSAGES)
            await index.publish([(key, 1) for key in KEYS])
            for number, field, value in damages:
                change = edge.UpdateOperation.set_payload([PASSAGES[number].passage.id], {field: value})
                await index._shard.write(lambda shard, change=change: shard.update(change))  # type: ignore[misc]
            await index.close()
            reopened = EdgePassageIndex(Path(folder), CONTRACT)
            await check(reopened, {number for number, _, _ in damages})
            await reopened.close()

    asyncio.run(run())


async def test_an_error_of_the_engine_is_a_domain_error(tmp_path: Path) -> None:
    wrong = np.ones(9, np.float32)
    index = EdgePassageIndex(tmp_path / "here", CONTRACT)
    with pytest.raises(EngineFailed, match="search engine failed"):
        await index.nearest("kb", wrong, limit=1)
    with pytest.raises(EngineFailed):
        await index.stage([IndexedPassage(PASSAGES[0].passage, wrong, TERMS)])
    await index.close()
    process = await EdgeProcessIndex(tmp_path / "there", CONTRACT).start()
    with pytest.raises(EngineFailed, match="search engine failed"):
        await process.nearest("kb", wrong, limit=1)
    with pytest.raises(EngineFailed):
        await process._call("no_such_method")
    await process.stage(PASSAGES)
    assert await process.staged(), "it serves on"
    await process.close()
