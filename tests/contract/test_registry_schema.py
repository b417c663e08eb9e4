"""Migrations, and the error for the schema of another release."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, text

from phoserve.adapters.sql.database import open_database, parse_url
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import check_schema, migrate, migrate_now, newest_version
from phoserve.adapters.sql.tables import METADATA_INDEX, UNKEYED_INDEX, tables
from phoserve.documents.access import Audience
from phoserve.documents.collections import new_collection
from phoserve.documents.records import DocumentState, Original, new_document
from phoserve.errors import ConfigurationError, Unavailable
from tests.support.postgres_server import PostgresServer
from tests.support.schema import downgrade_to, migrate_to
from tests.support.waiting import wait_until

BUILT_ONLINE = ["documents_access", "documents_access_due", UNKEYED_INDEX]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new folder' / 'registry.sqlite3'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield server.new_database()


async def test_migrating_again_changes_nothing(url: str) -> None:
    assert await migrate(url) == (None, newest_version())
    assert await migrate(url) == (newest_version(), newest_version())


def test_several_processes_may_migrate_at_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(migrate_now, [url] * 4))
    assert sorted(before is None for before, _ in outcomes) == [False, False, False, True]


async def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    await migrate(url)
    engine = create_engine(parse_url(url))
    expected = MetaData()
    for table in tables.sorted_tables:
        table.to_metadata(expected)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), expected)
    engine.dispose()
    assert [each for each in found if getattr(each[1], "name", "") not in {METADATA_INDEX, UNKEYED_INDEX}] == []


async def test_a_process_refuses_another_schema(url: str) -> None:
    if url.startswith("sqlite"):
        Path(str(parse_url(url).database)).parent.mkdir()
    database = open_database(url)
    with pytest.raises(ConfigurationError, match="phoserve migrate"):
        await check_schema(database)
    await migrate(url)
    await check_schema(database)
    await database.write(lambda each: each.execute(text("UPDATE alembic_version SET version_num = '9999'")).close())
    with pytest.raises(ConfigurationError, match=r"9999, which is newer.*deploy the newer release"):
        await check_schema(database)
    with pytest.raises(ConfigurationError, match="9999, which is newer"):
        await migrate(url)
    await database.close()


@pytest.mark.parametrize("wrong", ["", "x", "mysql://a/b", "postgresql://host", "sqlite://", "redis://127.0.0.1/0"])
def test_a_wrong_url_is_explained_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="PHOSERVE_REGISTRY__URL"):
        open_database(wrong)


async def test_groups_from_before_a_downgrade_are_in_force_again(url: str) -> None:
    """The older release ignores them, and must not open them for good."""
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None
    for number, access in enumerate([(), ("a", "b"), ("kế toán",), ("kế toán",)]):
        original = Original(key=f"o{number}", sha256="0", size_bytes=1, media_type="text/plain")
        assert all(await registry.save([new_document(kb, f"d{number}", original, access=access)]))
    downgrade_to(url, "0005")
    assert await migrate(url) == ("0005", newest_version())
    for groups, count in [((), 1), (("a",), 2), (("kế toán",), 3)]:
        assert await registry.counts(kb.id, audience=Audience(frozenset(groups))) == {DocumentState.QUEUED: count}
        assert len((await registry.page(kb.id, audience=Audience(frozenset(groups)))).documents) == count
    await registry.close()


@pytest.mark.parametrize("name", BUILT_ONLINE)
def test_an_index_is_built_while_others_write(name: str, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_now(url)
    with building(url, name) as (connection, migrating):
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("DELETE FROM documents"))  # not locked out
    migrating.result(60)
    assert _is_valid(url, name)


@pytest.mark.parametrize("name", BUILT_ONLINE)
def test_an_index_whose_server_process_was_ended_is_built_again(name: str, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_now(url)
    with building(url, name) as (connection, migrating):
        ended = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE :like AND state = 'active'"
        )
        connection.execute(ended, {"like": "CREATE INDEX CONCURRENTLY%"})
        with pytest.raises(Unavailable, match="cannot be migrated"):
            migrating.result(60)
        assert _is_valid(url, name) is False
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate_now, [url] * 3))
    assert _is_valid(url, name)


def test_a_process_that_was_killed_in_the_middle_of_a_migration(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_to(url, "0005")
    engine = create_engine(parse_url(url))
    environment = os.environ | {"PHOSERVE_REGISTRY__URL": url}
    with engine.begin() as reading:  # the migration waits for this transaction
        reading.execute(text("SELECT * FROM documents"))
        killed = subprocess.Popen([sys.executable, "-m", "cli", "migrate"], env=environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: _counted(url, "ALTER TABLE documents%") > 0, timeout_s=60)
        killed.kill()
        killed.wait()
    engine.dispose()
    outcome = subprocess.run(
        [sys.executable, "-m", "cli", "migrate"], env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert migrate_now(url) == (newest_version(), newest_version())
    assert all(_is_valid(url, name) for name in BUILT_ONLINE)


@contextmanager
def building(url: str, name: str) -> "Iterator[tuple[Connection, Future[Any]]]":
    """A migration that builds an index and waits for a transaction to end."""
    engine, writer = create_engine(parse_url(url), isolation_level="AUTOCOMMIT"), create_engine(parse_url(url))
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(text(f"DROP INDEX {name}"))
        with writer.begin() as writing:
            writing.execute(text("UPDATE documents SET bulk = bulk"))
            migrating = pool.submit(migrate_now, url)
            wait_until(lambda: migrating.done() or _counted(url, "CREATE INDEX CONCURRENTLY%") > 0, timeout_s=60)
            assert not migrating.done()
            yield connection, migrating
    for each in (engine, writer):
        each.dispose()


def _counted(url: str, like: str) -> int:
    """Return how many statements of the database wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE :like AND wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    return int(_one(url, waiting, {"like": like}))


def _is_valid(url: str, name: str) -> bool | None:
    valid: bool | None = _one(
        url, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)", {"name": name}
    )
    return valid


def _one(url: str, statement: str, values: dict[str, str]) -> Any:
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        found = connection.execute(text(statement), values).scalar()
    engine.dispose()
    return found
