"""Migrations, and the error for the schema of another release."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text

from phoserve.adapters.sql.database import open_database, parse_url
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import check_schema, migrate, migrate_now, newest_version
from phoserve.adapters.sql.tables import METADATA_INDEX, UNKEYED_INDEX, tables
from phoserve.documents.access import Audience
from phoserve.documents.collections import new_collection
from phoserve.documents.filters import Match
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


@pytest.mark.parametrize("version", ["0001", "0005"])
async def test_a_migration_that_is_killed_at_any_statement_is_completed_by_the_next(url: str, version: str) -> None:
    migrate_now(url)
    registry = SqlRegistry(open_database(url))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None
    drafts = [
        new_document(kb, f"d{n}", Original(key=f"o{n}", sha256="0", size_bytes=1, media_type="text/plain"), title="Tên")
        for n in range(20)
    ]
    before = await registry.save([msgspec.structs.replace(each, metadata={"year": 2020}) for each in drafts])
    downgrade_to(url, version)
    rng = random.Random()
    for statements in (*rng.sample(range(15), 2), rng.randrange(60)):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, url, str(statements))
        assert await process.wait() == -signal.SIGKILL or statements >= 15
    await migrate(url)
    by_filter = await registry.page(kb.id, where=Match("year", 2020), limit=100)
    assert sorted(by_filter.documents, key=lambda each: each.id) == sorted(filter(None, before), key=lambda e: e.id)
    assert await registry.counts(kb.id) == {DocumentState.QUEUED: len(drafts)}
    await registry.close()


def test_readers_and_writers_do_not_wait_behind_a_migration_that_waits(postgres: PostgresServer) -> None:
    """A dump of the database holds its tables for as long as it takes."""
    url = postgres.new_database()
    migrate_to(url, "0005")
    engine = create_engine(parse_url(url), connect_args={"application_name": "pg_dump"})
    with engine.begin() as dumping, ThreadPoolExecutor(1) as pool:
        dumping.execute(text("SELECT * FROM documents"))
        migrating = pool.submit(migrate_now, url)
        wait_until(lambda: migrating.done() or _counted(url, "ALTER TABLE documents%") > 0, timeout_s=60)
        with psycopg.connect(url, options="-c statement_timeout=12s") as reading:
            reading.execute("SELECT count(*) FROM documents")
        with pytest.raises(Unavailable, match=r"while a transaction of pg_dump \(server process \d+, \d+ s old\)"):
            migrating.result(60)
        assert _one(url, "SELECT version_num FROM alembic_version", {}) == "0005"
    engine.dispose()
    assert migrate_now(url) == ("0005", newest_version())


def test_the_command_waits_for_a_table_in_use_and_reports_why(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_to(url, "0005")
    engine = create_engine(parse_url(url))
    command = [sys.executable, "-m", "cli", "migrate", "--json", "--wait-s", "120"]
    with subprocess.Popen(command, env=os.environ | {"PHOSERVE_REGISTRY__URL": url}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with engine.begin() as reading:
            reading.execute(text("SELECT * FROM documents"))
            waiting = json.loads(process.stdout.readline())
        done = json.loads(process.stdout.read().splitlines()[-1])
    engine.dispose()
    assert (waiting["event"], "uses its tables" in waiting["text"]) == ("waiting", True)
    assert (process.returncode, done["event"], done["before"]) == (0, "migrated", "0005")


def test_a_role_without_the_rights_is_explained(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    role = f"r{uuid.uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    limited = re.sub(r"//[^@]+@", f"//{role}:x@", url)
    for _ in range(2):  # may not create tables, then may not read them
        with pytest.raises(ConfigurationError, match=r"permission denied .* must own the tables"):
            migrate_now(limited)
        migrate_now(url)


def test_a_database_that_cannot_be_written_is_not_migrated(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_to(url, "0005")
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(Unavailable, match=r"cannot be migrated: cannot execute .* in a read-only transaction"):
        migrate_now(url)
    postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert migrate_now(url) == ("0005", newest_version())


@pytest.mark.parametrize("change", ["DROP TABLE document_counts", "ALTER TABLE documents DROP COLUMN warnings"])
async def test_a_schema_that_changes_under_a_running_process(change: str, postgres: PostgresServer) -> None:
    """As after the restore of an older backup."""
    url = postgres.new_database()
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    kb = await registry.add_collection(new_collection("kb"))
    assert kb is not None
    postgres.execute(change, url.rpartition("/")[2])
    original = Original(key="o", sha256="0", size_bytes=1, media_type="text/plain")
    with pytest.raises(Unavailable, match=r"schema of another release: run `phoserve migrate`"):
        await registry.save([new_document(kb, "d", original)])
    assert await registry.collections() == [kb]
    await registry.close()


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


def migrate_until(url: str, statements: int) -> None:
    """Migrate in this process, which is killed before one of its statements."""
    done = iter(range(statements))

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        if next(done, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    migrate_now(url)


if __name__ == "__main__":
    migrate_until(sys.argv[1], int(sys.argv[2]))
