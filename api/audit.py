"""The audit trail: every write, successful or not, as a line of the log and as an event in the registry."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from api.encoded_slashes import restore_slashes
from api.keys import Principal
from phoserve.administration.audit import AuditEvent, AuditStore
from phoserve.administration.keys import hide_secrets
from phoserve.errors import Unavailable

EVENTS_PER_WRITE: Final = 500
MAX_WAITING: Final = 10_000
"""Events that wait for a registry that does not respond; later ones are in the log only."""
LINGER_S: Final = 0.2
RETRY_S: Final = 1.0
CLOSE_TIMEOUT_S: Final = 5.0
MAX_CHARACTERS: Final = 256

log = structlog.get_logger("phoserve.audit")


class AuditTrail:
    """Records writes with the caller's key and address. Only ids are recorded, never content.

    The line of the log is written at once. The registry gets the event within a second, together with others, so that
    no write waits for it: a process that is killed loses the events of its last moment there.
    """

    def __init__(self, store: AuditStore | None = None) -> None:
        self._store = store
        self._waiting: list[AuditEvent] = []
        self._storing: asyncio.Task[None] | None = None
        self.dropped = 0
        """Events that the log has and the registry never gets."""

    @contextmanager
    def record(
        self, action: str, principal: Principal, *, collection: str | None = None, **details: Any
    ) -> Iterator[None]:
        """Record the write in the block, with its outcome."""
        outcome = "done"
        details = {name: restore_slashes(each) if isinstance(each, str) else each for name, each in details.items()}
        try:
            yield
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            target = details if collection is None else {"collection": collection, **details}
            level = log.info if outcome == "done" else log.warning
            level("audit", action=action, key=principal.id, outcome=outcome, **target)
            if self._store is not None:
                self._keep(_event(action, principal, collection, outcome, details), self._store)

    async def close(self) -> None:
        """Store the events that wait."""
        if self._storing is not None and not self._storing.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._storing, CLOSE_TIMEOUT_S)
        self._count_dropped(len(self._waiting))

    def _keep(self, event: AuditEvent, store: AuditStore) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._count_dropped(1)
            return
        self._waiting.append(event)
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_waiting(store))

    async def _store_waiting(self, store: AuditStore) -> None:
        await asyncio.sleep(LINGER_S)
        while part := self._waiting[:EVENTS_PER_WRITE]:
            try:
                await store.add(part)
            except Unavailable:
                await asyncio.sleep(RETRY_S)
                continue
            except Exception:
                log.exception("audit_not_stored", events=len(part))
                self._count_dropped(len(part))
            del self._waiting[: len(part)]

    def _count_dropped(self, events: int) -> None:
        if events:
            self.dropped += events
            log.error("audit_events_not_in_registry", events=events, total=self.dropped)


def _event(
    action: str, principal: Principal, collection: str | None, outcome: str, details: dict[str, Any]
) -> AuditEvent:
    request = structlog.contextvars.get_contextvars()
    return AuditEvent(
        at=datetime.now(UTC),
        action=action,
        key=_storable(principal.id),
        address=_storable(request.get("client", "")),
        request_id=_storable(request.get("request_id", "")),
        collection=None if collection is None else _storable(collection),
        outcome=outcome,
        details={name: value if isinstance(value, int) else _storable(value) for name, value in details.items()},
    )


def _storable(value: object) -> str:
    """Return the text as every database takes it: ids in paths may hold anything."""
    text = hide_secrets(str(value))[:MAX_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text.encode(errors="replace").decode()
