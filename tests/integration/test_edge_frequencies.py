"""Lexical scores of the embedded index are BM25's over what the audience sees, whatever was written before."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
import qdrant_edge as edge
from numpy.typing import NDArray

from phoserve.adapters.edge import counted
from phoserve.adapters.edge.frequencies import MOST_SETS, CountedPassage, Frequencies
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.contract import ModelContract
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import EngineFailed
from phoserve.text.lexical import SparseVector

DIM: Final = 8
CONTRACT: Final = ModelContract(name="tiny", dim=DIM, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
COLLECTIONS: Final = ("c0", "c1")
GROUPS: Final = ((), ("a",), ("b",), ("a", "b"))
AUDIENCES: Final = (
    UNRESTRICTED,
    READERS,
    Audience(groups=frozenset("a")),
    Audience(groups=frozenset("ab")),
    Audience(groups=frozenset("b"), hidden_keys=frozenset([f"{3:032x}", f"{4:032x}"])),
)
TERMS: Final = 40


def key_of(document: int) -> str:
    return f"{document:032x}"


class World:
    """What the index contains, kept next to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stored: dict[str, IndexedPassage] = {}
        self.live: set[str] = set()
        self.versions = 0

    def document(self, number: int, revision: int) -> list[IndexedPassage]:
        chance, made = random.Random(f"{number} {revision}"), []
        for ordinal in range(chance.randint(1, 6)):
            passage = Passage(
                collection=COLLECTIONS[number % 2], document_id=f"d{number}", document_key=key_of(number),
                revision=revision, ordinal=ordinal, title="", text="t", headings=(), start=0, end=1,
                access=chance.choice(GROUPS), access_version=0,
            )  # fmt: skip
            found = sorted(set(chance.choices(range(TERMS), range(TERMS, 0, -1), k=chance.randint(0, 9))))
            values = np.array([chance.uniform(0.5, 2) for _ in found], np.float32)
            terms = SparseVector(np.array(found, np.uint32), values)
            made.append(IndexedPassage(passage, np.ones(DIM, np.float32), terms))
        return made

    async def change(self, index: EdgePassageIndex) -> None:
        number, revision = self.chance.randrange(14), self.chance.randint(1, 3)
        adding = [self.add, self.add, self.add, self.stage, self.discard, self.discard_all, self.set_access]
        await self.chance.choice([*adding, self.set_access, self.discard_collection])(index, number, revision)

    async def add(self, index: EdgePassageIndex, number: int, revision: int) -> None:
        await self.stage(index, number, revision)
        await index.publish([(key_of(number), revision)])
        self.drop(each for each in self.of(number) if each.revision < revision)
        self.live |= {each.passage.id for each in self.document(number, revision)}

    async def discard(self, index: EdgePassageIndex, number: int, revision: int) -> None:
        await index.discard(key_of(number), up_to=revision)
        self.drop(each for each in self.of(number) if each.revision <= revision)

    async def discard_all(self, index: EdgePassageIndex, number: int, _: int) -> None:
        await index.discard_many([key_of(number)])
        self.drop(self.of(number))

    async def discard_collection(self, index: EdgePassageIndex, number: int, _: int) -> None:
        if number < 4:
            await index.discard_collection("c1")
            self.drop([each.passage for each in self.stored.values() if each.passage.collection == "c1"])

    async def set_access(self, index: EdgePassageIndex, number: int, _: int) -> None:
        self.versions += 1
        groups = self.chance.choice(GROUPS)
        await index.set_access(key_of(number), groups, self.versions)
        for each in self.of(number):
            changed = msgspec.structs.replace(each, access=groups, access_version=self.versions)
            self.stored[each.id] = with_changes(self.stored[each.id], passage=changed)

    async def stage(self, index: EdgePassageIndex, number: int, revision: int) -> None:
        made = self.document(number, revision)
        await index.stage(made)
        for each in made:
            self.stored.setdefault(each.passage.id, each)

    def of(self, number: int) -> list[Passage]:
        return [each.passage for each in self.stored.values() if each.passage.document_key == key_of(number)]

    def drop(self, passages: Iterable[Passage]) -> None:
        for each in list(passages):
            del self.stored[each.id]
            self.live.discard(each.id)

    def scores(self, collection: str, audience: Audience, terms: SparseVector) -> dict[str, float]:
        """BM25 over what the audience sees, staged passages included."""
        seen = {
            id_: dict(zip(each.terms.indices.tolist(), each.terms.values.tolist(), strict=True))
            for id_, each in self.stored.items()
            if each.passage.collection == collection
            and audience.sees(each.passage.access)
            and each.passage.document_key not in audience.hidden_keys
        }
        found: dict[str, float] = {}
        for term, weight in zip(terms.indices.tolist(), terms.values.tolist(), strict=True):
            having = [id_ for id_, values in seen.items() if term in values]
            idf = np.log1p((len(seen) - len(having) + 0.5) / (len(having) + 0.5))
            for id_ in having:
                found[id_] = found.get(id_, 0.0) + weight * seen[id_][term] * idf
        return {id_: score for id_, score in found.items() if id_ in self.live}


async def check(index: EdgePassageIndex, world: World) -> None:
    for collection in COLLECTIONS:
        for audience in AUDIENCES:
            found = sorted(world.chance.sample(range(TERMS + 5), 6))
            terms = SparseVector(np.array(found, np.uint32), np.linspace(0.5, 2, 6).astype(np.float32))
            hits = await index.matching(collection, terms, limit=1000, audience=audience)
            expected = world.scores(collection, audience, terms)
            assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-4), audience


@pytest.mark.parametrize("seed", range(6))
async def test_scores_are_those_of_bm25_after_any_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(counted, "COUNTED_AT_ONCE", 3)
    world = World(seed)
    for opened in range(3):
        index = EdgePassageIndex(tmp_path, CONTRACT)
        if opened:  # counted in the background, while writes continue
            await check(index, world)
        for step in range(40):
            await world.change(index)
            if step % 4 == 0:
                await check(index, world)
        await index.count_terms()
        assert index._shard._frequencies.complete
        await check(index, world)
        await index.close()


async def test_after_a_failed_write_terms_are_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "RECOUNT_AFTER_S", 0.0)
    world, index = World(1), EdgePassageIndex(tmp_path, CONTRACT)
    for number in range(10):
        await world.stage(index, number, 1)

    def fail(shard: edge.EdgeShard) -> None:
        shard.update(edge.UpdateOperation.delete_points_by_filter(edge.Filter()))
        raise OSError("no space left on device")

    with pytest.raises(EngineFailed):
        await index._shard.change(fail)
    world.stored.clear()
    assert not index._shard._frequencies.complete
    await check(index, world)
    await index.count_terms()
    assert index._shard._frequencies.complete
    for number in range(10):
        await world.stage(index, number, 2)
    await check(index, world)
    await index.close()


def passages(sets: int) -> Iterator[CountedPassage]:
    for number in range(sets):
        yield CountedPassage(f"{number:032x}", "c", (f"group {number}",), [1, 2])


def test_a_collection_with_very_many_sets_of_groups_is_left_to_the_engine() -> None:
    frequencies = Frequencies(complete=True)
    terms = np.array([1], np.uint32)
    frequencies.add(passages(MOST_SETS))
    assert frequencies.weights("c", UNRESTRICTED, terms) == pytest.approx(np.log1p(0.5 / (MOST_SETS + 0.5)))
    frequencies.add(passages(MOST_SETS + 1))
    assert frequencies.weights("c", UNRESTRICTED, terms) is None
    frequencies.forget("c")
    assert frequencies.weights("c", READERS, terms) is not None


def test_sets_of_groups_without_passages_are_forgotten() -> None:
    frequencies = Frequencies(complete=True)
    for each in passages(3 * MOST_SETS):
        frequencies.add([each])
        frequencies.remove([each])
    assert frequencies.weights("c", UNRESTRICTED, np.array([1], np.uint32)) == pytest.approx(np.log(2))


@pytest.mark.parametrize("seed", range(3))
def test_many_passages_are_counted_exactly(seed: int) -> None:
    chance = np.random.default_rng(seed)
    frequencies, kept, seen = Frequencies(complete=True), dict[int, NDArray[np.int64]](), np.zeros(5_000, int)
    for number in range(3_000):
        terms = np.unique(chance.zipf(1.3, 40) % 5_000)
        frequencies.add([CountedPassage(str(number), "c", (), terms.tolist())])
        kept[number] = terms
        seen[terms] += 1
        if number % 3 == 0:
            gone = int(chance.choice(list(kept)))
            frequencies.remove([CountedPassage(str(gone), "c", (), kept[gone].tolist())])
            seen[kept.pop(gone)] -= 1
    expected = np.log1p((len(kept) - seen + 0.5) / (seen + 0.5))
    assert frequencies.weights("c", READERS, np.arange(5_000, dtype=np.uint32)) == pytest.approx(expected)
