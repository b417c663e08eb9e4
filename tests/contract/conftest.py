"""What the suites of several adapters share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phoserve.adapters.sql.schema import migrate_now
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.qdrant_server import QdrantServer, qdrant_server


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    """Return the server of this run. Every test empties it first."""
    with qdrant_server(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """For this run; every test creates a database of its own."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return a function that makes a database with the newest schema, `sqlite` or `postgres`, and returns its URL."""

    def make(kind: str) -> str:
        server: PostgresServer | None = request.getfixturevalue("postgres") if kind == "postgres" else None
        url = server.new_database() if server else f"sqlite:///{tmp_path / 'registry.sqlite3'}"
        migrate_now(url)
        return url

    return make
