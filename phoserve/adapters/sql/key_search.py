"""Write `filter_keys` in the transaction that changes the documents, and find pages of matches through it.

The keys are SQLite's alone: PostgreSQL has an index on the metadata themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Select, exists, func, literal, or_, select

from phoserve.adapters.sql.filter_keys import Candidates, OneOf, keys_of, unlisted
from phoserve.adapters.sql.tables import documents, filter_keys

WALKED: Final = 2000
"""Newest documents that are compared with a filter before its keys are looked up: a frequent match is among them."""
COUNTED: Final = 1000
"""A set of candidates is counted up to here to find the smallest one."""
DOCUMENTS_PER_QUERY: Final = 200
_ADD: Final = "INSERT OR IGNORE INTO filter_keys (key, sequence) VALUES (?, ?)"
_REMOVE: Final = "DELETE FROM filter_keys WHERE key = ? AND sequence = ?"
Row = Mapping[Any, Any]


def add_keys(connection: Connection, rows: Iterable[Row]) -> None:
    """Add the keys of new documents; a row has `sequence`, `collection_id`, `title` and `metadata`."""
    _execute(connection, _ADD, [(key, row["sequence"]) for row in rows for key in _keys(row)])


def remove_keys(connection: Connection, rows: Iterable[Row]) -> None:
    """Remove the keys of documents that were removed."""
    _execute(connection, _REMOVE, [(key, row["sequence"]) for row in rows for key in _keys(row)])


def change_keys(connection: Connection, changes: Iterable[tuple[Row, Row]]) -> None:
    """Replace the keys of documents whose title or metadata changed, given as stored row and new row."""
    added, removed = [], []
    for old, new in changes:
        if old["title"] == new["title"] and old["metadata"] == new["metadata"]:
            continue
        before, after = _keys(old), _keys({**new, "collection_id": old["collection_id"]})
        added += [(key, old["sequence"]) for key in after - before]
        removed += [(key, old["sequence"]) for key in before - after]
    _execute(connection, _REMOVE, removed)
    _execute(connection, _ADD, added)


def _keys(row: Row) -> frozenset[bytes]:
    title, metadata = row["title"], row["metadata"]
    # A damaged row has only the keys that can be read from it.
    text = title.encode(errors="replace").decode() if isinstance(title, str) else ""
    return keys_of(row["collection_id"], text, metadata if isinstance(metadata, dict) else {})


def _execute(connection: Connection, statement: str, rows: list[tuple[bytes, int]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, sorted(rows))  # in the order of the table: neighbours share pages


@dataclass(frozen=True, slots=True)
class KeySearch:
    """A search for the newest documents of a collection that match a filter."""

    collection_id: str
    candidates: Sequence[Candidates]
    """Of the filter; without any, all older documents are compared with it."""
    conditions: Sequence[ColumnElement[bool]]
    """All but the filter."""
    matches: Select[Any]
    """Rows that meet the conditions and the filter, newest first, at most `limit`."""
    limit: int

    def rows(self, connection: Connection) -> list[Row]:
        """Compare the newest documents with the filter, then candidates among the others, until there are enough."""
        newest = select(documents.c.sequence).where(*self.conditions).order_by(documents.c.sequence.desc())
        after = connection.execute(newest.offset(WALKED).limit(1)).scalar()
        if after is None:
            return list(connection.execute(self.matches).mappings())
        found: list[Row] = [*connection.execute(self.matches.where(documents.c.sequence > after)).mappings()]
        if len(found) < self.limit:
            found += self._older(connection, after, self.limit - len(found))
        return found

    def _older(self, connection: Connection, newest: int, wanted: int) -> list[Row]:
        if not self.candidates:
            older = self.matches.where(documents.c.sequence <= newest)
            return [*connection.execute(older).mappings()][:wanted]
        found: list[Row] = []
        with connection.execute(self._sequences(connection, newest)) as sequences:
            for part in sequences.scalars().partitions(DOCUMENTS_PER_QUERY):
                found += connection.execute(self.matches.where(documents.c.sequence.in_(part))).mappings()
                if len(found) >= wanted:
                    break
        return found[:wanted]

    def _sequences(self, connection: Connection, newest: int) -> Select[Any]:
        """The candidates up to `newest` in the smallest set, without those that other sets of keys rule out."""
        exempt = unlisted(self.collection_id)
        is_any = connection.execute(select(filter_keys.c.key).where(filter_keys.c.key == exempt).limit(1)).first()
        also = [exempt] if is_any else []
        smallest = self.candidates[0]
        if len(self.candidates) > 1:
            smallest = min(self.candidates, key=lambda each: _size(connection, each))
        here, other = filter_keys, filter_keys.alias()
        query = select(here.c.sequence).where(_within(here, smallest, also), here.c.sequence <= newest)
        for each in self.candidates:
            if each is not smallest and isinstance(each, OneOf):
                same = select(literal(1)).where(_within(other, each, also), other.c.sequence == here.c.sequence)
                query = query.where(exists(same))
        is_distinct = not also and isinstance(smallest, OneOf) and len(smallest.keys) == 1
        return (query if is_distinct else query.distinct()).order_by(here.c.sequence.desc())


def _within(table: FromClause, candidates: Candidates, also: list[bytes]) -> ColumnElement[bool]:
    if isinstance(candidates, OneOf):
        return table.c.key.in_([*candidates.keys, *also])
    between = table.c.key.between(candidates.first, candidates.last)
    return or_(between, table.c.key.in_(also)) if also else between


def _size(connection: Connection, candidates: Candidates) -> int:
    some = select(literal(1)).select_from(filter_keys).where(_within(filter_keys, candidates, [])).limit(COUNTED)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
