"""What the suites of several adapters share."""

from collections.abc import Iterator

import pytest

from tests.support.qdrant_server import qdrant_server


@pytest.fixture(scope="session")
def qdrant_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server for this run; every test empties it first."""
    with qdrant_server(tmp_path_factory.mktemp("qdrant")) as server:
        yield server.url
