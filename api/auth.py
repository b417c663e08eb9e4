"""Guards: a route says which role it takes; the key's collections are checked wherever the path names one."""

from functools import partial
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from api.keys import KeyRing, Principal, Role
from api.rates import ConcurrentRequests
from api.services import Services
from phoserve.errors import CollectionNotFound

SCHEME: Final = "bearer "
Connection = ASGIConnection[Any, Any, Any, Any]


def allow(role: Role) -> Guard:
    """Let in whoever has at least `role`, and may touch the collection in the path.

    A collection that the key may not touch is answered exactly as an unknown one, before anything is looked up.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal = authenticate(connection)
        await _counted(connection, principal)
        collection = connection.path_params.get("collection")
        if collection is not None and not principal.may_touch(collection):
            raise CollectionNotFound(collection)
        if not principal.role.includes(role):
            raise PermissionDeniedException(detail=f"this needs a key with the role {role} or above")

    return guard


def authenticate(connection: Connection) -> Principal:
    """Whose request it is; remembered in the scope. Raises 401."""
    keys: KeyRing = connection.app.state.services.keys
    given = connection.headers.get("authorization", "")
    principal = keys.principal(given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else None)
    if principal is None:
        raise NotAuthorizedException(
            detail="send a valid key in the header Authorization: Bearer <key>", headers={"WWW-Authenticate": "Bearer"}
        )
    connection.scope["principal"] = principal  # type: ignore[typeddict-unknown-key]
    return principal


async def admitted(connection: Connection, _: BaseRouteHandler) -> None:
    """Refuse while the house is full, before the body is read: refusals must cost little when there are many."""
    connection.app.state.gates.requests.check()


async def _counted(connection: Connection, principal: Principal) -> None:
    """Count the request on its key's account. Raises Overloaded."""
    services: Services = connection.app.state.services
    await services.rates.take(principal.id)
    at_once: ConcurrentRequests = connection.app.state.concurrent_requests
    at_once.enter(principal.id)
    # The outermost layer calls it when the last byte is sent.
    connection.scope["leave"] = partial(at_once.leave, principal.id)  # type: ignore[typeddict-unknown-key]


readers: Final = allow(Role.READER)
writers: Final = allow(Role.WRITER)
admins: Final = allow(Role.ADMIN)
