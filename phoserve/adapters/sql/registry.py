"""The document registry in a relational database."""

import random
from collections import Counter
from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from phoserve.adapters.sql.cursors import decode_cursor, encode_cursor
from phoserve.adapters.sql.damage import check_counts, check_derived, find_damaged, lock_counts, mend
from phoserve.adapters.sql.database import Database
from phoserve.adapters.sql.filter_keys import candidates_of
from phoserve.adapters.sql.filters import condition_of
from phoserve.adapters.sql.key_search import Found, KeySearch, add_keys, change_keys, remove_keys
from phoserve.adapters.sql.rows import (
    access_key,
    changing_columns,
    collection_row,
    collections_of,
    documents_of,
    is_unreadable,
    keyed_row,
    microseconds,
    needed_fingerprints,
)
from phoserve.adapters.sql.tables import DOCUMENT_COLUMNS, answers, collections, document_counts, documents
from phoserve.documents.access import UNRESTRICTED, Access, Audience
from phoserve.documents.collections import Collection
from phoserve.documents.filters import Filter
from phoserve.documents.ports import DamagedRecord, DocumentPage
from phoserve.documents.records import Document, DocumentState
from phoserve.errors import CollectionNotFound, DocumentNotFound

KEYS_PER_QUERY: Final = 1000
ROWS_PER_DELETE: Final = 5000
COUNT_SLOTS: Final = 8
"""Rows that count the same documents: on PostgreSQL transactions that change the same counts seldom wait."""
_DOCUMENTS: Final = select(*DOCUMENT_COLUMNS).select_from(documents).join(collections)
_CHANGE: Final = (
    update(documents)
    .where(documents.c.key == bindparam("of_key"))
    .values(
        {name: bindparam(name) for name in changing_columns({c.name: None for c in documents.c}) if name != "sequence"}
    )
)
_KEYED: Final = (
    documents.c.sequence,
    documents.c.collection_id,
    documents.c.title,
    documents.c.metadata,
    documents.c.version,
    documents.c.keyed_version,
)
"""What the keys of a document are made of, and whether they are stored."""
_DIALECTS: Final = {"sqlite": sqlite, "postgresql": postgresql}
_INSERT: Final = {
    name: dialect.insert(documents).on_conflict_do_nothing().returning(documents.c.key, documents.c.sequence)
    for name, dialect in _DIALECTS.items()
}
_OPEN: Final = (
    select(collections.c.id)
    .where(collections.c.id.in_(bindparam("ids", expanding=True)), collections.c.deleting.is_(False))
    .order_by(collections.c.id)
    .with_for_update(read=True)
)
_MODELS: Final = (
    select(collections.c.id, collections.c.fingerprint, collections.c.reembedding)
    .where(collections.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(collections.c.id)
    .with_for_update(read=True)
)
_LOCKED: Final = (
    select(
        documents.c.key,
        documents.c.state,
        documents.c.access_key,
        documents.c.fingerprint,
        documents.c.target_fingerprint,
        *_KEYED,
    )
    .where(documents.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(documents.c.key)
    .with_for_update()
)
_COUNTS: Final = select(document_counts.c.state, func.sum(document_counts.c.documents)).group_by(
    document_counts.c.state
)
_COUNTS_OF: Final = _COUNTS.where(document_counts.c.collection_id == bindparam("of_id"))
KEYS_APART: Final = 16
"""Up to this many sets of groups are read with a query each, which an index answers in order."""


def _counting(dialect: Any) -> Any:
    """Return the statement that adds to the counts; built once, as building it takes longer than a disk's flush."""
    statement = dialect.insert(document_counts)
    there, known, new = document_counts.c.documents, document_counts.c.access, statement.excluded
    changes = {there.name: there + new[there.name], known.name: func.coalesce(known, new[known.name])}
    return statement.on_conflict_do_update(index_elements=list(document_counts.primary_key.columns), set_=changes)


_COUNT: Final = {name: _counting(dialect) for name, dialect in _DIALECTS.items()}
Delta = Counter[tuple[str, str, str]]
"""How many documents came or left, by collection, state and key of groups."""


class SqlRegistry:
    """A `DocumentRegistry` that processes share through a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        """The database, for what else is stored there."""
        return self._database

    async def ping(self) -> None:
        """Check that the database responds."""
        await self._database.read(lambda connection: connection.execute(text("SELECT 1")).close())

    async def add_collection(self, collection: Collection) -> Collection | None:
        """Add a collection and return it as stored; None if another one has the name and is not being deleted."""
        added = msgspec.structs.replace(collection, version=1)

        def add(connection: Connection) -> Collection | None:
            try:
                with connection.begin_nested():
                    connection.execute(insert(collections), collection_row(added))
            except IntegrityError:
                return None
            return added

        return await self._database.write(add)

    async def update_collection(self, collection: Collection) -> Collection | None:
        """Store a new version and return it; None if the record has changed or is gone."""
        updated = msgspec.structs.replace(collection, version=collection.version + 1)
        statement = update(collections).where(
            collections.c.id == collection.id, collections.c.version == collection.version
        )

        def change(connection: Connection) -> Collection | None:
            return updated if connection.execute(statement, collection_row(updated)).rowcount else None

        return await self._database.write(change)

    async def remove_collection(self, collection_id: str) -> None:
        """Remove the collection's record and those of its documents."""
        await self.remove_documents(collection_id)

        def remove(connection: Connection) -> None:
            connection.execute(delete(document_counts).where(document_counts.c.collection_id == collection_id))
            connection.execute(delete(answers).where(answers.c.collection_id == collection_id))
            connection.execute(delete(collections).where(collections.c.id == collection_id))

        await self._database.write(remove)

    async def remove_documents(self, collection_id: str) -> None:
        """Remove the records of all documents of the collection, in several transactions if there are many."""
        some = select(documents.c.sequence).where(documents.c.collection_id == collection_id).limit(ROWS_PER_DELETE)

        def remove(connection: Connection) -> int:
            return _remove(connection, documents.c.sequence.in_(some.with_for_update().scalar_subquery()))

        while await self._database.write(remove) == ROWS_PER_DELETE:
            pass

    async def collection(self, name: str) -> Collection:
        """Return the collection of that name that is not being deleted. Raises CollectionNotFound."""
        statement = select(collections).where(collections.c.name == name, collections.c.deleting.is_(False))
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().first())
        if row is None:
            raise CollectionNotFound(name)
        found = collections_of([row])
        if not found:
            raise CollectionNotFound(name)
        return found[0]

    async def collections(self) -> list[Collection]:
        """Return all collections by name, including those that are being deleted."""
        rows = await self._database.read(lambda connection: connection.execute(select(collections)).mappings().all())
        return sorted(collections_of(rows), key=lambda collection: (collection.name, collection.created_at))

    async def save(self, documents: Sequence[Document]) -> list[Document | None]:
        """Store the documents in one transaction; None for each that another writer added, changed or removed first."""
        if not documents:
            return []
        versions = [msgspec.structs.replace(each, version=each.version + 1) for each in documents]
        rows = [keyed_row(each) for each in versions]  # not in the transaction, which holds up other writers
        stored = await self._database.write(lambda connection: _save(connection, versions, rows))
        return [version if number in stored else None for number, version in enumerate(versions)]

    async def remove(self, given: Sequence[Document]) -> None:
        """Remove each record that still has the given version."""
        versions = {each.key: each.version for each in given}

        def remove(connection: Connection) -> None:
            found = _locked(connection, versions)
            unchanged = [key for key, row in found.items() if row["version"] == versions[key]]
            for keys in _parts(unchanged):
                _remove(connection, documents.c.key.in_(keys))

        await self._database.write(remove)

    async def get(self, collection: Collection, document_id: str) -> Document:
        """Return the document's record. Raises DocumentNotFound."""
        found = await self.find(collection.id, [document_id])
        if document_id not in found:
            raise DocumentNotFound(collection.name, document_id)
        return found[document_id]

    async def find(self, collection_id: str, document_ids: Sequence[str]) -> Mapping[str, Document]:
        """Return the records of the documents that exist, by id."""
        of_collection = documents.c.collection_id == collection_id
        found = await self._find(
            [_DOCUMENTS.where(of_collection, documents.c.id.in_(part)) for part in _parts(document_ids)]
        )
        return {each.id: each for each in found}

    async def find_keys(self, document_keys: Sequence[str]) -> Mapping[str, Document]:
        """Return the records of the documents that exist, by key."""
        found = await self._find([_DOCUMENTS.where(documents.c.key.in_(part)) for part in _parts(document_keys)])
        return {each.key: each for each in found}

    async def find_originals(self, original_keys: Sequence[str]) -> AnyCollection[str]:
        """Return the keys of those originals that a record names."""
        key = documents.c.original_key
        statements = [select(key).where(key.in_(part)) for part in _parts(original_keys)]

        def find(connection: Connection) -> set[str]:
            return {each for statement in statements for each in connection.execute(statement).scalars()}

        return await self._database.read(find) if statements else set()

    async def page(
        self,
        collection_id: str,
        *,
        states: AnyCollection[DocumentState] = (),
        where: Filter | None = None,
        audience: Audience = UNRESTRICTED,
        cursor: str | None = None,
        limit: int = 50,
    ) -> DocumentPage:
        """Return visible documents, newest first. Raises InvalidInput for the cursor of another listing.

        A filter whose matches have no keys, such as one that only excludes, may leave a page short.
        """
        conditions: list[ColumnElement[bool]] = [documents.c.collection_id == collection_id]
        if cursor is not None:
            conditions.append(documents.c.sequence < decode_cursor(cursor, collection_id))
        # One query a state, which an index answers in order.
        by_state = [[*conditions, documents.c.state == state.value] for state in sorted(set(states))] or [conditions]
        queries = [[*each, *more] for each in by_state for more in await self._visible(collection_id, audience)]
        found = await self._newest(collection_id, queries, where, limit + 1)
        rows = sorted(found.rows, key=lambda row: -int(row["sequence"]))
        shown = [each for each in documents_of(rows[:limit]) if audience.sees(each.access)]
        before = int(rows[limit - 1]["sequence"]) if len(rows) > limit else found.examined_from
        return DocumentPage(shown, encode_cursor(before, collection_id) if before else None)

    async def changed(
        self, collection_id: str, *, since: datetime, audience: Audience = UNRESTRICTED, limit: int = 200
    ) -> list[Document]:
        """Return visible documents whose record changed at or after `since`, the earliest change first."""
        conditions = documents.c.collection_id == collection_id, documents.c.updated_us >= microseconds(since)
        earliest = documents.c.updated_us, documents.c.sequence
        seen = await self._visible(collection_id, audience)
        statement = _DOCUMENTS.where(*conditions).order_by(*earliest).limit(limit)
        rows = await self._rows([statement.where(*more) for more in seen])
        rows.sort(key=lambda row: (_number(row["updated_us"]), _number(row["sequence"])))
        return [each for each in documents_of(rows[:limit]) if audience.sees(each.access)]

    async def access_due(self, *, limit: int) -> list[Document]:
        """Return documents whose groups the index may not have yet."""
        return await self._find([_DOCUMENTS.where(documents.c.access_due_us.is_not(None)).limit(limit)])

    async def has_access_room(self, collection_id: str, wanted: AnyCollection[Access], *, most: int) -> bool:
        """Return whether the collection has at most `most` different sets of groups, together with those `wanted`."""
        keys = {access_key(each) for each in wanted} - {""}

        def fits(connection: Connection) -> bool:
            known = _access_keys(connection, collection_id)
            return keys <= known or len(keys | known) <= most

        def fits_without_unused(connection: Connection) -> bool:
            _forget_unused_access(connection, collection_id)
            return fits(connection)

        return await self._database.read(fits) or await self._database.write(fits_without_unused)

    async def settle_access(self, changed: Sequence[Document]) -> None:
        """Note that the index has the groups of these documents, where `access_version` is still the same."""
        statement = (
            update(documents)
            .where(documents.c.key == bindparam("of_key"), documents.c.access_version == bindparam("of_version"))
            .values(access_due_us=None)
        )
        keys = [{"of_key": each.key, "of_version": each.access_version} for each in changed]
        if keys:
            await self._database.write(lambda connection: connection.execute(statement, keys).close())

    async def due(
        self, before: datetime, *, states: AnyCollection[DocumentState], limit: int, bulk: bool | None = None
    ) -> list[Document]:
        """Return documents in one of `states` with `due_at` before the given time, the longest overdue first."""
        found: list[Document] = []
        passed = 0
        while len(found) < limit:  # damaged records stay overdue: they must not keep the others from their turn
            rows = await self._rows(self._overdue(before, states, bulk, limit=passed + limit))
            rows.sort(key=lambda row: _number(row["due_us"]))
            found += [each for each in documents_of(rows[passed : passed + limit]) if not is_unreadable(each)]
            passed += limit
            if len(rows) < passed:
                break
        return found[:limit]

    def _overdue(
        self, before: datetime, states: AnyCollection[DocumentState], bulk: bool | None, *, limit: int
    ) -> list[Select[Any]]:
        overdue = documents.c.due_us < microseconds(before)
        return [
            _DOCUMENTS.where(documents.c.state == state.value, documents.c.bulk.is_(each), overdue)
            .order_by(documents.c.due_us, documents.c.sequence)
            .limit(limit)
            .with_for_update(of=documents, skip_locked=True)
            for state in sorted(states)
            for each in ((False, True) if bulk is None else (bulk,))
        ]

    async def counts(
        self, collection_id: str | None = None, *, audience: Audience = UNRESTRICTED
    ) -> Mapping[DocumentState, int]:
        """Return how many visible documents are in each state, in one collection or in all."""
        statement, values = (_COUNTS, {}) if collection_id is None else (_COUNTS_OF, {"of_id": collection_id})

        def count(connection: Connection) -> Sequence[Any]:
            counted = statement
            if not audience.sees_all:
                keys = _visible_keys(connection, collection_id, audience)
                counted = statement.where(document_counts.c.access_key.in_(keys))
            return connection.execute(counted, values).all()

        rows = await self._database.read(count)
        states = set(DocumentState)
        return {DocumentState(state): int(count) for state, count in rows if state in states and count}

    async def damaged(self) -> list[DamagedRecord]:
        """Return the records of documents that cannot be read whole; every record is read."""
        found: list[DamagedRecord] = []
        last = 0
        while True:
            some, last = await self._database.read(partial(find_damaged, after=last))
            found += some
            if not last:
                return found

    async def mend(self, record: DamagedRecord) -> Document | None:
        """Replace a damaged record by what can be read of it, as a new revision that is queued, and return that."""
        return await self._database.write(partial(mend, sequence=record.sequence))

    async def drift(self, *, repair: bool = False) -> int:
        """Return how many documents are counted, or found by filters or groups, differently from their records.

        Every record is read. With `repair`, what is derived from records is derived again.
        """
        run = self._database.write if repair else self._database.read
        found = last = 0
        while True:
            some, last = await run(partial(check_derived, after=last, repair=repair))
            found += some
            if not last:
                return found + await run(partial(check_counts, repair=repair))

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    async def _newest(
        self, collection_id: str, queries: Iterable[Sequence[ColumnElement[bool]]], where: Filter | None, limit: int
    ) -> Found:
        """Return the newest documents that meet the conditions of each query and the filter."""
        newest = _DOCUMENTS.order_by(documents.c.sequence.desc()).limit(limit)
        if where is None:
            return Found(await self._rows([newest.where(*conditions) for conditions in queries]))
        matches = newest.where(condition_of(where, self._database.dialect))
        candidates = candidates_of(collection_id, where)
        searches = [KeySearch(collection_id, candidates, each, matches.where(*each), limit) for each in queries]
        found = await self._database.read(lambda connection: [search.find(connection) for search in searches])
        # What one query has not examined, the next page has from all of them.
        examined_from = max((each.examined_from for each in found), default=0)
        rows = [row for each in found for row in each.rows if row["sequence"] >= examined_from]
        return Found(rows, examined_from)

    async def _find(self, statements: Sequence[Select[Any]]) -> list[Document]:
        return documents_of(await self._rows(statements))

    async def _rows(self, statements: Sequence[Select[Any]]) -> list[Mapping[Any, Any]]:
        def fetch(connection: Connection) -> list[Mapping[Any, Any]]:
            return list(chain.from_iterable(connection.execute(each).mappings().all() for each in statements))

        return await self._database.read(fetch) if statements else []

    async def _visible(self, collection_id: str, audience: Audience) -> list[list[ColumnElement[bool]]]:
        """Return conditions that together select what `audience` may see, each for a query of its own."""
        if audience.sees_all:
            return [[]]
        keys = await self._database.read(lambda connection: _visible_keys(connection, collection_id, audience))
        parts = [[key] for key in keys] if len(keys) <= KEYS_APART else [keys]
        return [[documents.c.access_key.in_(part)] for part in parts]


def _visible_keys(connection: Connection, collection_id: str | None, audience: Audience) -> list[str]:
    """Return the keys of those sets of groups in use that `audience` may see; "" for none is always one of them."""
    key, access = document_counts.c.access_key, document_counts.c.access
    statement = select(key, access).where(key != "", access.is_not(None))
    if collection_id is not None:
        statement = statement.where(document_counts.c.collection_id == collection_id)
    known = {row.access_key: row.access for row in connection.execute(statement)} if audience.groups else {}
    return ["", *(each for each, groups in known.items() if audience.sees(groups))]


def _access_keys(connection: Connection, collection_id: str) -> set[str]:
    key = document_counts.c.access_key
    found = select(key).where(document_counts.c.collection_id == collection_id, key != "").distinct()
    return set(connection.execute(found).scalars())


def _forget_unused_access(connection: Connection, collection_id: str) -> None:
    """Remove the counts of sets of groups that no document of the collection has."""
    lock_counts(connection)
    of = document_counts.c.collection_id == collection_id
    key = document_counts.c.access_key
    unused = select(key).where(of, key != "").group_by(key).having(func.sum(document_counts.c.documents) == 0)
    connection.execute(delete(document_counts).where(of, key.in_(unused)))


def _save(connection: Connection, versions: Sequence[Document], rows: Sequence[dict[str, Any]]) -> set[int]:
    """Return the positions of those that were stored.

    Every transaction locks in the same order: collections, new ids, existing keys, counts. All but the new ids, which
    are numbered in the order given, are sorted: two batches with the same new ids in another order may wait for each
    other, and the database lets one of them repeat.
    """
    refused = _embedded_by_others(connection, versions)
    new = [each for each in range(len(versions)) if versions[each].version == 1 and each not in refused]
    delta: Delta = Counter()
    added = _add(connection, versions, rows, new, delta)
    changed = _change(connection, versions, rows, refused, delta)
    _count(connection, delta, {access_key(each.access): each.access for each in versions})
    return added | changed


def _add(
    connection: Connection,
    versions: Sequence[Document],
    rows: Sequence[dict[str, Any]],
    positions: Sequence[int],
    delta: Delta,
) -> set[int]:
    first: dict[tuple[str, str], int] = {}
    for number in positions:
        first.setdefault((versions[number].collection_id, versions[number].id), number)
    if not first:
        return set()
    _hold_open(connection, {versions[number].collection_id: versions[number].collection for number in first.values()})
    statement = _INSERT[connection.dialect.name]
    added = {
        row.key: row.sequence for row in connection.execute(statement, [rows[number] for number in first.values()])
    }
    stored = {number for number in first.values() if versions[number].key in added}
    add_keys(connection, [rows[n] | {"sequence": added[versions[n].key]} for n in stored])
    delta.update(_kind(versions[number]) for number in stored)
    return stored


def _embedded_by_others(connection: Connection, versions: Sequence[Document]) -> set[int]:
    """Return the positions of documents that become ready without the vectors that their collection needs.

    The collections' models stay as they are until the transaction ends.
    """
    ready = [number for number, each in enumerate(versions) if each.state is DocumentState.READY]
    if not ready:
        return set()
    ids = {versions[number].collection_id for number in ready}
    rows = connection.execute(_MODELS, {"ids": sorted(ids)}).mappings()
    needed = {row["id"]: needed_fingerprints(row["fingerprint"], row["reembedding"]) for row in rows}
    return {
        number
        for number in ready
        if not versions[number].is_embedded_by(needed.get(versions[number].collection_id, ()))
    }


def _hold_open(connection: Connection, names: Mapping[str, str]) -> None:
    """Keep the collections from being marked as deleted until the transaction ends. Raises CollectionNotFound."""
    there = set(connection.execute(_OPEN, {"ids": sorted(names)}).scalars())
    for collection_id, name in names.items():
        if collection_id not in there:
            raise CollectionNotFound(name)


def _change(
    connection: Connection,
    versions: Sequence[Document],
    rows: Sequence[dict[str, Any]],
    refused: AnyCollection[int],
    delta: Delta,
) -> set[int]:
    """Change records; those in `refused` only if they are ready already, by the same models: such as new groups."""
    first: dict[str, int] = {}
    for number, each in enumerate(versions):
        if each.version > 1:
            first.setdefault(each.key, number)
    found = _locked(connection, first)
    stored = {n for key, n in first.items() if key in found and found[key]["version"] == versions[n].version - 1}
    stored -= {n for n in stored & set(refused) if not _is_ready_by_the_same(found[versions[n].key], versions[n])}
    if stored:
        connection.execute(_CHANGE, [changing_columns(rows[n]) | {"of_key": versions[n].key} for n in sorted(stored)])
    change_keys(connection, [(found[versions[n].key], rows[n]) for n in stored])
    for number in stored:
        before = found[versions[number].key]
        delta[versions[number].collection_id, before["state"], before["access_key"]] -= 1
        delta[_kind(versions[number])] += 1
    return stored


def _is_ready_by_the_same(row: Mapping[Any, Any], document: Document) -> bool:
    models = document.fingerprint, document.target_fingerprint
    return row["state"] == DocumentState.READY.value and (row["fingerprint"], row["target_fingerprint"]) == models


def _locked(connection: Connection, keys: Iterable[str]) -> dict[str, Mapping[Any, Any]]:
    """What changes and counts depend on, of the documents that exist; it stays as it is until the transaction ends."""
    found: dict[str, Mapping[Any, Any]] = {}
    for part in _parts(sorted(keys)):
        found.update({row["key"]: row for row in connection.execute(_LOCKED, {"keys": part}).mappings()})
    return found


def _remove(connection: Connection, condition: ColumnElement[bool]) -> int:
    columns = [documents.c.state, documents.c.access_key, *_KEYED]
    removed = connection.execute(delete(documents).where(condition).returning(*columns)).mappings().all()
    remove_keys(connection, removed)
    delta: Delta = Counter()
    for row in removed:
        delta[row["collection_id"], row["state"], row["access_key"]] -= 1
    _count(connection, delta, {})
    return len(removed)


def _count(connection: Connection, delta: Delta, groups: Mapping[str, Access]) -> None:
    """Add to the counts; `groups` has the groups of all keys under which documents came."""
    is_shared = connection.dialect.name == "postgresql"
    slot = random.randrange(COUNT_SLOTS) if is_shared else 0  # noqa: S311 - spreads load, guards nothing
    rows = [
        {
            "collection_id": collection_id,
            "state": state,
            "access_key": key,
            "access": list(groups[key]) if key in groups else None,
            "slot": slot,
            "documents": change,
        }
        for (collection_id, state, key), change in sorted(delta.items())
        if change
    ]
    if rows:
        connection.execute(_COUNT[connection.dialect.name], rows)


def count_documents(connection: Connection, added: Iterable[tuple[str, DocumentState]]) -> None:
    """Count documents that were added to the table, by collection and state."""
    _count(connection, Counter((collection_id, state.value, "") for collection_id, state in added), {"": ()})


def _kind(document: Document) -> tuple[str, str, str]:
    return document.collection_id, document.state.value, access_key(document.access)


def _parts(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY)]


def _number(value: Any) -> int:
    """Return the number in a column, 0 if the row is damaged."""
    return value if isinstance(value, int) else 0
