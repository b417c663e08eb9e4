"""The contract of every PassageIndex: the engines that are used, and the fake of the unit tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import models

from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.contract import ModelContract
from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.filters import (
    All,
    AnyOf,
    Exists,
    Filter,
    Match,
    Not,
    Prefix,
    Range,
    TitlePrefix,
    TitleWords,
    title_key,
    title_words,
)
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import InvalidInput
from phoserve.search.ports import PassageIndex, ScoredId
from phoserve.text.lexical import SparseVector
from tests.support.memory import MemoryIndex
from tests.support.qdrant_server import qdrant_client

CONTRACT = ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
KEY = "0" * 31 + "1"
OTHER_KEY = "0" * 31 + "2"


@pytest.fixture(params=["edge", "edge process", "memory", "qdrant", "qdrant REST"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PassageIndex]:
    if request.param.startswith("qdrant"):
        server = request.getfixturevalue("qdrant")
        async with qdrant_client(server, rest=request.param == "qdrant REST") as client:
            yield QdrantPassageIndex(client, CONTRACT, QdrantOptions(shards=2, quantization="int8"))
        return
    if request.param == "edge process":
        opened: PassageIndex = await EdgeProcessIndex(tmp_path, CONTRACT).start()
    else:
        opened = EdgePassageIndex(tmp_path, CONTRACT) if request.param == "edge" else MemoryIndex(CONTRACT.fingerprint)
    yield opened
    await opened.close()


def passage(
    ordinal: int,
    *,
    key: str = KEY,
    revision: int = 1,
    collection: str = "kb",
    title: str = "Tiêu đề",
    access: Sequence[str] = (),
    **metadata: object,
) -> IndexedPassage:
    vector = np.zeros(4, np.float32)
    vector[ordinal % 4] = 1.0
    return IndexedPassage(
        Passage(
            collection=collection, document_id=f"d{key[-1]}", document_key=key, revision=revision, ordinal=ordinal,
            title=title, text=f"đoạn {ordinal}", headings=("A", "B"), start=ordinal, end=ordinal + 5,
            metadata=metadata, access=tuple(access),
        ),
        vector,
        terms(ordinal),
    )  # fmt: skip


def terms(*indices: int) -> SparseVector:
    return SparseVector(np.array(indices, np.uint32), np.ones(len(indices), np.float32))


def towards(ordinal: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    vector = np.full(4, 0.1, np.float32)
    vector[ordinal] = 1.0
    return vector


async def published(index: PassageIndex, *passages: IndexedPassage) -> None:
    await index.stage(passages)
    await index.publish(sorted({(item.passage.document_key, item.passage.revision) for item in passages}))


async def found(index: PassageIndex, where: Filter | None = None, *, collection: str = "kb") -> set[int]:
    hits = await index.nearest(collection, towards(0), limit=100, where=where)
    return {passage.ordinal for passage in await read(index, hits, collection=collection)}


async def read(index: PassageIndex, hits: Sequence[ScoredId], *, collection: str = "kb") -> list[Passage]:
    """What was found, in order; all of it is there."""
    passages = await index.find(collection, [hit.id for hit in hits])
    return [passages[hit.id] for hit in hits]


async def test_staged_passages_are_not_found(index: PassageIndex) -> None:
    await index.stage([passage(0)])
    assert await found(index) == set()
    assert await index.matching("kb", terms(0), limit=5) == []
    assert await index.staged() == [(KEY, 1)]
    assert await index.count() == 0


async def test_published_passages_are_found_as_they_were_given(index: PassageIndex) -> None:
    items = [passage(0, year=2024), passage(1), passage(2)]
    await published(index, *items)
    nearest = await index.nearest("kb", towards(1), limit=2)
    assert (await read(index, nearest))[0] == items[1].passage
    assert nearest[0].score > nearest[1].score
    assert await read(index, await index.matching("kb", terms(2), limit=5)) == [items[2].passage]
    assert await index.staged() == []
    assert await index.count("kb") == 3


LONG_METADATA: dict[str, Any] = {
    "mô tả": "dài " * 300, "số": 2024, "tỉ lệ": 0.5, "đúng": True, "không": None, "nhãn": ["a", False, {"b": 1}]
}  # fmt: skip


@pytest.mark.parametrize("metadata", [{}, {"a": True}, LONG_METADATA, {str(n): n for n in range(200)}])
async def test_every_passage_has_the_metadata_of_its_document(index: PassageIndex, metadata: dict[str, Any]) -> None:
    given = [passage(ordinal, **metadata) for ordinal in range(4)]
    other = [passage(ordinal, key=OTHER_KEY, khác="x" * 2000) for ordinal in range(2)]
    await published(index, *given, *other)
    assert await index.passages("kb", KEY) == [each.passage for each in given]
    for chosen in (given[2:], given[:1], given[1:]):
        found = await index.find("kb", [each.passage.id for each in [*chosen, *other[1:]]])
        assert list(found.values()) == [each.passage for each in [*chosen, *other[1:]]]


async def test_a_new_revision_has_its_own_metadata(index: PassageIndex) -> None:
    await published(index, *[passage(ordinal, cũ="x" * 2000) for ordinal in range(2)])
    new = [passage(ordinal, revision=2, mới="y" * 2000) for ordinal in range(2)]
    await published(index, *new)
    assert list((await index.find("kb", [new[1].passage.id])).values()) == [new[1].passage]


async def test_what_is_not_published_is_not_read(index: PassageIndex) -> None:
    here, staged, gone = passage(0), passage(0, revision=2), passage(0, key=OTHER_KEY)
    elsewhere = passage(0, key="0" * 31 + "3", collection="other")
    await published(index, here, gone, elsewhere)
    await index.stage([staged])
    await index.discard(OTHER_KEY, up_to=1)
    ids = [each.passage.id for each in (staged, elsewhere, gone, here)]
    assert await index.find("kb", ids) == {here.passage.id: here.passage}
    await index.publish([(KEY, 2)])
    assert await index.find("kb", ids) == {staged.passage.id: staged.passage}
    assert await index.find("kb", []) == {}


async def test_no_terms_match_nothing(index: PassageIndex) -> None:
    await published(index, passage(0))
    assert await index.matching("kb", terms(), limit=5) == []


async def test_a_new_revision_replaces_the_old_one(index: PassageIndex) -> None:
    await published(index, passage(0), passage(1), passage(0, key=OTHER_KEY))
    await index.stage([passage(2, revision=2)])
    assert await found(index) == {0, 1}
    await index.publish([(KEY, 2)])
    assert await found(index) == {0, 2}
    assert [each.revision for each in await index.passages("kb", KEY)] == [2]


async def test_staging_again_does_not_hide_what_is_published(index: PassageIndex) -> None:
    await published(index, passage(0))
    await index.stage([passage(0)])
    assert await found(index) == {0}


async def test_collections_do_not_see_each_other(index: PassageIndex) -> None:
    await published(index, passage(0), passage(1, key=OTHER_KEY, collection="secret"))
    assert await found(index) == {0}
    assert await found(index, Not(Match("x", 1))) == {0}
    assert await index.matching("kb", terms(1), limit=5) == []
    assert await index.passages("kb", OTHER_KEY) == []
    await index.discard_collection("kb")
    assert await found(index) == set()
    assert await found(index, collection="secret") == {1}


async def test_discarding(index: PassageIndex) -> None:
    await published(index, passage(0), passage(1, key=OTHER_KEY))
    await index.stage([passage(2, revision=2)])
    await index.discard(KEY, up_to=2, staged_only=True)
    assert await index.staged() == []
    assert await found(index) == {0, 1}
    await index.discard_many([KEY, OTHER_KEY])
    assert await index.count() == 0


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Match("year", 2024), {0}),
        (Match("name", "thủy"), {1}),
        (Match("draft", True), {0}),
        (Match("draft", False), {1}),
        (Match("score", 0.5), {2}),
        (Match("year", 2024.0), {0}),
        (Match("weight", 2), {1}),
        (Match("năm xuất bản", 1999), {1}),
        (Match('author.họ và "tên"', "x"), InvalidInput),
        (Match("author..name", "x"), InvalidInput),
        (Match("author\\", "x"), InvalidInput),
        (Match("ghi chú [1]", "x"), set()),
        (Match("author.name", "lan"), {2}),
        (Match("tags", "b"), {0, 1}),
        (AnyOf("year", (2024, 2025)), {0, 1}),
        (AnyOf("year", ()), set()),
        (Range("year", gte=2025), {1, 2}),
        (Range("year", gt=2024, lt=2026), {1}),
        (Range("day", gte="2024-05-01T00:00:00Z"), {1}),
        (Exists("tags"), {0, 1}),
        (Not(Exists("tags")), {2}),
        (Not(Match("year", 2024)), {1, 2}),
        (Prefix("name", "th"), {1}),
        (Prefix("name", "TH"), set()),
        (Prefix("tags", "a"), {0}),
        (Not(Prefix("name", "th")), {0, 2}),
        (TitleWords(title_words("văn THU")), {0}),
        (TitleWords(title_words("công tác")), {0, 1}),
        (TitleWords(title_words("công tắc đèn")), set()),
        (TitlePrefix(title_key("  nghi   Định 30")), {0}),
        (TitlePrefix(title_key("định")), set()),
        (Not(TitlePrefix(title_key("nghị"))), {1, 2}),
        (All(()), {0, 1, 2}),
        (All((Range("year", gte=2024), Match("tags", "b"), Not(Match("draft", True)))), {1}),
    ],
)
async def test_filters(index: PassageIndex, where: Filter, expected: set[int] | type[Exception]) -> None:
    second: dict[str, Any] = {
        "year": 2025,
        "draft": False,
        "tags": ["b"],
        "name": "thủy",
        "day": "2024-06-01T00:00:00Z",
    }
    second |= {"weight": 2.0, "năm xuất bản": 1999}
    await published(
        index,
        passage(
            0,
            title="Nghị định 30/2020/NĐ-CP về công tác văn thư",
            year=2024,
            draft=True,
            tags=["a", "b"],
            day="2024-01-01T00:00:00Z",
        ),
        passage(1, title="Quy chế công tác phí", **second),
        passage(2, year=2026, score=0.5, author={"name": "lan"}, tags=[]),
    )
    if isinstance(expected, set):
        assert await found(index, where) == expected
    else:
        with pytest.raises(expected, match="is not a field's name"):
            await found(index, where)


async def test_what_was_published_is_there_after_a_restart(tmp_path: Path) -> None:
    first = EdgePassageIndex(tmp_path, CONTRACT)
    await published(first, passage(0))
    await first.close()
    second = EdgePassageIndex(tmp_path, CONTRACT)
    assert await found(second) == {0}
    await second.close()


async def test_how_rare_a_term_is_does_not_depend_on_other_collections(index: PassageIndex) -> None:
    await published(index, *(passage(ordinal) for ordinal in range(6)))
    [alone] = await index.matching("kb", terms(1), limit=5)
    await published(index, *(passage(1 + 4 * n, key=OTHER_KEY, collection="other") for n in range(3)))
    more = [passage(ordinal, key="0" * 31 + "3", collection="other") for ordinal in range(40)]
    await published(index, *more)
    [among_others] = await index.matching("kb", terms(1), limit=5)
    assert among_others.score == pytest.approx(alone.score)


async def test_it_lists_what_is_published(index: PassageIndex) -> None:
    await published(index, passage(0), passage(1), passage(2, key=OTHER_KEY, revision=3))
    await index.stage([passage(3, key="0" * 31 + "3")])
    assert await index.published() == [(KEY, 1), (OTHER_KEY, 3)]


async def test_it_lists_what_is_published_in_a_collection(index: PassageIndex) -> None:
    await published(index, passage(0), passage(1), passage(2, key=OTHER_KEY, revision=3, collection="other"))
    assert await index.published("kb") == [(KEY, 1)]
    assert await index.published("other") == [(OTHER_KEY, 3)]
    assert await index.published("missing") == []


async def test_one_model_is_the_default(index: PassageIndex) -> None:
    assert await index.active_model() is None
    await index.activate()
    assert await index.active_model() == index.fingerprint


async def test_the_passages_of_another_model_are_found_in_the_same_engine(
    index: PassageIndex, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    newer = msgspec.structs.replace(CONTRACT, dim=8)
    assert await index.sibling(newer.fingerprint) is None
    await published(index, passage(0), passage(1))
    async with AsyncExitStack() as stack:
        if isinstance(index, EdgePassageIndex):
            await index.close()
            other: PassageIndex = EdgePassageIndex(tmp_path, newer)
        elif isinstance(index, EdgeProcessIndex):
            await index.close()
            other = await EdgeProcessIndex(tmp_path, newer).start()
        elif isinstance(index, MemoryIndex):
            other = MemoryIndex(newer.fingerprint, index.engine)
        else:
            server = request.getfixturevalue("qdrant")
            client = await stack.enter_async_context(qdrant_client(server, emptied=False))
            other = QdrantPassageIndex(client, newer, QdrantOptions())
        old = await other.sibling(CONTRACT.fingerprint)
        assert old is not None
        assert (await old.count(), await other.count()) == (2, 0)
        assert [each.ordinal for each in await old.passages("kb", KEY)] == [0, 1]
        await old.close()
        await other.close()


def audience(*groups: str) -> Audience:
    return Audience(frozenset(groups))


async def seen(index: PassageIndex, who: Audience, where: Filter | None = None) -> set[int]:
    """The ordinals that `who` finds: the same by every way of finding."""
    everything = [e.id for e in await index.nearest("kb", towards(0), limit=100, where=where, audience=UNRESTRICTED)]
    near = {e.id for e in await index.nearest("kb", towards(0), limit=100, where=where, audience=who)}
    lexical = {e.id for e in await index.matching("kb", terms(*range(20)), limit=100, where=where, audience=who)}
    read = await index.find("kb", everything, audience=who)
    assert near == lexical == read.keys()
    if where is None:
        assert await index.count("kb", audience=who) == len(near)
    return {each.ordinal for each in read.values()}


async def with_groups(index: PassageIndex) -> None:
    await published(
        index,
        passage(0),
        passage(1, key="0" * 31 + "a", access=["kế toán"]),
        passage(2, key="0" * 31 + "b", access=["kế toán", "nhân sự"]),
        passage(3, key="0" * 31 + "c", access=["nhân sự"], secret="x"),
    )


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (audience(), {0}),
        (audience("kế toán"), {0, 1, 2}),
        (audience("nhân sự"), {0, 2, 3}),
        (audience("kế toán", "nhân sự"), {0, 1, 2, 3}),
        (audience("khác", "kế"), {0}),
        (UNRESTRICTED, {0, 1, 2, 3}),
        (audience("kế toán").without(["0" * 31 + "b", KEY]), {1}),
    ],
)
async def test_an_audience_finds_open_documents_and_those_of_its_groups(
    index: PassageIndex, who: Audience, expected: set[int]
) -> None:
    await with_groups(index)
    assert await seen(index, who) == expected
    assert await seen(index, who, Exists("secret")) == expected & {3}
    assert await seen(index, who, Not(Exists("secret"))) == expected - {3}


async def test_without_an_audience_open_documents_alone_are_found(index: PassageIndex) -> None:
    await with_groups(index)
    hits = await index.nearest("kb", towards(0), limit=100)
    assert [each.ordinal for each in await read(index, hits)] == [0]
    assert len(await index.matching("kb", terms(0, 1, 2, 3), limit=100)) == 1
    assert await index.count("kb") == 4, "counts for operators are whole"


async def test_how_rare_a_term_is_does_not_depend_on_hidden_documents(index: PassageIndex) -> None:
    await published(index, *(passage(ordinal) for ordinal in range(6)))
    [alone] = await index.matching("kb", terms(1), limit=5, audience=audience("b"))
    hidden = [passage(n, key="0" * 31 + "a", access=["a"]) for n in range(40)]
    await published(index, *hidden, *(passage(1, key=f"{n:032x}", access=["a"]) for n in range(256, 260)))
    [among_hidden] = await index.matching("kb", terms(1), limit=5, audience=audience("b"))
    assert among_hidden.score == pytest.approx(alone.score)


async def test_groups_change_at_once_and_never_backwards(index: PassageIndex) -> None:
    await with_groups(index)
    await index.set_access(KEY, ["a"], 2)
    assert await seen(index, audience()) == set()
    assert await seen(index, audience("a")) == {0}
    assert [each.access for each in await index.passages("kb", KEY)] == [("a",)]
    await index.set_access(KEY, ["late"], 1)
    await index.set_access(KEY, ["repeated with other groups"], 2)
    assert await seen(index, audience("a")) == {0}
    await index.set_access(KEY, [], 3)
    assert await seen(index, audience()) == {0}


async def test_staged_passages_take_the_groups_too(index: PassageIndex) -> None:
    await published(index, passage(0))
    await index.stage([passage(4, revision=2)])
    await index.set_access(KEY, ["a"], 1)
    await index.publish([(KEY, 2)])
    assert await seen(index, audience()) == set()
    assert await seen(index, audience("a")) == {4}


async def test_points_of_earlier_versions_are_open(index: PassageIndex) -> None:
    """Their payloads have neither groups nor a version of them."""
    await published(index, passage(0))
    if isinstance(index, EdgePassageIndex):
        forget = edge.UpdateOperation.delete_payload_by_filter(edge.Filter(), ["access", "access_version"])
        await index._shard.write(lambda shard: shard.update(forget))
    elif isinstance(index, QdrantPassageIndex):
        await index._client.delete_payload(
            index._collection.name, ["access", "access_version"], points=models.Filter(must=[])
        )
    else:
        pytest.skip("the same points as another engine of this suite")
    assert await seen(index, audience()) == {0}
    assert await seen(index, audience("a")) == {0}
    await index.set_access(KEY, ["a"], 1)
    assert await seen(index, audience()) == set()
    assert await seen(index, audience("a")) == {0}
