"""Audit events: who changed what, when, from which address, and with what outcome. Only ids, never content."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to change something."""

    at: datetime
    action: str
    key: str
    """The id of the key that was used."""
    address: str
    """Of the client."""
    request_id: str
    collection: str | None
    """None for what concerns no single collection."""
    outcome: str
    """`done`, or the name of the error."""
    details: Mapping[str, Any]
    """Ids and counts, such as `document`."""
    id: int = 0
    """Its place in the order of events; 0 before it is stored."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted; None for all."""

    collections: Collection[str] | None = None
    key: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore(Protocol):
    """Stores events for a limited time. Raises Unavailable while it does not respond."""

    async def add(self, events: Sequence[AuditEvent]) -> None:
        """Store events in one transaction; now and then, remove those that are too old or too many."""
        ...

    async def events(self, wanted: AuditFilter, *, before: int | None, limit: int) -> list[AuditEvent]:
        """Return events with an id below `before`, the newest first."""
        ...
