"""Serve the API on a socket until a signal, in the running event loop."""

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Final

import uvicorn
from litestar import Litestar

from api.connections import ConnectionLimits, limited_protocol
from api.routes.metrics import create_metrics_app
from api.services import Services
from cli.preflight import listening_socket

# Longer than load balancers and clients keep an idle connection (60 s mostly, 130 s in values-eks.yaml): if the server
# closed first, a request in transit would be lost.
KEEP_ALIVE_S: Final = 150


class ApiServer(uvicorn.Server):
    """uvicorn inside a larger program, which owns the signals and calls `stop`."""

    def __init__(self, app: Litestar, sock: socket.socket, started: Callable[[], None], *, drain_s: int) -> None:
        services: Services = app.state.services
        super().__init__(
            uvicorn.Config(
                app,
                http=limited_protocol(ConnectionLimits(services.http, services.addresses)),
                ws="none",  # a connection that becomes a WebSocket leaves the protocol that counts it
                proxy_headers=False,
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=drain_s,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._services = services
        self._socket = sock
        self._on_started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the program: uvicorn would raise them again before its clean-up."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then call `started`."""
        gc.collect()
        gc.freeze()  # vocabularies and code are permanent: scanning them stopped every request for 0.2 s
        raise_file_limit()
        await super().startup(sockets)
        self._on_started()

    async def run(self) -> None:  # type: ignore[override]  # the parent's starts a loop; ours runs in one
        """Serve until `stop`."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Refuse new connections, finish requests in flight within `drain_s`, then end `run`."""
        self._services.event_streams.end_all()
        self.should_exit = True


@asynccontextmanager
async def serving_metrics(services: Services, host: str) -> AsyncIterator[None]:
    """Serve /metrics on the port that the settings name, if they name one, until the block ends."""
    port = services.http.metrics_port
    if port is None:
        yield
        return
    config = uvicorn.Config(
        create_metrics_app(services),
        http=limited_protocol(ConnectionLimits(services.http)),
        ws="none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    with closing(listening_socket(host, port)) as sock:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one: each connection needs a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def stop_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
