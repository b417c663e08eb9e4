"""Serve the API on a socket until a signal, in the event loop that runs already."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from litestar import Litestar

# Longer than load balancers and clients keep an idle connection (60 s mostly, 130 s in values-eks.yaml): who closes
# first must not be us, or a request already on its way is lost.
KEEP_ALIVE_S: Final = 150


class ApiServer(uvicorn.Server):
    """uvicorn inside a larger program: the program owns the signals, and stops this last but one."""

    def __init__(self, app: Litestar, sock: socket.socket, started: Callable[[], None], *, drain_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=drain_s,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._app = app
        self._socket = sock
        self._tell_started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: uvicorn would raise them again before our clean-up."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then tell so."""
        gc.collect()
        gc.freeze()  # vocabularies and code stay for good: looking through them stopped every request for 0.2 s
        await super().startup(sockets)
        self._tell_started()

    async def run(self) -> None:  # type: ignore[override]  # the parent's starts a loop; ours runs in one
        """Serve until `stop`."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Refuse new connections, finish requests in flight within `drain_s`, then end `run`."""
        self._app.state.services.event_streams.end_all()
        self.should_exit = True


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
