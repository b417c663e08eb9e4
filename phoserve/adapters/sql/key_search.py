"""Write `filter_keys` in the transaction that changes the documents, and find pages of matches through it.

On SQLite every document has its keys at all times. On PostgreSQL processes of an older release, which do not know the
keys, may write during a rollout: a document whose `keyed_version` is not its version is a candidate of every filter
until its keys are stored (`fill_keys`). Keys that such processes leave behind add candidates but never results.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)

from phoserve.adapters.sql.filter_keys import Candidates, OneOf, keys_of, unlisted
from phoserve.adapters.sql.tables import UNKEYED, documents, filter_keys

WALKED: Final = 2000
"""Newest documents that are compared with a filter before its keys are looked up: a frequent match is among them."""
EXAMINED: Final = 20_000
"""Documents that one page compares with a filter whose matches have no keys, such as one that only excludes. A page
that ends there may have few documents or none, and is continued by the next one."""
COUNTED: Final = 1000
"""A set of candidates is counted up to here to find the smallest one."""
DOCUMENTS_PER_QUERY: Final = 200
MAX_UNKEYED: Final = 5000
"""With more documents without keys in a collection, all documents are compared with a filter, as without keys."""
DOCUMENTS_PER_FILL: Final = 500
_MAX_SEQUENCE: Final = 2**63 - 1
_ADD: Final = {
    "sqlite": "INSERT OR IGNORE INTO filter_keys (key, sequence) VALUES (?, ?)",
    "postgresql": "INSERT INTO filter_keys (key, sequence) SELECT * FROM unnest(%s::bytea[], %s::bigint[]) "
    "ON CONFLICT DO NOTHING",
}
_REMOVE: Final = {
    "sqlite": "DELETE FROM filter_keys WHERE key = ? AND sequence = ?",
    "postgresql": "DELETE FROM filter_keys USING unnest(%s::bytea[], %s::bigint[]) AS gone (key, sequence) "
    "WHERE filter_keys.key = gone.key AND filter_keys.sequence = gone.sequence",
}
Row = Mapping[Any, Any]


def add_keys(connection: Connection, rows: Iterable[Row]) -> None:
    """Add the keys of new documents; a row has `sequence`, `collection_id`, `title` and `metadata`."""
    _execute(connection, _ADD, [(key, row["sequence"]) for row in rows for key in _keys(row)])


def has_keys(connection: Connection, row: Row) -> bool:
    """Return whether a document has all its keys, or is a candidate of every filter as one of an older release."""
    if connection.dialect.name == "postgresql" and row["keyed_version"] != row["version"]:
        return True
    wanted = _keys(row)
    here = filter_keys.c.key.in_(wanted), filter_keys.c.sequence == row["sequence"]
    return connection.execute(select(func.count()).where(*here)).scalar() == len(wanted)


def remove_keys(connection: Connection, rows: Iterable[Row]) -> None:
    """Remove the keys of documents that were removed."""
    _execute(connection, _REMOVE, [(key, row["sequence"]) for row in rows for key in _keys(row)])


def change_keys(connection: Connection, changes: Iterable[tuple[Row, Row]]) -> None:
    """Replace the keys of documents whose title or metadata changed, given as stored row and new row."""
    added, removed = [], []
    for old, new in changes:
        is_keyed = connection.dialect.name == "sqlite" or old["keyed_version"] == old["version"]
        if is_keyed and old["title"] == new["title"] and old["metadata"] == new["metadata"]:
            continue
        before, after = _keys(old), _keys({**new, "collection_id": old["collection_id"]})
        added += [(key, old["sequence"]) for key in (after - before if is_keyed else after)]
        removed += [(key, old["sequence"]) for key in before - after]
    _execute(connection, _REMOVE, removed)
    _execute(connection, _ADD, added)


def count_unkeyed(connection: Connection) -> int:
    """Return how many documents on PostgreSQL do not have the keys of their version."""
    return connection.execute(select(func.count()).select_from(documents).where(text(UNKEYED))).scalar_one()


def fill_keys(connection: Connection, after: tuple[str, int]) -> tuple[int, tuple[str, int]] | None:
    """Add the keys of some documents on PostgreSQL that do not have those of their version.

    `after` is a collection's id and a sequence. Returns the number of documents and the value of `after` for the next
    ones, None if there are no more. Documents that a writer holds are left out: the writer stores their keys.
    """
    columns = documents.c.sequence, documents.c.collection_id, documents.c.title, documents.c.metadata
    place = tuple_(documents.c.collection_id, documents.c.sequence)
    unkeyed = (
        select(*columns)
        .where(text(UNKEYED), place > tuple_(*map(literal, after)))
        .order_by(documents.c.collection_id, documents.c.sequence)
        .limit(DOCUMENTS_PER_FILL)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(unkeyed).mappings().all()
    if not rows:
        return None
    add_keys(connection, rows)
    filled = documents.c.sequence.in_([row["sequence"] for row in rows])
    connection.execute(update(documents).where(filled).values(keyed_version=documents.c.version))
    return len(rows), (rows[-1]["collection_id"], rows[-1]["sequence"])


def _keys(row: Row) -> frozenset[bytes]:
    title, metadata = row["title"], row["metadata"]
    # A damaged row has only the keys that can be read from it.
    text = title.encode(errors="replace").decode() if isinstance(title, str) else ""
    return keys_of(row["collection_id"], text, metadata if isinstance(metadata, dict) else {})


def _execute(connection: Connection, statements: Mapping[str, str], rows: list[tuple[bytes, int]]) -> None:
    if not rows:
        return
    rows.sort()  # in the order of the table: neighbours share pages
    statement = statements[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(statement, rows)
    else:
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


@dataclass(frozen=True, slots=True)
class Found:
    """Matches, newest first."""

    rows: list[Row]
    examined_from: int = 0
    """The `sequence` of the oldest document that was compared, if the search ended before its limit and before the last
    document; else 0."""


@dataclass(frozen=True, slots=True)
class KeySearch:
    """A search for the newest documents of a collection that match a filter."""

    collection_id: str
    candidates: Sequence[Candidates]
    """Of the filter; without any, older documents are compared with it, up to `EXAMINED`."""
    conditions: Sequence[ColumnElement[bool]]
    """All but the filter."""
    matches: Select[Any]
    """Rows that meet the conditions and the filter, newest first, at most `limit`."""
    limit: int

    def find(self, connection: Connection) -> Found:
        """Compare the newest documents with the filter, then candidates among the others, until there are enough.

        On PostgreSQL few candidates are compared at once: the newest documents take 50 ms there.
        """
        if connection.dialect.name == "postgresql" and self._has_few(connection):
            return self._older(connection, _MAX_SEQUENCE, self.limit)
        after = self._after(connection, _MAX_SEQUENCE, WALKED)
        if after is None:
            return Found(list(connection.execute(self.matches).mappings()))
        found: list[Row] = [*connection.execute(self.matches.where(documents.c.sequence > after)).mappings()]
        if len(found) >= self.limit:
            return Found(found)
        older = self._older(connection, after, self.limit - len(found))
        return Found(found + older.rows, older.examined_from)

    def _after(self, connection: Connection, newest: int, count: int) -> int | None:
        """Return the `sequence` that follows those of the newest `count` documents up to `newest`; None for none."""
        order = documents.c.sequence.desc()
        query = select(documents.c.sequence).where(*self.conditions, documents.c.sequence <= newest).order_by(order)
        return connection.execute(query.offset(count).limit(1)).scalar()

    def _has_few(self, connection: Connection) -> bool:
        return any(_size(connection, each) < COUNTED for each in self.candidates)

    def _older(self, connection: Connection, newest: int, wanted: int) -> Found:
        if not self.candidates or self._has_many_unkeyed(connection):
            return self._compare(connection, newest, wanted)
        found: list[Row] = []
        for part in self._parts(connection, newest):
            found += connection.execute(self.matches.where(documents.c.sequence.in_(part))).mappings()
            if len(found) >= wanted:
                break
        return Found(found[:wanted])

    def _compare(self, connection: Connection, newest: int, wanted: int) -> Found:
        after = self._after(connection, newest, EXAMINED)
        among = self.matches.where(documents.c.sequence <= newest, documents.c.sequence > (after or 0))
        found = [*connection.execute(among).mappings()]
        is_cut = after is not None and len(found) < wanted
        return Found(found[:wanted], after + 1 if is_cut and after is not None else 0)

    def _parts(self, connection: Connection, newest: int) -> Iterator[Sequence[int]]:
        """Yield the candidates up to `newest` in parts, newest first."""
        query = self._sequences(connection, newest)
        if connection.dialect.name == "sqlite":
            with connection.execute(query) as sequences:
                yield from sequences.scalars().partitions(DOCUMENTS_PER_QUERY)
            return
        every = union_all(query, self._unkeyed(newest)).subquery()
        ordered = select(every.c.sequence).order_by(every.c.sequence.desc())
        limit = DOCUMENTS_PER_QUERY
        while True:  # PostgreSQL's driver reads a whole result
            found = connection.execute(ordered.where(every.c.sequence <= newest).limit(limit)).scalars().all()
            distinct = list(dict.fromkeys(found))
            for start in range(0, len(distinct), DOCUMENTS_PER_QUERY):
                yield distinct[start : start + DOCUMENTS_PER_QUERY]
            if len(found) < limit:
                return
            newest = found[-1] - 1
            limit *= 2

    def _unkeyed(self, newest: int) -> Select[Any]:
        sequence = documents.c.sequence
        here = documents.c.collection_id == self.collection_id
        return select(sequence).where(here, text(UNKEYED), sequence <= newest)

    def _has_many_unkeyed(self, connection: Connection) -> bool:
        if connection.dialect.name == "sqlite":
            return False
        here = documents.c.collection_id == self.collection_id
        some = select(literal(1)).select_from(documents).where(here, text(UNKEYED)).limit(MAX_UNKEYED + 1)
        counted = select(func.count()).select_from(some.subquery())
        return connection.execute(counted).scalar_one() > MAX_UNKEYED

    def _sequences(self, connection: Connection, newest: int) -> Select[Any]:
        """The candidates up to `newest` in the smallest set, without those that other sets of keys rule out.

        On SQLite distinct and newest first.
        """
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
        if connection.dialect.name == "postgresql":
            return query
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
