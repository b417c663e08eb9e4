"""`phoserve serve`: the REST API of a deployment of several processes."""

import asyncio
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.main import app

if TYPE_CHECKING:
    from phoserve.settings import Settings

SERVICE: Final = "phoserve-api"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
) -> None:
    """Run the REST API until SIGTERM; Triton, Qdrant, Redis and the workers run elsewhere.

    Where they are comes from PHOSERVE_ variables. `phoserve up` runs everything on one machine instead.
    """
    import uvloop

    from api.composition import load_key_ring
    from api.keys import check_bind
    from cli.preflight import listening_socket
    from phoserve.adapters.logs import configure_logs
    from phoserve.adapters.process_memory import close_memory
    from phoserve.adapters.tracing import export_traces
    from phoserve.settings import load_settings

    close_memory()
    configure_logs()
    settings = load_settings()
    check_bind(host, load_key_ring(settings.keys))
    with closing(listening_socket(host, port)) as sock, export_traces(SERVICE, settings.tracing.otlp_endpoint):
        uvloop.run(_serve(settings, sock))


async def _serve(settings: "Settings", sock: socket.socket) -> None:
    import structlog

    from api.app import create_app
    from api.composition import open_services
    from cli.serving_loop import ApiServer, serving_metrics, stop_signals
    from phoserve.composition import open_stores

    log = structlog.get_logger(__name__)
    stop = asyncio.Event()
    host, port = sock.getsockname()[:2]
    with stop_signals(stop):
        redis_url = settings.redis.url.get_secret_value()
        async with open_stores(settings) as stores, open_services(settings, stores, redis_url=redis_url) as services:
            server = ApiServer(
                create_app(services),
                sock,
                lambda: log.info("listening", host=host, port=port),
                drain_s=settings.limits.drain_s,
            )
            async with serving_metrics(services, host):
                serving = asyncio.create_task(server.run())
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                server.stop()
                await serving
