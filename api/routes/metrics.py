"""GET /metrics: with an administrator's key on the API's port, without one on the metrics port."""

from litestar import Litestar, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import admins
from api.dependencies import ServicesDep, providers
from api.services import Services


@get("/metrics", include_in_schema=False, guards=[admins])
async def prometheus(services: ServicesDep) -> Response[bytes]:
    """Return all metrics in Prometheus's text format."""
    return await _export(services)


@get("/metrics", include_in_schema=False)
async def prometheus_inside(services: ServicesDep) -> Response[bytes]:
    """Return all metrics in Prometheus's text format."""
    return await _export(services)


def create_metrics_app(services: Services) -> Litestar:
    """Build the application of the metrics port, which network policies keep inside the cluster."""
    return Litestar(
        route_handlers=[prometheus_inside],
        dependencies=providers(),
        state=State({"services": services}),
        openapi_config=None,
        logging_config=None,
    )


async def _export(services: Services) -> Response[bytes]:
    return Response(await services.metrics.export(services.stores), headers={"Content-Type": CONTENT_TYPE_LATEST})
