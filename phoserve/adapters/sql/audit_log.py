"""Audit events in the registry's database."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from phoserve.adapters.sql.database import Database
from phoserve.adapters.sql.rows import microseconds, moment_of
from phoserve.adapters.sql.tables import audit_events
from phoserve.administration.audit import AuditEvent, AuditFilter

PRUNED_SHARE: Final = 0.02
"""Of the transactions that add events: they also remove old ones. The first one of a process does."""
ROWS_PER_PRUNING: Final = 5000


class SqlAuditLog:
    """An `AuditStore` that processes share through a database."""

    def __init__(self, database: Database, *, keep_days: float, max_events: int) -> None:
        """Keep events for `keep_days`, and about `max_events` at most."""
        self._database = database
        self._keep = timedelta(days=keep_days)
        self._max_events = max_events
        self._has_pruned = False

    async def add(self, events: Sequence[AuditEvent]) -> None:
        """Store events in one transaction; now and then, remove those that are too old or too many."""
        rows = [
            {
                "at_us": microseconds(event.at),
                "action": event.action,
                "key_id": event.key,
                "address": event.address,
                "request_id": event.request_id,
                "collection": event.collection,
                "outcome": event.outcome,
                "details": dict(event.details),
            }
            for event in events
        ]
        prunes = not self._has_pruned or random.random() < PRUNED_SHARE  # noqa: S311

        def write(connection: Connection) -> None:
            connection.execute(insert(audit_events), rows)
            if prunes:
                self._prune(connection)

        await self._database.write(write)
        self._has_pruned = True

    async def events(self, wanted: AuditFilter, *, before: int | None, limit: int) -> list[AuditEvent]:
        """Return events with an id below `before`, the newest first."""
        newest = select(audit_events).order_by(audit_events.c.sequence.desc()).limit(limit)
        statement = newest.where(*_conditions(wanted))
        if before is not None:
            statement = statement.where(audit_events.c.sequence < before)
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [_event_of(row) for row in rows]

    def _prune(self, connection: Connection) -> None:
        sequence = audit_events.c.sequence
        newest = connection.execute(select(func.max(sequence))).scalar_one()
        oldest_us = microseconds(datetime.now(UTC) - self._keep)
        for condition, order in (
            (audit_events.c.at_us < oldest_us, audit_events.c.at_us),
            (sequence <= newest - self._max_events, sequence),
        ):
            some = select(sequence).where(condition).order_by(order).limit(ROWS_PER_PRUNING)
            connection.execute(delete(audit_events).where(sequence.in_(some.scalar_subquery())))


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = audit_events.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.collections is not None:
        conditions.append(columns.collection.in_(sorted(wanted.collections)))
    if wanted.key is not None:
        conditions.append(columns.key_id == wanted.key)
    if wanted.action is not None:
        conditions.append(columns.action == wanted.action)
    if wanted.since is not None:
        conditions.append(columns.at_us >= microseconds(wanted.since))
    if wanted.until is not None:
        conditions.append(columns.at_us < microseconds(wanted.until))
    return conditions


def _event_of(row: Mapping[Any, Any]) -> AuditEvent:
    details = row["details"]
    return AuditEvent(
        id=row["sequence"],
        at=moment_of(row["at_us"]),
        action=row["action"],
        key=row["key_id"],
        address=row["address"],
        request_id=row["request_id"],
        collection=row["collection"],
        outcome=row["outcome"],
        details=details if isinstance(details, dict) else {},
    )
