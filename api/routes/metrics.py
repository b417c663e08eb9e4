"""GET /metrics."""

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from api.dependencies import ServicesDep


@get("/metrics", include_in_schema=False)
async def prometheus(services: ServicesDep) -> Response[bytes]:
    """Return all metrics in Prometheus's text format."""
    return Response(await services.metrics.export(services.stores), headers={"Content-Type": CONTENT_TYPE_LATEST})
