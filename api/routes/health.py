"""Liveness and readiness probes."""

from litestar import Response, get
from msgspec import Struct

from api.dependencies import ServicesDep
from api.readiness import Readiness


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


@get("/health/live", tags=["health"])
async def live() -> Alive:
    """Return 200 while the process answers."""
    return Alive()


@get("/health/ready", tags=["health"])
async def ready(services: ServicesDep) -> Response[Readiness]:
    """Return 200 when requests can be served, else 503 that names the dependency that is missing.

    A queue or an LLM that is away appears under `dependencies` and makes the status `degraded`, not 503.
    """
    readiness = await services.readiness.check()
    return Response(readiness, status_code=200 if readiness.ready else 503)
