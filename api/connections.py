"""Limits of HTTP connections: how many, how long a request may take to arrive, how long a response may wait.

uvicorn itself waits for headers and bodies without end, so one client could hold every connection.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.clients import ClientAddresses, network_of
from phoserve.settings import HttpSettings

MAX_HEADER_BYTES: Final = 64 * 1024
MIN_BODY_BYTES_PER_S: Final = 1024
"""A body arrives this fast at least, on average over twice the time that a client may pause."""
WRITE_TIMEOUT_S: Final = 60.0
"""Longest time a client may leave a full write buffer unread."""

log = structlog.get_logger("phoserve.connections")


@dataclass(slots=True)
class ConnectionLimits:
    """The limits, and the connections counted against them; one object for each server."""

    settings: HttpSettings = field(default_factory=HttpSettings)
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    _open: Counter[str] = field(default_factory=Counter)
    _total: int = 0

    def admit(self, address: str) -> bool:
        """Count a connection from `address`; False, uncounted, where that would be one too many."""
        per_client, network = self.settings.max_connections_per_client, network_of(address)
        if self._total >= self.settings.max_connections:
            return False
        if self._open[network] >= per_client and not self.addresses.is_trusted(address):
            return False
        self._open[network] += 1
        self._total += 1
        return True

    def release(self, address: str) -> None:
        """Stop counting a connection that `admit` counted."""
        network = network_of(address)
        self._total -= 1
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]


def limited_protocol(connection_limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """Return a protocol class for `uvicorn.Config(http=...)` that enforces `connection_limits`."""

    class Limited(LimitedHttpProtocol):
        limits = connection_limits

    return Limited


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for what the client sends and reads."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._address: str | None = None
        self._header_bytes = 0
        self._in_headers = False
        self._body_until = 0.0
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else "unknown"
        if not self.limits.admit(address):
            log.warning("connection_refused", client=address)
            self._reject(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            return
        self._address = address
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        if self._address is not None:
            self.limits.release(self._address)
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:  # still: what came with the end of the headers may be body
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_headers:
            self._header_bytes = 0
            self._expect_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; fields behind a chunked body, which a proxy in front may not have seen, are ignored."""
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        super().on_headers_complete()
        self._await_body()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._await_body(len(body) / MIN_BODY_BYTES_PER_S)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._cancel_read_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT_S, self._abort_unread)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _expect_headers(self) -> None:
        self._in_headers = True
        self._set_read_timer(self.limits.settings.header_timeout_s)

    def _await_body(self, earned_s: float | None = None) -> None:
        """Wait for more of the body: `earned_s` longer for what has arrived, all of the time at its beginning."""
        pause_s, now = self.limits.settings.body_timeout_s, self.loop.time()
        self._body_until = now + pause_s if earned_s is None else min(self._body_until + earned_s, now + 2 * pause_s)
        self._set_read_timer(min(pause_s, self._body_until - now))

    def _set_read_timer(self, timeout_s: float) -> None:
        self._cancel_read_timer()
        self._read_timer = self.loop.call_later(timeout_s, self._on_read_timeout)

    def _on_read_timeout(self) -> None:
        self._read_timer = None
        if self.flow.read_paused:  # the server is slow here, not the client
            self._await_body()
        else:
            self._reject(HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")

    def _abort_unread(self) -> None:
        log.warning("response_not_read", client=self._address)
        self.transport.abort()

    def _reject(self, status: HTTPStatus, detail: str) -> None:
        self._stop_timers()
        cycle = self.cycle
        if not self.transport.is_closing():
            if cycle is None or cycle.response_complete:
                head = f"HTTP/1.1 {int(status)} {status.phrase}\r\nconnection: close\r\nretry-after: 1\r\n"
                body = f"content-type: text/plain\r\ncontent-length: {len(detail)}\r\n\r\n{detail}"
                self.transport.write((head + body).encode())
            self.transport.close()

    def _stop_timers(self) -> None:
        self._cancel_read_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
