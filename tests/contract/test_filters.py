"""A filter means the same in search (Qdrant, Edge) and in listings (SQLite, PostgreSQL)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.server import QdrantOptions
from phoserve.adapters.sql import filter_keys, key_search
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.contract import ModelContract
from phoserve.documents.collections import new_collection
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
    matches,
    moment_us,
    title_key,
    title_words,
)
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Original, Passage, new_document
from phoserve.errors import InvalidInput
from phoserve.search.ports import PassageIndex
from phoserve.text.lexical import SparseVector
from tests.support.postgres_server import PostgresServer
from tests.support.qdrant_server import qdrant_client

CONTRACT = ModelContract(name="tiny", dim=4, tokenizer_sha256="a" * 64, weights_sha256="b" * 64)
ENGINES = ("edge", "qdrant", "sqlite", "sqlite_keys", "postgres")
Find = Callable[[Sequence[dict[str, Any]], Filter], Coroutine[Any, Any, set[int]]]
"""Stores documents with these metadata and returns the positions of those that match."""


@pytest.fixture(params=ENGINES)
async def find(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_database: Callable[[str], str]
) -> AsyncIterator[Find]:
    if request.param == "sqlite_keys":
        monkeypatch.setattr(key_search, "WALKED", 0)  # every match is found by its keys
    if request.param == "edge":
        edge = EdgePassageIndex(tmp_path, CONTRACT)
        yield _in_index(edge)
        await edge.close()
    elif request.param == "qdrant":
        async with qdrant_client(request.getfixturevalue("qdrant")) as client:
            yield _in_index(QdrantPassageIndex(client, CONTRACT, QdrantOptions()))
    else:
        registry = SqlRegistry(open_database(new_database("postgres" if request.param == "postgres" else "sqlite")))
        yield _in_registry(registry)
        await registry.close()


def _in_index(index: PassageIndex) -> Find:
    stored: list[dict[str, Any]] = []

    async def find(metadata: Sequence[dict[str, Any]], where: Filter) -> set[int]:
        collection = new_collection("kb").id
        stored.extend(metadata)
        items = [_passage(collection, number, each) for number, each in enumerate(metadata)]
        await index.stage(items)
        await index.publish([(each.passage.document_key, 1) for each in items])
        hits = await index.nearest(collection, np.ones(4, np.float32), limit=1000, where=where)
        found = await index.find(collection, [hit.id for hit in hits])
        return {each.start for each in found.values()}

    return find


def _in_registry(registry: SqlRegistry) -> Find:
    async def find(metadata: Sequence[dict[str, Any]], where: Filter) -> set[int]:
        collection = await registry.add_collection(new_collection(f"c{new_collection('x').id}"))
        assert collection is not None
        await registry.save(
            [
                new_document(
                    collection,
                    str(number),
                    Original(key=f"{collection.id}/{number}", sha256="", size_bytes=1, media_type="text/plain"),
                    title=_title(each),
                    metadata=each,
                )
                for number, each in enumerate(metadata)
            ]
        )
        page = await registry.page(collection.id, where=where, limit=1000)
        return {int(each.id) for each in page.documents}

    return find


def _title(metadata: dict[str, Any]) -> str:
    return str(metadata.get("title", ""))


def _passage(collection: str, number: int, metadata: dict[str, Any]) -> IndexedPassage:
    passage = Passage(
        collection=collection,
        document_id=str(number),
        document_key=new_collection("x").id,
        revision=1,
        ordinal=0,
        title=_title(metadata),
        text="",
        start=number,
        end=number,
        metadata=metadata,
    )
    return IndexedPassage(
        passage, np.ones(4, np.float32), SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
    )


DOCUMENTS: list[dict[str, Any]] = [
    {"year": 2024, "draft": True, "tags": ["a", "b"], "day": "2024-01-01T00:00:00Z"},
    {"year": 2025, "draft": False, "tags": ["b"], "name": "thủy", "day": "2024-06-01T00:00:00Z"},
    {"year": 2026, "score": 0.5, "author": {"name": "lan"}, "tags": []},
    {"weight": 2.0, "năm xuất bản": 1999, "tags": None, "year": "2024"},
    {"year": [2020, 2030], "draft": "yes", "author": [{"name": "lan"}], "tags": {"a": 1}},
    {"year": True, "tags": [["a"]], "author": {"name": ["lan", "huệ"]}, "day": "2024-05-01"},
    {"day": "2024-05-01T06:59:59+07:00", "year": {"x": 2024}, "tags": ["A"], "0": "x"},
    {"day": ["không phải ngày", "2024-12-31 23:59"], "year": 10**18, "tags": "b"},
    {"day": "hôm qua", "year": -0.0, "tags": [None], "author": "lan"},
    {"title": "Nghị định 30/2020/NĐ-CP về công  tác văn thư", "day": "2024"},
    {"title": "QUY CHẾ công tác phí (50%_a)"},
    {},
]
WHERES: list[Filter] = [
    Match("year", 2024),
    Match("year", 2024.0),
    Match("year", "2024"),
    Match("year", True),
    Match("year", 1),
    Match("year", 0),
    Match("year", 10**18),
    Match("name", "thủy"),
    Match("draft", True),
    Match("draft", False),
    Match("draft", "yes"),
    Match("weight", 2),
    Match("năm xuất bản", 1999),
    Match("ghi chú [1]", "x"),
    Match("author.name", "lan"),
    Match("author", "lan"),
    Match("author.name.x", "lan"),
    Match("tags", "a"),
    Match("tags", "b"),
    Match("tags.0", "a"),
    Match("0", "x"),
    AnyOf("year", (2024, 2025)),
    AnyOf("tags", ("a", 1, False)),
    AnyOf("year", ()),
    Range("year", gte=2025),
    Range("year", gt=2024, lt=2026),
    Range("year", gte=2021, lte=2029),
    Range("year", lt=0.5),
    Range("tags", gte=0),
    Range("day", gte="2024-05-01T00:00:00Z"),
    Range("day", lt="2024-05-01"),
    Range("day", gt="2024-12-31"),
    Range("day", gte="2024-05-01T07:00:00+07:00", lte="2024-05-01T00:00:00Z"),
    Range("year", gte="2024-01-01"),
    Exists("tags"),
    Exists("author.name"),
    Exists("year"),
    Not(Exists("tags")),
    Not(Match("year", 2024)),
    Not(Range("day", gte="2024-05-01")),
    Not(AnyOf("tags", ("b",))),
    Prefix("name", "th"),
    Prefix("name", "TH"),
    Prefix("draft", "t"),
    Prefix("tags", "a"),
    Prefix("day", "2024-0"),
    Prefix("author.name", "la"),
    Prefix("title", "QUY CHẾ"),
    Prefix("title", "quy chế"),
    Prefix("title", "QUY%"),
    TitleWords(title_words("văn THU")),
    TitleWords(title_words("công tác")),
    TitleWords(title_words("công tắc đèn")),
    TitleWords(title_words("30 nđ")),
    TitlePrefix(title_key(" nghi  ĐỊNH 30/")),
    TitlePrefix(title_key("quy chế công tác phí (50%_")),
    TitlePrefix(title_key("quy chế công tác phí (50_")),
    Not(TitlePrefix("nghi")),
    All(()),
    Not(All(())),
    All((Range("year", gte=2024), Match("tags", "b"), Not(Match("draft", True)))),
]


async def test_every_engine_finds_what_the_filter_means(find: Find) -> None:
    wrong = []
    for where in WHERES:
        expected = {number for number, each in enumerate(DOCUMENTS) if matches(where, each, _title(each))}
        if (found := await find(DOCUMENTS, where)) != expected:
            wrong.append((where, found, expected))
    assert not wrong


def test_the_documents_tell_the_filters_apart() -> None:
    found = [tuple(matches(where, each, _title(each)) for each in DOCUMENTS) for where in WHERES]
    assert sum(any(each) and not all(each) for each in found) > len(WHERES) * 2 // 3


@pytest.mark.parametrize("field", ['họ và "tên"', "author..name", "author\\", "", "."])
async def test_no_engine_takes_a_field_that_no_path_can_name(find: Find, field: str) -> None:
    for where in (Match(field, "x"), Range(field, gte=1), Exists(field)):
        with pytest.raises(InvalidInput, match="is not a field's name"):
            await find([{}], where)


FIELDS = st.sampled_from(["a", "b", "a.b", "ngày"])
SCALARS = st.one_of(
    st.sampled_from(["x", "y", "", "1", "2024-05-01", "2024-05-01T08:00:00+07:00", "Đ", "%", "'"]),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.0, 1e10, 2.0]),
    st.booleans(),
)
VALUES = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 1e10])
DATES = st.sampled_from(["2024-05-01", "2024-05-01T01:00:00Z", "2025-01-01"])
RANGES = st.one_of(
    st.builds(Range, FIELDS, gte=NUMBERS, lt=st.none() | NUMBERS),
    st.builds(Range, FIELDS, gt=NUMBERS),
    st.builds(Range, FIELDS, lte=NUMBERS),
    st.builds(Range, FIELDS, gte=DATES, lt=st.none() | DATES),
    st.builds(Range, FIELDS, lte=DATES),
)
LEAVES = st.one_of(
    st.builds(Match, FIELDS, SCALARS),
    st.builds(AnyOf, FIELDS, st.lists(SCALARS, max_size=3).map(tuple)),
    st.builds(Exists, FIELDS),
    st.builds(Prefix, FIELDS, st.sampled_from(["x", "t", "2024", "Đ", "%", "'"])),
    RANGES,
)
FILTERS = st.recursive(
    LEAVES, lambda inner: st.builds(Not, inner) | st.builds(All, st.lists(inner, max_size=3).map(tuple)), max_leaves=5
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_filter_means_the_same_everywhere(
    data: st.DataObject, filters_everywhere: Callable[[Any, Any], dict[str, set[int]]]
) -> None:
    metadata = data.draw(st.lists(st.dictionaries(st.sampled_from(["a", "b", "ngày"]), VALUES), min_size=1, max_size=8))
    wheres = data.draw(st.lists(FILTERS, min_size=1, max_size=5))
    for where in wheres:
        expected = {number for number, each in enumerate(metadata) if matches(where, each, _title(each))}
        found = filters_everywhere(metadata, where)
        assert found == dict.fromkeys(found, expected), where


@pytest.fixture
def filters_everywhere(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Any, Any], dict[str, set[int]]]]:
    monkeypatch.setattr(filter_keys, "MAX_KEYS", 4)  # some documents have more
    with asyncio.Runner() as runner:
        urls = {"sqlite": f"sqlite:///{tmp_path / 'r'}", "postgres": postgres.new_database()}
        for url in urls.values():
            runner.run(migrate(url))
        registries = {name: SqlRegistry(open_database(url)) for name, url in urls.items()}
        edge = EdgePassageIndex(tmp_path / "edge", CONTRACT)
        finds = {name: _in_registry(each) for name, each in registries.items()} | {"edge": _in_index(edge)}

        def everywhere(metadata: Any, where: Any) -> dict[str, set[int]]:
            found = {name: runner.run(find(metadata, where)) for name, find in finds.items()}
            with pytest.MonkeyPatch.context() as by_keys:
                by_keys.setattr(key_search, "WALKED", 0)
                return found | {"sqlite_keys": runner.run(finds["sqlite"](metadata, where))}

        yield everywhere
        for each in registries.values():
            runner.run(each.close())
        runner.run(edge.close())


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2024-05-01", "2024-05-01T00:00:00Z"),
        ("2024-5-1", "2024-05-01T00:00:00Z"),
        ("2024-05-01 08:00", "2024-05-01T08:00:00Z"),
        ("2024-05-01T08:00:00+07:00", "2024-05-01T01:00:00Z"),
        ("2024-05-01T08:00:00+0700", "2024-05-01T01:00:00Z"),
        ("2024-05-01T08:00:00+07", "2024-05-01T01:00:00Z"),
        ("2024-05-01T08:00:00-00:30", "2024-05-01T08:30:00Z"),
        ("2024-05-01t08:00:00.5z", "2024-05-01T08:00:00.500000Z"),
        ("2024-05-01T08:00:00.1234567Z", "2024-05-01T08:00:00.123456Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
async def test_dates_are_read_alike(find: Find, text: str, same_as: str) -> None:
    assert moment_us(text) == moment_us(same_as) is not None
    assert await find([{"d": text}], Range("d", gte=same_as, lte=same_as)) == {0}


@pytest.mark.parametrize(
    "text", ["20240501", "01/05/2024", "2024-05", "2024", "x", "2024-13-01", "2024-02-30", "2024-05-01T24:00:00Z"]
)
async def test_what_is_no_date_is_passed_over(find: Find, text: str) -> None:
    assert moment_us(text) is None
    assert await find([{"d": text}], Range("d", gte="0001-01-01")) == set()
