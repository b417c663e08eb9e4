"""Keys by which databases find what filters match: complete, ordered as values are, filled by upgrades, and used."""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select, text

from cli.local_registry import open_local_registry
from cli.progress import JsonReporter
from phoserve.adapters.sql import filter_keys as keys
from phoserve.adapters.sql import key_search, schema
from phoserve.adapters.sql.database import open_database, parse_url, sqlite_engine
from phoserve.adapters.sql.filter_keys import Between, OneOf, candidates_of, keys_of
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.adapters.sql.tables import documents, filter_keys
from phoserve.documents.collections import Collection
from phoserve.documents.filters import All, Exists, Filter, Match, Not, Prefix, Range, TitlePrefix, TitleWords, matches
from phoserve.documents.library import Library
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import DocumentState, Original, new_document
from tests.contract.test_filters import DOCUMENTS, FILTERS, VALUES, WHERES
from tests.support.memory import MemoryIndex, MemoryQueue, MemorySources
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
async def any_registry(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[SqlRegistry]:
    opened = SqlRegistry(open_database(new_database(request.param)))
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


async def test_keys_follow_the_documents(any_registry: SqlRegistry) -> None:
    registry = any_registry
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


@pytest.mark.parametrize(
    ("walked", "examined"), [(0, 20_000), (0, 40), (1, 100), (37, 50), (299, 1), (300, 20_000), (2000, 20_000)]
)
async def test_pages_are_the_same_however_many_documents_are_walked(
    any_registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch, walked: int, examined: int
) -> None:
    monkeypatch.setattr(key_search, "WALKED", walked)
    monkeypatch.setattr(key_search, "EXAMINED", examined)
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


@pytest.mark.parametrize("where", [Not(Exists("number")), Not(Match("third", 1)), Not(Range("number", gte=2))], ids=str)
async def test_a_page_of_a_filter_that_excludes_compares_a_limited_number_of_documents(
    any_registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch, where: Filter
) -> None:
    monkeypatch.setattr(key_search, "WALKED", 10)
    monkeypatch.setattr(key_search, "EXAMINED", 30)
    kb = await filled(any_registry)
    pages, found, cursor = 0, 0, None
    while pages == 0 or cursor:
        page = await any_registry.page(kb.id, where=where, cursor=cursor, limit=50)
        pages, found, cursor = pages + 1, found + len(page.documents), page.cursor
    assert found == sum(matches(where, {"number": n, "third": n % 3}, "") for n in range(300))
    assert 7 <= pages <= 9


async def test_documents_that_a_filter_does_not_exclude_are_all_deleted(
    any_registry: SqlRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_search, "WALKED", 10)
    monkeypatch.setattr(key_search, "EXAMINED", 20)
    kb = await filled(any_registry)
    library = Library(any_registry, PassageStores([MemoryIndex("f")]), MemorySources(), MemoryQueue())
    where = Not(Range("number", gte=8))
    assert await library.delete_where("kb", where=where, limit=5) == 5
    assert await library.delete_where("kb", where=where, limit=5) == 3
    assert await library.delete_where("kb", where=where, limit=5) == 0
    assert sum((await any_registry.counts(kb.id)).values()) == 292


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


@pytest.fixture
async def shared_url(postgres: PostgresServer) -> str:
    """A database on PostgreSQL, migrated."""
    url = postgres.new_database()
    await migrate(url)
    return url


@pytest.fixture
async def shared(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlRegistry]:
    """A registry that finds by key whatever is not in the newest document."""
    monkeypatch.setattr(key_search, "WALKED", 1)
    monkeypatch.setattr(key_search, "DOCUMENTS_PER_QUERY", 7)
    opened = SqlRegistry(open_database(shared_url))
    yield opened
    await opened.close()


async def execute(registry: SqlRegistry, statement: str, **values: Any) -> None:
    """Write as a process of an older release, which does not know the keys."""
    await registry.database.write(lambda connection: connection.execute(text(statement), values).close())


async def unkeyed(registry: SqlRegistry) -> int:
    return await registry.database.read(key_search.count_unkeyed)


async def ids(registry: SqlRegistry, kb: Collection, where: Filter) -> set[str]:
    return {each.id for each in (await registry.page(kb.id, where=where, limit=1000)).documents}


OLD_INSERT = """INSERT INTO documents
SELECT (jsonb_populate_record(documents, jsonb_build_object(
    'sequence', nextval('documents_sequence_seq'), 'key', 'old', 'id', 'old', 'original_key', 'old',
    'keyed_version', NULL, 'title', 'Thông tư cũ',
    'metadata', jsonb_build_object('number', -1, 'day', '2001-01-01')))).*
FROM documents WHERE id = '5'"""
OLD_UPDATE = """UPDATE documents SET version = version + 1, title = 'Nghị định mới',
    metadata = '{"number": 1000, "day": "2031-01-01"}' WHERE id = '7'"""


@pytest.mark.parametrize("many", [False, True])
async def test_what_an_older_release_writes_is_found(
    shared: SqlRegistry, shared_url: str, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.setattr(key_search, "MAX_UNKEYED", 1 if many else 100)
    kb = await filled(shared)
    await execute(shared, OLD_INSERT)
    await execute(shared, OLD_UPDATE)
    await shared.save([new_document(kb, f"new-{n}", original(kb, f"new-{n}"), title="Mới") for n in range(3)])
    expected: list[tuple[Filter, set[str]]] = [
        (Match("number", -1), {"old"}),
        (Match("number", 1000), {"7"}),
        (Match("number", 7), set()),
        (Range("number", lt=2), {"0", "1", "old"}),
        (Range("day", lt="2002-01-01"), {"old"}),
        (Range("day", gt="2030-01-01"), {"7"}),
        (TitleWords(("thong", "tu")), {"old"}),
        (TitlePrefix("nghi dinh"), {"7"}),
        (TitleWords(("ban", "7")), set()),
    ]
    for where, found in expected:
        assert await ids(shared, kb, where) == found, where
    assert await unkeyed(shared) == 2
    assert await migrate(shared_url) == (schema.newest_version(), schema.newest_version())
    assert await unkeyed(shared) == 0
    for where, found in expected:
        assert await ids(shared, kb, where) == found, where


async def test_a_document_that_an_older_release_changed_gets_its_keys_with_the_next_version(
    shared: SqlRegistry,
) -> None:
    kb = await filled(shared)
    await execute(shared, OLD_UPDATE)
    changed = await shared.get(kb, "7")
    assert all(await shared.save([changed.reindex()]))  # the title and the metadata stay
    assert await unkeyed(shared) == 0
    assert await ids(shared, kb, Match("number", 1000)) == {"7"}
    await shared.remove([await shared.get(kb, "7")])
    assert await ids(shared, kb, Match("number", 1000)) == set()


async def test_an_interrupted_fill_continues(
    shared: SqlRegistry, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_search, "DOCUMENTS_PER_FILL", 40)
    kb = await filled(shared)
    await shared.database.write(_downgrade_to_0007)
    calls: list[tuple[int, int]] = []

    def seen(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schema.migrate_now(shared_url, seen)
    assert await unkeyed(shared) == 180
    assert await ids(shared, kb, Match("number", 7)) == {"7"}
    assert await ids(shared, kb, Match("number", 250)) == {"250"}
    await migrate(shared_url, seen)
    assert calls == [(40, 300), (80, 300), (120, 300), (40, 180), (80, 180), (120, 180), (160, 180), (180, 180)]
    assert await check_keys(shared) > 1000
    assert await unkeyed(shared) == 0


def _downgrade_to_0007(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))
    config.attributes["connection"] = connection
    command.downgrade(config, "0007")


async def test_a_fill_waits_for_no_writer(shared: SqlRegistry, shared_url: str) -> None:
    """The document that a writer holds is left out, and stays a candidate of every filter."""
    kb = await filled(shared)
    await execute(shared, "UPDATE documents SET keyed_version = NULL")
    engine = create_engine(parse_url(shared_url))
    with engine.begin() as writer:
        writer.execute(text("SELECT 1 FROM documents WHERE id = '7' FOR UPDATE"))
        await migrate(shared_url)
        assert await unkeyed(shared) == 1
        assert await ids(shared, kb, Match("number", 7)) == {"7"}
    engine.dispose()
    await migrate(shared_url)
    assert await unkeyed(shared) == 0


async def test_fills_and_writers_of_both_releases_at_once(
    shared: SqlRegistry, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_search, "DOCUMENTS_PER_FILL", 10)
    kb = await filled(shared)
    await execute(shared, "DELETE FROM filter_keys")
    await execute(shared, "UPDATE documents SET keyed_version = NULL")
    rng = random.Random(3)

    async def write_as_before() -> None:
        for number in range(40):
            statement = "UPDATE documents SET version = version + 1, metadata = :metadata WHERE id = :id"
            values = {"metadata": json.dumps({"number": 1000 + number}), "id": str(rng.randrange(300))}
            await execute(shared, statement, **values)

    async def write() -> None:
        for number in range(40):
            old = await shared.get(kb, str(rng.randrange(300)))
            await shared.save([msgspec.structs.replace(old, metadata={"number": 2000 + number})])

    await asyncio.gather(migrate(shared_url), migrate(shared_url), write_as_before(), write(), write())
    everything = (await shared.page(kb.id, limit=1000)).documents
    for is_filled in (False, True):
        if is_filled:
            await migrate(shared_url)
            assert await unkeyed(shared) == 0
        for number in {each.metadata["number"] for each in everything}:
            expected = {each.id for each in everything if each.metadata["number"] == number}
            assert await ids(shared, kb, Match("number", number)) == expected
