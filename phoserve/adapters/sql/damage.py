"""Records that cannot be read whole: found, and replaced by what can be read of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, delete, func, insert, select, text, union_all, update

from phoserve.adapters.sql.key_search import add_keys, has_keys, remove_keys
from phoserve.adapters.sql.rows import UNREADABLE_ERRORS, access_key, keyed_row, salvage
from phoserve.adapters.sql.tables import DOCUMENT_COLUMNS, collections, document_counts, documents, filter_keys
from phoserve.documents.access import CLOSED
from phoserve.documents.ports import DamagedRecord
from phoserve.documents.records import Document, DocumentState

ROWS_PER_QUERY: Final = 500
_ALL: Final = select(*DOCUMENT_COLUMNS).select_from(documents).outerjoin(collections)
_KINDS: Final = ("collection_id", "state", "access_key")
_EVERY: Final = union_all(
    select(*(documents.c[name] for name in _KINDS), func.count().label("difference")).group_by(
        *(documents.c[name] for name in _KINDS)
    ),
    select(*(document_counts.c[name] for name in _KINDS), -func.sum(document_counts.c.documents)).group_by(
        *(document_counts.c[name] for name in _KINDS)
    ),
).subquery()
_DIFFERENCE: Final = func.sum(_EVERY.c.difference)
_MISCOUNTED: Final = (
    select(_EVERY.c.collection_id, _DIFFERENCE.label("difference"))
    .group_by(*(_EVERY.c[name] for name in _KINDS))
    .having(_DIFFERENCE != 0)
)
_KEPT: Final = frozenset({"sequence", "key", "collection_id", "id"})


def find_damaged(connection: Connection, after: int) -> tuple[list[DamagedRecord], int]:
    """Return the damaged records among the next rows after a `sequence`, and the last one's; 0 after the last row."""
    rows = connection.execute(_next(after)).mappings().all()
    found = [damaged for row in rows if (damaged := _damaged(row))]
    return found, int(rows[-1]["sequence"]) if rows else 0


def mend(connection: Connection, sequence: int) -> Document | None:
    """Write what can be read of a damaged record as a new, queued revision, and return it.

    A record whose ids cannot be read is removed. Groups that cannot be read let only administrators see the document.
    None if the record is removed, or not damaged any more.
    """
    row = connection.execute(_ALL.where(documents.c.sequence == sequence).with_for_update(of=documents)).mappings()
    stored = row.first()
    if stored is None or (damaged := _damaged(stored)) is None:
        return None
    mended = None if damaged.document is None else _mended(damaged.document)
    if connection.dialect.name == "sqlite":
        connection.execute(delete(filter_keys).where(filter_keys.c.sequence == sequence))
    else:
        remove_keys(connection, [stored])
    if mended is None:
        connection.execute(delete(documents).where(documents.c.sequence == sequence))
    else:
        values = keyed_row(mended)
        changed = {name: value for name, value in values.items() if name not in _KEPT}
        connection.execute(update(documents).where(documents.c.sequence == sequence).values(changed))
        add_keys(connection, [values | {"sequence": sequence}])
    counted_in = [stored["collection_id"]]
    if stored["collection"] is None:  # its collection cannot be read, so it was counted in any
        counted_in = list(connection.execute(select(collections.c.id)).scalars())
    lock_counts(connection)
    for collection_id in counted_in:
        _count_again(connection, collection_id)
    return mended


def check_derived(connection: Connection, after: int, *, repair: bool) -> tuple[int, int]:
    """Check filter keys and keys of groups of the next documents after a `sequence`; `repair` derives them again.

    Returns how many documents have the wrong ones, and the last one's sequence; 0 after the last one.
    """
    query = select(documents).where(documents.c.sequence > after).order_by(documents.c.sequence).limit(ROWS_PER_QUERY)
    rows = connection.execute(query.with_for_update() if repair else query).mappings().all()
    keyless = [row for row in rows if not has_keys(connection, row)]
    misplaced = [row for row in rows if isinstance(row["access"], list) and row["access_key"] != _access_key(row)]
    if repair:
        add_keys(connection, keyless)
        for row in misplaced:
            of = documents.c.sequence == row["sequence"]
            connection.execute(update(documents).where(of).values(access_key=_access_key(row)))
    differing = {row["sequence"] for row in (*keyless, *misplaced)}
    return len(differing), int(rows[-1]["sequence"]) if rows else 0


def check_counts(connection: Connection, *, repair: bool) -> int:
    """Return how many documents are counted wrongly, all as of one moment; `repair` counts again."""
    if repair:
        lock_counts(connection)
    differing = connection.execute(_MISCOUNTED).all()
    for collection_id in {row.collection_id for row in differing} if repair else ():
        _count_again(connection, collection_id)
    return sum(abs(int(row.difference)) for row in differing)


def lock_counts(connection: Connection) -> None:
    """Keep others from changing counts until the transaction ends: those of their open ones are not known before."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {document_counts.name} IN EXCLUSIVE MODE"))


def _access_key(row: Mapping[Any, Any]) -> str:
    return access_key(tuple(map(str, row["access"])))


def _next(after: int) -> Select[Any]:
    return _ALL.where(documents.c.sequence > after).order_by(documents.c.sequence).limit(ROWS_PER_QUERY)


def _damaged(row: Mapping[Any, Any]) -> DamagedRecord | None:
    raw = {str(name): repr(value) for name, value in row.items()}
    try:
        document, fields = salvage(row)
    except UNREADABLE_ERRORS as error:
        return DamagedRecord(
            row["sequence"], str(row["collection"]), str(row["id"]), (str(error),), raw, None, str(row["collection_id"])
        )
    if not fields:
        return None
    return DamagedRecord(
        row["sequence"], str(row["collection"]), str(row["id"]), tuple(fields), raw, document, str(row["collection_id"])
    )


def _mended(document: Document) -> Document:
    """Return the document with another revision than any before it, so that its passages are made again."""
    now = datetime.now(UTC)
    closed = {"access_version": document.access_version + 1, "access_due_at": now} if document.access == CLOSED else {}
    counted = {"version": max(document.version, 0) + 1, "revision": max(document.revision, document.live_revision, 0)}
    known = msgspec.structs.replace(document, error=None, updated_at=now, **counted, **closed)
    return known if known.state is DocumentState.DELETING else known.reindex()


def _count_again(connection: Connection, collection_id: str) -> None:
    """Count the documents of a collection: the state that a damaged record was counted in is not known."""
    of = document_counts.c.collection_id == collection_id
    keys = select(document_counts.c.access_key, document_counts.c.access)
    known = {row.access_key: row.access for row in connection.execute(keys.where(of)) if row.access is not None}
    known |= {"": [], access_key(CLOSED): list(CLOSED)}
    kinds = documents.c.state, documents.c.access_key
    counted = select(*kinds, func.count().label("documents")).group_by(*kinds)
    rows: Sequence[Any] = connection.execute(counted.where(documents.c.collection_id == collection_id)).mappings().all()
    for row in rows:
        if row["access_key"] not in known:
            known[row["access_key"]] = _access_of(connection, collection_id, row["access_key"])
    connection.execute(delete(document_counts).where(of))
    values = [{**row, "collection_id": collection_id, "slot": 0, "access": known[row["access_key"]]} for row in rows]
    if values:
        connection.execute(insert(document_counts), values)


def _access_of(connection: Connection, collection_id: str, key: str) -> list[str] | None:
    """Return the groups of a document with this key of groups, None if they cannot be read."""
    of = documents.c.collection_id == collection_id, documents.c.access_key == key
    found = connection.execute(select(documents.c.access).where(*of).limit(1)).scalar()
    return found if isinstance(found, list) else None
