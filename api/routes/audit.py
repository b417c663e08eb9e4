"""GET /v1/audit: who changed what."""

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import FromQuery, QueryParameter

from api.auth import admins
from api.dependencies import DeadlineDep, PrincipalDep, ServicesDep
from api.schemas.administration import AuditEvents
from phoserve.administration.audit import AuditFilter
from phoserve.errors import InvalidInput, NotFound

MAX_EVENTS = 1000
_MAX_DIGITS = 18
_Text = Annotated[str | None, QueryParameter(max_length=256)]


@get("/v1/audit", guards=[admins], tags=["administration"])
async def list_events(
    services: ServicesDep,
    principal: PrincipalDep,
    deadline: DeadlineDep,
    collection: _Text = None,
    key: _Text = None,
    action: _Text = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_EVENTS)] = 100,
) -> AuditEvents:
    """Return audit events, the newest first, of the collections that the key may access.

    Events that concern no single collection, such as those of keys, need an administrator's key of all collections.
    Events appear within a second; old ones are removed (`PHOSERVE_AUDIT__KEEP_DAYS`).
    """
    if services.stores.audit is None:
        raise NotFound("this server stores no audit events: set PHOSERVE_AUDIT__KEEP_DAYS above 0")
    visible = None if principal.touches_all else principal.collections
    if collection is not None:
        visible = frozenset({collection} if principal.may_touch(collection) else ())
    wanted = AuditFilter(
        collections=visible,
        key=key,
        action=action,
        since=_with_zone(since, "since"),
        until=_with_zone(until, "until"),
    )
    before = None if cursor is None else _position(cursor)
    found = await deadline.keep(services.stores.audit.events(wanted, before=before, limit=limit + 1))
    events = found[:limit]
    return AuditEvents(events=events, cursor=str(events[-1].id) if len(found) > limit else None)


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_DIGITS):
        raise InvalidInput("this cursor is of another listing; start again without one", field="cursor")
    return int(cursor)


def _with_zone(moment: datetime | None, field: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidInput("a time has a time zone, such as 2026-11-29T12:00:00Z", field=field)
    return moment
