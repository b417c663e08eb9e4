"""Keys and audit events in both databases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from phoserve.adapters.sql import audit_log
from phoserve.adapters.sql.audit_log import SqlAuditLog
from phoserve.adapters.sql.database import Database, open_database
from phoserve.adapters.sql.key_store import SqlKeyStore
from phoserve.administration.audit import AuditEvent, AuditFilter
from phoserve.administration.keys import Role, StoredKey, new_key
from phoserve.errors import Conflict

NOW = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> AsyncIterator[Database]:
    database = open_database(new_database(request.param))
    yield database
    await database.close()


def stored(key_id: str, **more: Any) -> StoredKey:
    _, key = new_key(key_id, Role.WRITER, ("kb", "hr"), ("kế toán",))
    return StoredKey(key=key, created_at=NOW, created_by="root", **more)


async def test_a_key_is_as_it_was_added(database: Database) -> None:
    store = SqlKeyStore(database)
    keys = [stored("a"), stored("b", expires_at=NOW + timedelta(days=1))]
    for key in keys:
        await store.add(key)
    assert await store.keys() == keys


async def test_an_id_is_given_once_until_it_is_revoked(database: Database) -> None:
    store = SqlKeyStore(database)
    await store.add(stored("a"))
    with pytest.raises(Conflict, match="taken"):
        await store.add(stored("a"))
    assert await store.revoke("a", by="root")
    assert not await store.revoke("a", by="root")
    assert await store.keys() == []
    again = stored("a")
    await store.add(again)
    assert await store.keys() == [again]


async def test_one_of_many_concurrent_additions_of_an_id_succeeds(database: Database) -> None:
    store = SqlKeyStore(database)
    outcomes = await asyncio.gather(*(store.add(stored("a")) for _ in range(8)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert len(await store.keys()) == 1


async def test_every_change_has_another_version(database: Database) -> None:
    store = SqlKeyStore(database)
    versions = [await store.version()]
    for change in (
        store.add(stored("a")),
        store.add(stored("b")),
        store.revoke("a", by="x"),
        store.add(stored("a")),
        store.revoke("b", by="x"),
        store.revoke("a", by="x"),
    ):
        await change
        versions.append(await store.version())
    assert len(set(versions)) == len(versions)
    await store.revoke("a", by="x")
    assert await store.version() == versions[-1]


async def test_a_damaged_key_is_not_valid_and_the_others_are(database: Database) -> None:
    store = SqlKeyStore(database)
    whole = stored("whole")
    for key in (stored("role"), whole, stored("hash")):
        await store.add(key)
    for change in ("role = 'owner' WHERE id = 'role'", "sha256 = 'zz' WHERE id = 'hash'"):
        await database.write(lambda each, change=change: each.execute(text(f"UPDATE api_keys SET {change}")).close())  # type: ignore[misc]  # noqa: S608
    assert await store.keys() == [whole]


def event(number: int, **more: Any) -> AuditEvent:
    known: dict[str, Any] = {
        "at": NOW + timedelta(seconds=number),
        "action": "add_documents",
        "key": f"k{number % 2}",
        "address": "192.0.2.1",
        "request_id": f"r{number}",
        "collection": f"c{number % 3}" if number % 3 else None,
        "outcome": "done",
        "details": {"documents": number, "document": "d"},
    }
    return AuditEvent(**(known | more))


def numbers(events: list[AuditEvent]) -> list[int]:
    return [each.details["documents"] for each in events]


async def test_events_are_listed_newest_first_in_pages(database: Database) -> None:
    log = SqlAuditLog(database, keep_days=36_500, max_events=1000)
    await log.add([event(number) for number in range(7)])
    await log.add([event(number) for number in range(7, 10)])
    found, before = [], None
    while page := await log.events(AuditFilter(), before=before, limit=4):
        found += page
        before = page[-1].id
    assert numbers(found) == list(range(9, -1, -1))
    [first] = [each for each in found if each.details["documents"] == 0]
    assert first == event(0, id=first.id)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(collections={"c1"}), [7, 4, 1]),
        (AuditFilter(collections={"c1", "c2"}), [8, 7, 5, 4, 2, 1]),
        (AuditFilter(collections=()), []),
        (AuditFilter(key="k1"), [9, 7, 5, 3, 1]),
        (AuditFilter(action="other"), []),
        (AuditFilter(since=NOW + timedelta(seconds=3), until=NOW + timedelta(seconds=6)), [5, 4, 3]),
    ],
    ids=["collection", "collections", "no collection", "key", "action", "time"],
)
async def test_events_are_filtered(database: Database, wanted: AuditFilter, expected: list[int]) -> None:
    log = SqlAuditLog(database, keep_days=36_500, max_events=1000)
    await log.add([event(number) for number in range(10)])
    assert numbers(await log.events(wanted, before=None, limit=100)) == expected


async def test_old_events_and_too_many_are_removed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "PRUNED_SHARE", 1.0)
    log = SqlAuditLog(database, keep_days=1, max_events=5)
    now = datetime.now(UTC)
    await log.add([event(0, at=now - timedelta(days=2)), event(1, at=now)])
    assert numbers(await log.events(AuditFilter(), before=None, limit=100)) == [1]
    await log.add([event(number, at=now) for number in range(2, 12)])
    assert numbers(await log.events(AuditFilter(), before=None, limit=100)) == [11, 10, 9, 8, 7]
