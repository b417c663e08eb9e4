"""Migrations, and the error for the schema of another release."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, text

from phoserve.adapters.sql.database import open_database, parse_url
from phoserve.adapters.sql.schema import check_schema, migrate, migrate_now, newest_version
from phoserve.adapters.sql.tables import METADATA_INDEX, sqlite_tables, tables
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
    for table in [*tables.sorted_tables, *(sqlite_tables.sorted_tables if engine.dialect.name == "sqlite" else [])]:
        table.to_metadata(expected)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), expected)
    engine.dispose()
    assert [each for each in found if getattr(each[1], "name", "") != METADATA_INDEX] == []


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
