"""One damaged row of the registry never stops a start, a listing, a filter, a reconcile pass or its neighbours."""

import asyncio
import hashlib
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ingest.doctor import Doctor
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.filter_keys import keys_of
from phoserve.adapters.sql.key_search import count_unkeyed
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.rows import UNREADABLE, is_unreadable
from phoserve.adapters.sql.schema import migrate, migrate_now
from phoserve.adapters.sql.tables import filter_keys
from phoserve.documents.access import CLOSED
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.filters import All, AnyOf, Exists, Filter, Match, Not, Prefix, Range, TitlePrefix, TitleWords
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import Document, DocumentFailure, DocumentState, Original, new_document
from phoserve.documents.removal import sweep_originals, unnamed_originals
from tests.support.memory import MemoryIndex, MemoryQueue, MemorySources
from tests.support.postgres_server import PostgresServer

COUNT = 5
FAILURE = DocumentFailure(code="test", message="a test")
NUMBERS = ("version", "revision", "live_revision", "passages", "attempts", "original_bytes", "created_us", "updated_us")
COUNTERS = ("version", "revision", "live_revision", "access_version", "passages", "attempts", "original_bytes")
TEXTS = ("title", "state", "original_sha256", "media_type", "filename", "fingerprint", "id", "key", "original_key")
JSONS = ("metadata", "properties", "access", "error", "warnings", "requests")
OTHERS = ("progress", "bulk", "due_us")
GARBAGE: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(
        ['{"a": ', "[1, 2", "null", "17", '"text"', "[[1]]", '{"code": 1}', "\x00", "{}", "[]", "[" * 3000]
    ),
)
DAMAGES: st.SearchStrategy[list[tuple[int, str, Any]]] = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.sampled_from([*NUMBERS, *TEXTS, *JSONS, *OTHERS]), GARBAGE),
    min_size=1,
    max_size=3,
)
"""The number of a document, a column and what is written to it."""
WHERE: list[Filter] = [
    Match("year", 2020),
    AnyOf("tag", ("a", "b")),
    Range("year", gte=2000),
    Range("day", gte="2020-01-01"),
    Exists("year"),
    Prefix("tag", "a"),
    TitlePrefix("tieu"),
    TitleWords(("de",)),
    Not(Match("year", 1)),
    All((Match("year", 2020), Match("tag", "a"))),
]


async def filled(file: Path) -> tuple[Collection, list[Document]]:
    migrate_now(f"sqlite:///{file}")
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    try:
        collection = await registry.add_collection(new_collection("kb"))
        assert collection is not None
        made = [
            new_document(
                collection,
                f"d{number}",
                Original(key=f"o{number}", sha256="a" * 64, size_bytes=3, media_type="text/plain"),
                title="Tiêu đề",
                metadata={"year": 2020, "tag": ["a"], "day": "2021-05-05"},
            )
            for number in range(COUNT)
        ]
        return collection, [each for each in await registry.save(made) if each]
    finally:
        await registry.close()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Collection, list[Document]]:
    file = tmp_path_factory.mktemp("pristine") / "registry.sqlite3"
    return file, *asyncio.run(filled(file))


def damage(file: Path, document_id: str, column: str, value: Any) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        if isinstance(value, bytes):
            # Text that is not UTF-8, as a damaged page leaves it.
            statement = f"UPDATE OR IGNORE documents SET {column} = CAST(? AS TEXT) WHERE id = ?"  # noqa: S608
        else:
            statement = f"UPDATE OR IGNORE documents SET {column} = ? WHERE id = ?"  # noqa: S608
        connection.execute(statement, (value, document_id))


async def check(file: Path, collection: Collection, documents: list[Document], damaged: set[str]) -> None:
    """Check everything that a start, a listing, a search and a reconcile pass read."""
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    intact = [each for each in documents if each.id not in damaged]
    try:
        assert await registry.collections() == [collection]
        page = await registry.page(collection.id)
        by_key = {each.key: each for each in page.documents}
        assert [by_key[each.key] for each in intact] == intact
        for document in page.documents:
            msgspec.json.encode(document)
            if document not in intact and document.error:
                assert document.error.code == UNREADABLE
        assert await registry.find(collection.id, [each.id for each in intact]) == {each.id: each for each in intact}
        found = await registry.find_keys([each.key for each in documents])
        assert [found[each.key] for each in intact] == intact
        later = datetime.now(UTC) + timedelta(days=1)
        due = await registry.due(later, states=[DocumentState.QUEUED], limit=50)
        assert {each.key for each in intact} <= {each.key for each in due}
        assert all(each.error is None for each in due), "what cannot be read is not queued"
        since = datetime.now(UTC) - timedelta(days=1)
        assert {each.key for each in intact} <= {
            each.key for each in await registry.changed(collection.id, since=since)
        }
        assert sum((await registry.counts(collection.id)).values()) == COUNT
        for where in WHERE:
            matching = {each.key for each in (await registry.page(collection.id, where=where)).documents}
            assert {each.key for each in intact} <= matching, where
        saved = await registry.save([each.reindex() for each in intact])
        assert all(saved), "neighbours are written"
    finally:
        await registry.close()


@settings(max_examples=40)
@given(DAMAGES)
def test_a_damaged_row_stops_nothing(
    pristine: tuple[Path, Collection, list[Document]], damages: list[tuple[int, str, Any]]
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "registry.sqlite3"
            file.write_bytes(pristine[0].read_bytes())
            collection, documents = pristine[1:]
            for number, column, value in damages:
                damage(file, f"d{number}", column, value)
            await check(file, collection, documents, {f"d{number}" for number, _, _ in damages})

    asyncio.run(run())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, '{"a": ') for column in JSONS),
        *((column, "không phải số") for column in NUMBERS if column != "updated_us"),
        *((column, value) for column in COUNTERS for value in (-1, 2**63 - 1)),
        ("version", 0),
        ("revision", 0),
        ("progress", 1.5),
        ("title", b"\xff\xfe"),
        ("state", "unheard-of"),
        ("created_us", 2**62),
    ],
)
async def test_a_damaged_document_is_listed_as_failed(tmp_path: Path, column: str, value: Any) -> None:
    file = tmp_path / "registry.sqlite3"
    collection, documents = await filled(file)
    damage(file, "d2", column, value)
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    try:
        listed = {each.id: each for each in (await registry.page(collection.id)).documents}
        assert len(listed) == COUNT
        assert listed["d2"].state is DocumentState.FAILED
        assert listed["d2"].error is not None
        assert listed["d2"].error.code == UNREADABLE
        assert column in listed["d2"].error.message
        assert listed["d2"].access == (CLOSED if column.startswith("access") else ())
        assert listed["d2"].key in await registry.find_keys([documents[2].key]), "its passages are no orphans"
    finally:
        await registry.close()


@pytest.mark.parametrize("settings_text", ["{", "17", '{"fusion": 3}', '{"fusion": {"dense": "x"}}', '"a"'])
async def test_a_damaged_collection_is_listed_with_defaults(tmp_path: Path, settings_text: str) -> None:
    file = tmp_path / "registry.sqlite3"
    collection, _ = await filled(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE collections SET settings = ?", (settings_text,))
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    try:
        assert await registry.collections() == [collection]
        assert (await registry.collection("kb")).fusion is None
    finally:
        await registry.close()


@settings(max_examples=40)
@example(damages=[(0, "version", -1), (0, "revision", "")])
@given(DAMAGES)
def test_mended_records_are_whole(
    pristine: tuple[Path, Collection, list[Document]], damages: list[tuple[int, str, Any]]
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "registry.sqlite3"
            file.write_bytes(pristine[0].read_bytes())
            for number, column, value in damages:
                damage(file, f"d{number}", column, value)
            registry = SqlRegistry(open_database(f"sqlite:///{file}"))
            try:
                found = await registry.damaged()
                mended = [await registry.mend(each) for each in found]
                assert await registry.damaged() == []
                assert [each is None for each in mended] == [each.document is None for each in found]
                page = (await registry.page(pristine[1].id)).documents
                assert not any(is_unreadable(each) for each in page)
                assert len(page) == COUNT - sum(each.document is None for each in found)
                assert sum((await registry.counts(pristine[1].id)).values()) == len(page)
                queued = [each for each in mended if each and each.state is DocumentState.QUEUED]
                known = await registry.find_keys([each.key for each in queued])
                assert [known[each.key] for each in queued] == queued
                assert all(await registry.save([each.failed(FAILURE) for each in queued])), "they can be written again"
            finally:
                await registry.close()

    asyncio.run(run())


async def test_the_repair_keeps_damaged_records_and_indexes_their_documents_again(tmp_path: Path) -> None:
    file = tmp_path / "registry.sqlite3"
    collection, documents = await filled(file)
    damage(file, "d1", "metadata", '{"a": ')
    damage(file, "d2", "key", b"\xff\xfe")
    registry, sources, queue = SqlRegistry(open_database(f"sqlite:///{file}")), MemorySources(), MemoryQueue()
    doctor = Doctor(registry, PassageStores([MemoryIndex("f")]), sources, queue)
    try:
        report = await doctor.examine()
        assert not report.is_healthy
        assert [(each.id, bool(each.document)) for each in report.damaged] == [("d1", True), ("d2", False)]
        await doctor.examine(repair=True)
        assert not (await doctor.examine()).damaged
        mended = (await registry.find(collection.id, ["d1"]))["d1"]
        assert (mended.state, mended.revision, mended.metadata) == (DocumentState.QUEUED, 2, {})
        assert mended.key == documents[1].key
        assert [task.document_key for task in queue.tasks] == [mended.key]
        kept = [await sources.read(key) async for key, _ in sources.keys("quarantine/")]
        assert sorted(b'"d1' in each or b"'d1'" in each for each in kept) == [False, True]
        far = datetime.now(UTC) + timedelta(days=365)
        assert await unnamed_originals(registry, sources, stored_before=far) == []
    finally:
        await registry.close()


async def test_damaged_records_that_are_due_do_not_keep_others_waiting(tmp_path: Path) -> None:
    file = tmp_path / "registry.sqlite3"
    _, documents = await filled(file)
    for number in (0, 1, 2):
        damage(file, f"d{number}", "metadata", '{"a": ')
    registry = SqlRegistry(open_database(f"sqlite:///{file}"))
    try:
        for limit in (1, 2, 3, 10):
            due = await registry.due(datetime.now(UTC), states=[DocumentState.QUEUED], limit=limit)
            assert [each.id for each in due] == ["d3", "d4"][:limit]
    finally:
        await registry.close()
    assert len(documents) == COUNT


@pytest.mark.parametrize("is_hash_kept", [True, False])
async def test_the_original_of_a_record_that_names_none_is_found_or_kept(tmp_path: Path, is_hash_kept: bool) -> None:
    file, content = tmp_path / "registry.sqlite3", "Nghỉ phép".encode()
    collection, _ = await filled(file)
    hash_ = hashlib.sha256(content).hexdigest() if is_hash_kept else "b" * 64
    damage(file, "d1", "original_sha256", hash_)
    damage(file, "d1", "original_key", b"\xff\xfe")
    registry, sources, queue = SqlRegistry(open_database(f"sqlite:///{file}")), MemorySources(), MemoryQueue()
    try:
        await sources.put(f"{collection.id}/lost", content, max_bytes=100)
        await sources.put(f"{collection.id}/superseded", b"other", max_bytes=100)
        far = datetime.now(UTC) + timedelta(days=365)
        assert await sweep_originals(registry, sources, stored_before=far) == 0
        await Doctor(registry, PassageStores([MemoryIndex("f")]), sources, queue).examine(repair=True)
        assert await sweep_originals(registry, sources, stored_before=far) == 2
        mended = (await registry.find(collection.id, ["d1"]))["d1"]
        left = {key: await sources.read(key) async for key, _ in sources.keys("") if not key.endswith(".json")}
        if is_hash_kept:
            assert left == {mended.original.key: content}
            assert (mended.state, [task.revision for task in queue.tasks]) == (DocumentState.QUEUED, [mended.revision])
        else:
            assert sorted(left.values()) == [content, b"other"]
            assert all(key.startswith("quarantine/") for key in left)
    finally:
        await registry.close()


@pytest.mark.parametrize(
    "damaged",
    [
        "metadata = '17'",
        "access = '\"x\"'",
        "state = 'unheard-of'",
        "warnings = '[1]'",
        "error = '[1]'",
        "created_us = 9223372036854775807",
        *(f"{each} = -1" for each in COUNTERS),
        "version = 9223372036854775807",
        "revision = 0",
        "progress = 'NaN'",
    ],
)
async def test_damaged_records_of_postgres_are_mended(postgres: PostgresServer, damaged: str) -> None:
    url = postgres.new_database()
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    try:
        collection = await registry.add_collection(new_collection("kb"))
        assert collection is not None
        original = Original(key="o", sha256="a" * 64, size_bytes=3, media_type="text/plain")
        [saved] = await registry.save(
            [new_document(collection, "d0", original, title="Tiêu đề", metadata={"year": 2020})]
        )
        assert saved is not None
        statement = f"UPDATE documents SET {damaged}"  # noqa: S608 - a constant of this file
        await registry.database.write(lambda connection: connection.exec_driver_sql(statement).close())
        [record] = await registry.damaged()
        assert record.fields == (damaged.split()[0],)
        mended = await registry.mend(record)
        assert await registry.damaged() == []
        assert (await registry.page(collection.id)).documents == [mended]
        assert await registry.counts(collection.id) == {DocumentState.QUEUED: 1}
        assert mended is not None
        assert await registry.save([mended.failed(FAILURE)]) != [None], "it can be written again"
        keys = await registry.database.read(
            lambda connection: set(connection.execute(select(filter_keys.c.key)).scalars())
        )
        assert keys >= keys_of(collection.id, mended.title, mended.metadata)
        assert await registry.database.read(count_unkeyed) == 0
    finally:
        await registry.close()
