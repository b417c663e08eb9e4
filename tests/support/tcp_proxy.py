"""A TCP proxy on loopback, as a firewall or a load balancer: it can drop connections without closing them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

BYTES: Final = 65536


class TcpProxy:
    """Forwards connections to a port, each in two threads."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._dropped = threading.Event()
        """Of the connections that are made until the next drop."""
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def drop(self) -> None:
        """Swallow from now on what present connections send; new ones are forwarded."""
        self._dropped.set()
        self._dropped = threading.Event()

    def close(self) -> None:
        """Close everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            dropped = self._dropped
            self._open.append(client)
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.shutdown(socket.SHUT_RDWR)
                continue
            self._open.append(server)
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(here, there, dropped), daemon=True).start()

    def _forward(self, here: socket.socket, there: socket.socket, dropped: threading.Event) -> None:
        with suppress(OSError):
            while content := here.recv(BYTES):
                if not dropped.is_set():
                    there.sendall(content)
            if not dropped.is_set():
                there.shutdown(socket.SHUT_WR)


@contextmanager
def tcp_proxy(target: int) -> Iterator[TcpProxy]:
    """Run a proxy of a port."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
