"""Liveness and readiness probes."""

from typing import Any

from litestar import Request, Response, get
from msgspec import Struct

from api.auth import secret_of
from api.dependencies import ServicesDep
from api.readiness import Readiness
from api.services import Services
from phoserve.errors import Unavailable


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


@get("/health/live", tags=["health"])
async def live() -> Alive:
    """Return 200 while the process answers."""
    return Alive()


@get(["/health/ready", "/health"], tags=["health"])
async def ready(request: Request[Any, Any, Any], services: ServicesDep) -> Response[Readiness]:
    """Return 200 when requests can be served, else 503.

    With a key, or on a server without keys, the answer names model and dependencies. A queue that is away appears
    under `dependencies` and does not cause 503.
    """
    readiness = await services.readiness.check()
    status = 200 if readiness.ready else 503
    if not await _has_key(request, services):
        readiness = Readiness(ready=readiness.ready, status=readiness.status)
    return Response(readiness, status_code=status)


async def _has_key(request: Request[Any, Any, Any], services: Services) -> bool:
    try:
        return await services.keys.find(secret_of(request)) is not None
    except Unavailable:
        return False
