"""Migrations, and the error for the schema of another release."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, text

from phoserve.adapters.sql.database import open_database, parse_url
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import check_schema, migrate, migrate_now, newest_version
from phoserve.adapters.sql.tables import METADATA_INDEX, UNKEYED_INDEX, tables
from phoserve.documents.access import Audience
from phoserve.documents.collections import new_collection
from phoserve.documents.records import DocumentState, Original, new_document
from phoserve.errors import ConfigurationError
from tests.support.postgres_server import PostgresServer


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
    _downgrade(url, "0005")
    assert await migrate(url) == ("0005", newest_version())
    for groups, count in [((), 1), (("a",), 2), (("kế toán",), 3)]:
        assert await registry.counts(kb.id, audience=Audience(frozenset(groups))) == {DocumentState.QUEUED: count}
        assert len((await registry.page(kb.id, audience=Audience(frozenset(groups)))).documents) == count
    await registry.close()


def _downgrade(url: str, version: str) -> None:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "phoserve/adapters/sql/migrations")
        config.attributes["connection"] = connection
        command.downgrade(config, version)
    engine.dispose()


def test_the_index_of_documents_without_keys_is_built_while_others_write(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_now(url)
    engine, writer = create_engine(parse_url(url), isolation_level="AUTOCOMMIT"), create_engine(parse_url(url))
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        assert _is_valid(connection)
        connection.execute(text(f"DROP INDEX {UNKEYED_INDEX}"))
        with writer.begin() as writing:  # the index waits for this transaction
            writing.execute(text("UPDATE documents SET bulk = bulk"))
            migrating = pool.submit(migrate_now, url)
            while not connection.execute(text(BUILDING), {"like": "CREATE INDEX CONCURRENTLY%"}).scalar():
                assert not migrating.done()
                time.sleep(0.02)
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.execute(text("DELETE FROM documents"))  # not locked out
        migrating.result(60)
        assert _is_valid(connection)
    for each in (engine, writer):
        each.dispose()


def test_an_index_that_was_interrupted_is_made_again(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    migrate_now(url)
    engine = create_engine(parse_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        update = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"
        connection.execute(text(update), {"name": UNKEYED_INDEX})
        assert not _is_valid(connection)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(migrate_now, [url] * 3))
        assert _is_valid(connection)
    engine.dispose()


BUILDING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE :like AND wait_event_type = 'Lock'"


def _is_valid(connection: Connection) -> bool:
    found = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
    return bool(connection.execute(found, {"name": UNKEYED_INDEX}).scalar())
