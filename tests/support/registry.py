"""A registry of one test, in an SQLite file."""

from pathlib import Path

from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate_now
from phoserve.documents.collections import Collection, new_collection
from phoserve.documents.ports import DocumentRegistry


def sqlite_registry(folder: Path) -> SqlRegistry:
    """Open the registry in `folder`, which is made if need be; several processes may."""
    url = f"sqlite:///{folder / 'registry.sqlite3'}"
    migrate_now(url)
    return SqlRegistry(open_database(url))


async def add_collection(registry: DocumentRegistry, name: str) -> Collection:
    """Add a collection that is not there yet."""
    added = await registry.add_collection(new_collection(name))
    assert added is not None
    return added
