"""Keys by which SQLite finds what filters match: complete at all times, ordered as values are, and used."""

import json
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cli.local_registry import open_local_registry
from cli.progress import JsonReporter
from phoserve.adapters.sql import filter_keys as keys
from phoserve.adapters.sql import key_search, schema
from phoserve.adapters.sql.database import open_database, sqlite_engine
from phoserve.adapters.sql.filter_keys import Between, OneOf, candidates_of, keys_of
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.adapters.sql.tables import documents, filter_keys
from phoserve.documents.filters import All, Exists, Filter, Match, Not, Prefix, Range, TitlePrefix, TitleWords, matches
from phoserve.documents.records import Collection, DocumentState, Original, new_document
from tests.contract.test_filters import DOCUMENTS, FILTERS, VALUES, WHERES
from tests.support.postgres_server import PostgresServer
from tests.support.registry import add_collection, sqlite_registry

METADATA = st.dictionaries(st.sampled_from(["a", "b", "ngày", "a.b"]), VALUES)


def is_candidate(where: Filter, title: str, metadata: dict[str, Any]) -> bool:
    own = keys_of("c", title, metadata)
    for each in candidates_of("c", where):
        if isinstance(each, OneOf) and not own & set(each.keys):
            return False
        if isinstance(each, Between) and not any(each.first <= key <= each.last for key in own):
            return False
    return True


@given(metadata=METADATA, where=FILTERS)
def test_every_match_is_a_candidate(metadata: dict[str, Any], where: Filter) -> None:
    assert is_candidate(where, "", metadata) or not matches(where, metadata)


def test_candidates_are_few() -> None:
    """They are the matches, but for combinations of fields and what has no key."""
    for where in WHERES:
        if isinstance(where, Not | All) or not candidates_of("c", where):
            continue
        for each in DOCUMENTS:
            title = str(each.get("title", ""))
            assert is_candidate(where, title, each) <= matches(where, each, title) or is_bound(where), (where, each)


def is_bound(where: Filter) -> bool:
    return isinstance(where, Range) and (where.gt is not None or where.lt is not None)


NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.integers(-5, 5)


@given(one=NUMBERS, other=NUMBERS)
def test_keys_are_ordered_as_numbers_are(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert keys._of_number(low) <= keys._of_number(high)


@pytest.fixture(params=["sqlite", "postgres"])
async def any_registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlRegistry]:
    if request.param == "sqlite":
        opened = sqlite_registry(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
        await migrate(url)
        opened = SqlRegistry(open_database(url))
    yield opened
    await opened.close()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[SqlRegistry]:
    opened = sqlite_registry(tmp_path)
    yield opened
    await opened.close()


def original(collection: Collection, name: str) -> Original:
    return Original(key=f"{collection.id}/{name}", sha256="0" * 64, size_bytes=1, media_type="text/plain")


async def check_keys(registry: SqlRegistry) -> int:
    """Return how many keys there are, all of them those of the documents."""
    columns = documents.c.sequence, documents.c.collection_id, documents.c.title, documents.c.metadata

    def read(connection: Any) -> tuple[set[Any], set[Any]]:
        rows = connection.execute(select(*columns)).all()
        expected = {(key, row.sequence) for row in rows for key in keys_of(row.collection_id, row.title, row.metadata)}
        return expected, set(map(tuple, connection.execute(select(filter_keys)).all()))

    expected, found = await registry.database.read(read)
    assert found == expected
    return len(found)


async def test_keys_follow_the_documents(registry: SqlRegistry) -> None:
    kb, other = await add_collection(registry, "kb"), await add_collection(registry, "other")
    rng = random.Random(11)
    for round_ in range(150):
        collection = rng.choice((kb, other))
        there = (await registry.page(collection.id, limit=1000)).documents
        metadata = {"year": rng.randrange(3), "tags": rng.sample(["a", "b", "c"], rng.randrange(3)), "none": None}
        match rng.randrange(5):
            case 0 | 1:
                new = [(f"{round_}-{n % 3}", original(collection, f"{round_}-{n}")) for n in range(4)]
                await registry.save([new_document(collection, *each, title="Số", metadata=metadata) for each in new])
            case 2 if there:
                await registry.remove(rng.sample(there, 1))
            case 3 if there:
                old = rng.choice(there)
                await registry.save([msgspec.structs.replace(old, title=f"Tên {round_}", metadata=metadata)])
            case _ if there:
                stale = msgspec.structs.replace(rng.choice(there), version=99, metadata={"never": "stored"})
                await registry.save([stale, rng.choice(there).reindex()])
        await check_keys(registry)
    assert await check_keys(registry) > 100
    await registry.remove_collection(other.id)
    await check_keys(registry)
    await registry.remove_documents(kb.id)
    assert await check_keys(registry) == 0


async def filled(registry: SqlRegistry) -> Collection:
    kb = await add_collection(registry, "kb")
    states = (DocumentState.READY, DocumentState.FAILED)
    await registry.save(
        [
            msgspec.structs.replace(
                new_document(
                    kb, str(n), original(kb, str(n)), title=f"Văn bản {n}",
                    metadata={"number": n, "odd": n % 2 == 1, "third": n % 3, "day": f"2024-{1 + n % 12:02}-01"},
                ),
                state=states[n % 2],
            )
            for n in range(300)
        ]
    )  # fmt: skip
    return kb


PAGES: list[Filter] = [
    Match("number", 7),
    Match("odd", True),
    All((Match("odd", True), Match("third", 1))),
    All((Match("odd", True), Range("number", lt=100), Not(Match("third", 2)))),
    Range("number", gte=10, lt=13),
    Range("day", gte="2024-11-01"),
    Exists("number"),
    Prefix("day", "2024-03"),
    TitlePrefix("van ban 29"),
    TitleWords(("ban", "17")),
    Not(Match("odd", True)),
]


@pytest.mark.parametrize("walked", [0, 1, 37, 299, 300, 2000])
async def test_pages_are_the_same_however_many_documents_are_walked(
    any_registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch, walked: int
) -> None:
    monkeypatch.setattr(key_search, "WALKED", walked)
    monkeypatch.setattr(key_search, "DOCUMENTS_PER_QUERY", 7)
    monkeypatch.setattr(key_search, "COUNTED", 5)
    kb = await filled(any_registry)
    everything = (await any_registry.page(kb.id, limit=1000)).documents
    for where in PAGES:
        for states in ((), (DocumentState.FAILED,), (DocumentState.FAILED, DocumentState.READY)):
            expected = [
                each.id for each in everything
                if matches(where, each.metadata, each.title) and (not states or each.state in states)
            ]  # fmt: skip
            found: list[str] = []
            cursor = None
            while True:
                page = await any_registry.page(kb.id, where=where, states=states, cursor=cursor, limit=11)
                found += [each.id for each in page.documents]
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == expected, (where, states)


async def test_a_rare_match_among_many_documents_reads_few_of_them(
    registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_search, "WALKED", 10)
    kb = await filled(registry)
    candidates: list[int] = []
    sequences = key_search.KeySearch._sequences

    def counted(search: key_search.KeySearch, connection: Any, newest: int) -> Any:
        query = sequences(search, connection, newest)
        candidates.append(len(connection.execute(query).all()))
        return query

    monkeypatch.setattr(key_search.KeySearch, "_sequences", counted)
    for where, matching in ((Match("number", 7), 1), (Range("number", gte=3, lte=5), 3), (TitleWords(("ban", "7")), 1)):
        assert len((await registry.page(kb.id, where=where)).documents) == matching
        assert candidates.pop() == matching, where


async def test_a_state_of_an_older_release_gets_its_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alembic brings a file to the version before, as an older release left it, and the newest one fills it."""
    registry = sqlite_registry(tmp_path)
    kb = await filled(registry)
    await registry.close()
    downgrade(tmp_path / "registry.sqlite3", "0002")
    with sqlite3.connect(tmp_path / "registry.sqlite3") as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'filter_keys'").fetchall()
    connection.close()
    async with open_local_registry(tmp_path, JsonReporter()) as opened:
        assert await check_keys(opened) > 1000
        assert len((await opened.page(kb.id, where=Match("number", 7))).documents) == 1
    [event] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (event["event"], event["total"]) == ("step", 300)


def downgrade(file: Path, version: str) -> None:
    engine = sqlite_engine(file, begin="BEGIN IMMEDIATE")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema._MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, version)
    engine.dispose()
