"""The database that a measurement runs on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres_server import running_postgres


@contextmanager
def database_url(given: str) -> Iterator[str]:
    """Yield the URL of an empty database: a new file for `sqlite`, a server of its own for `postgres`, else `given`.

    Both are durable, in a temporary folder, and removed at the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        if given == "sqlite":
            yield f"sqlite:///{folder}/registry.sqlite3"
        elif given == "postgres":
            with running_postgres(Path(folder), durable=True) as server:
                yield server.new_database()
        else:
            yield given
