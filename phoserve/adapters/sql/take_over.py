"""Copy the records of version 0.1 into the registry, once."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from phoserve.adapters.sql.database import Database
from phoserve.adapters.sql.key_search import add_keys
from phoserve.adapters.sql.registry import count_documents
from phoserve.adapters.sql.rows import collection_row, keyed_row, microseconds
from phoserve.adapters.sql.tables import collections, documents, imports
from phoserve.documents.collections import Collection
from phoserve.documents.records import Document
from phoserve.errors import ConfigurationError

ROWS_PER_WRITE: Final = 500

log = structlog.get_logger(__name__)


class TakeOver:
    """Copies records from one source; a copy that was interrupted is continued, a finished one is not repeated."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source

    async def is_finished(self) -> bool:
        """Whether all records of the source were copied."""
        statement = select(imports.c.source).where(imports.c.source == self._source)
        return await self._database.read(lambda connection: connection.execute(statement).first()) is not None

    async def copy(
        self, old: Sequence[Collection], pages: AsyncIterator[list[Document]], seen: Callable[[int], None]
    ) -> int:
        """Copy all records and return how many documents; `seen` is called with the number copied so far.

        Raises ConfigurationError if a record contradicts one that is there.
        """
        copied = 0
        await self._database.write(lambda connection: _add_collections(connection, old))
        async for page in pages:
            for start in range(0, len(page), ROWS_PER_WRITE):
                part = page[start : start + ROWS_PER_WRITE]
                await self._database.write(partial(_add_documents, page=part))
            copied += len(page)
            seen(copied)
        finished = {"source": self._source, "finished_us": microseconds(datetime.now(UTC))}
        # Another process may have copied them at the same time.
        once = _inserting(self._database.dialect, imports).on_conflict_do_nothing()
        await self._database.write(lambda connection: connection.execute(once, finished).close())
        return copied


def _inserting(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def _add_collections(connection: Connection, old: Sequence[Collection]) -> None:
    if not old:
        return
    statement = _inserting(connection.dialect.name, collections).on_conflict_do_nothing()
    connection.execute(statement, [collection_row(each) for each in old])
    there = set(connection.execute(select(collections.c.id)).scalars())
    for each in old:
        if each.id not in there:
            raise ConfigurationError(
                f"the registry has another collection named {each.name!r} already: take version 0.1 over into an empty "
                "registry"
            )


def _without_record(connection: Connection, page: Sequence[Document]) -> list[Collection]:
    """Return collections for documents whose own has no record, as an interrupted deletion may have left them."""
    names = {each.collection_id: each.collection for each in page}
    there = select(collections.c.id).where(collections.c.id.in_(names))
    lost = sorted(set(names) - set(connection.execute(there).scalars()))
    if lost:
        log.warning("collections_without_record", collections=lost)
    return [Collection(id=each, name=names[each], created_at=datetime.now(UTC), version=1) for each in lost]


def _add_documents(connection: Connection, page: Sequence[Document]) -> None:
    _add_collections(connection, _without_record(connection, page))
    new = _inserting(connection.dialect.name, documents).on_conflict_do_nothing()
    statement = new.returning(documents.c.key, documents.c.sequence)
    rows = {each.key: keyed_row(each) for each in page}
    added = {row.key: row.sequence for row in connection.execute(statement, list(rows.values()))}
    add_keys(connection, [rows[key] | {"sequence": sequence} for key, sequence in added.items()])
    there = select(documents.c.key).where(documents.c.key.in_([each.key for each in page]))
    missing = {each.key for each in page} - set(connection.execute(there).scalars())
    if missing:
        names = ", ".join(f"{each.id!r} of {each.collection!r}" for each in page if each.key in missing)
        raise ConfigurationError(f"the registry has other documents with these ids already: {names}")
    count_documents(connection, [(each.collection_id, each.state) for each in page if each.key in added])
