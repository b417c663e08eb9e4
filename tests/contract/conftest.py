"""What the suites of several adapters share."""

from collections.abc import Iterator

import pytest

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
