"""Guards: each route names the role it needs; the key's collections are checked wherever the path names one."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from litestar.connection import ASGIConnection, Request
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from api.body import check_json_type
from api.body_child import ANY
from api.body_process import MAX_VALUES, SHORT_BYTES
from api.clients import UNKNOWN
from api.dependencies import services_of
from api.keys import Principal, Role
from api.query_parameters import check_query
from phoserve.administration.keys import digest_of
from phoserve.concurrency.turns import CALLER
from phoserve.documents.access import Audience
from phoserve.embedding.caching import CACHE_SCOPE
from phoserve.errors import CollectionNotFound, Unavailable

SCHEME: Final = "bearer "
RECHECK_S: Final = 1.0
T = TypeVar("T")

log = structlog.get_logger("phoserve.access")
Connection = ASGIConnection[Any, Any, Any, Any]


class KeyNotValid(NotAuthorizedException):
    """The key of an open response is not valid any more, or for less."""

    def __init__(self) -> None:
        super().__init__(detail="the key is not valid any more, or its rights have changed; ask again")


def allow(role: Role) -> Guard:
    """Require `role` or above, and access to the collection in the path.

    A collection that the key may not touch is answered exactly like an unknown one, before anything is looked up.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal = await authenticate(connection)
        await _count_request(connection, principal)
        collection = connection.path_params.get("collection")
        if collection is not None and not principal.may_touch(collection):
            raise CollectionNotFound(collection)
        if not principal.role.includes(role):
            raise PermissionDeniedException(detail=f"this needs a key with the role {role} or above")
        check_query(connection)

    return guard


async def authenticate(connection: Connection) -> Principal:
    """Return the principal of the request's key and store it in the scope.

    Raises 401 for a missing or wrong key, Overloaded for a client that has sent too many wrong ones, Unavailable if
    keys cannot be checked.
    """
    services = services_of(connection.app.state)
    address, secret = client_address(connection), secret_of(connection)
    digest = digest_of(secret) if secret else b""
    services.failed_keys.check(address, digest)
    principal = await services.keys.find(secret)
    if principal is None:
        if secret is not None:
            services.failed_keys.count(address, digest)
            log.warning("wrong_key", client=address)
        raise NotAuthorizedException(
            detail="send a valid key in the header Authorization: Bearer <key>", headers={"WWW-Authenticate": "Bearer"}
        )
    connection.scope["principal"] = principal  # type: ignore[typeddict-unknown-key]
    if digest:
        services.failed_keys.prove(address, digest)
    # An id may be given to a new key, which must not learn from times what the former one asked.
    scope = f"{principal.id} {digest.hex()}"
    CACHE_SCOPE.set(scope)
    CALLER.set(scope)
    return principal


def secret_of(connection: Connection) -> str | None:
    """Return the key that the request carries, None for none."""
    given = connection.headers.get("authorization", "")
    return given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else None


def client_address(connection: Connection) -> str:
    """Return the address of the client, as the outermost layer found it."""
    address: str = connection.scope.get("client_address", UNKNOWN)  # type: ignore[assignment]
    return address


async def current_audience(connection: Connection, collection: str) -> Audience | None:
    """Return what the request's key may see of the collection now: an open stream outlives a revoked key.

    None if the key is not valid for the collection any more.
    """
    try:
        principal = await services_of(connection.app.state).keys.find(secret_of(connection))
    except Unavailable:
        return None
    return principal.audience if principal is not None and principal.may_touch(collection) else None


async def is_still_valid(connection: Connection, collection: str) -> bool:
    """Return whether the request's key may see all that it could when the request began."""
    begun: Principal = connection.scope["principal"]  # type: ignore[typeddict-item]
    audience = await current_audience(connection, collection)
    return audience is not None and audience.includes(begun.audience)


async def while_valid(
    connection: Connection, collection: str, items: AsyncIterator[T], *, every_s: float | None = None
) -> AsyncGenerator[T]:
    """Yield the items of a response while the key is valid, which is checked about once a second.

    Raises KeyNotValid.
    """
    every_s = RECHECK_S if every_s is None else every_s
    check_at = time.monotonic() + every_s
    try:
        async for each in items:
            if time.monotonic() >= check_at:
                if not await is_still_valid(connection, collection):
                    raise KeyNotValid
                check_at = time.monotonic() + every_s
            yield each
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def file_parts(connection: Connection, collection: str, parts: AsyncIterator[T]) -> AsyncGenerator[T]:
    """Yield the parts of a file while the key is valid; then the connection is closed before the end of the file."""
    try:
        async with aclosing(while_valid(connection, collection, parts)) as valid:
            async for part in valid:
                yield part
    except KeyNotValid:
        # The outermost layer ends the connection, so that no client takes the beginning for the whole.
        connection.scope["cut"] = True  # type: ignore[typeddict-unknown-key]
        raise


async def check_body(connection: Connection, _: BaseRouteHandler) -> None:
    """Let another process read a large JSON body before it is decoded here. Raises InvalidInput, TooLarge.

    Every route with a JSON body needs this guard, except the one that reads documents itself.
    """
    hold_body(connection)
    assert isinstance(connection, Request)  # noqa: S101 - only requests have bodies
    body = await connection.body()
    if len(body) > SHORT_BYTES:
        check_json_type(connection.headers.get("content-type", ""))
        await services_of(connection.app.state).bodies.read(ANY, body, MAX_VALUES)


def hold_body(connection: Connection) -> None:
    """Count a large body against the key's limit until the request is over, before it is read. Raises Overloaded."""
    services = services_of(connection.app.state)
    limit = services.limits.max_body_bytes
    declared = connection.headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() else limit
    if "content-length" not in connection.headers and "transfer-encoding" not in connection.headers:
        return  # no body
    if not SHORT_BYTES < size <= limit:
        return  # a longer one is not read
    key_id = connection.scope["principal"].id  # type: ignore[typeddict-item]
    services.bodies_in_flight.enter(key_id, size)
    when_over(connection, partial(services.bodies_in_flight.leave, key_id, size))


def when_over(connection: Connection, release: Callable[[], None]) -> None:
    """Call `release` when the last byte of the response is sent, or the client has left."""
    leave = connection.scope["leave"]  # type: ignore[typeddict-item]

    def leave_both() -> None:
        release()
        leave()

    connection.scope["leave"] = leave_both  # type: ignore[typeddict-unknown-key]


async def check_capacity(connection: Connection, _: BaseRouteHandler) -> None:
    """Reject requests at capacity before reading the body, so rejections stay cheap under load."""
    services_of(connection.app.state).gates.requests.check()


async def _count_request(connection: Connection, principal: Principal) -> None:
    """Count the request against its key's limits. Raises Overloaded."""
    services = services_of(connection.app.state)
    await services.rates.take(principal.id)
    concurrent = services.concurrent_requests
    concurrent.enter(principal.id)
    # The outermost layer calls it when the last byte is sent.
    connection.scope["leave"] = partial(concurrent.leave, principal.id)  # type: ignore[typeddict-unknown-key]


readers: Final = allow(Role.READER)
writers: Final = allow(Role.WRITER)
admins: Final = allow(Role.ADMIN)
