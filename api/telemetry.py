"""Around every request: its id, its trace span, its line in the log, its place in the metrics, security headers."""

import re
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry import propagate, trace

from api.clients import ClientAddresses
from api.metrics import Metrics

REQUEST_ID: Final = re.compile(rb"[\w.:-]{1,128}")
UNMATCHED: Final = "unmatched"
QUIET: Final = ("/health/", "/metrics")
NO_STORE: Final = (b"cache-control", b"no-store")
SAFE: Final = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]

log = structlog.get_logger("phoserve.access")
_tracer = trace.get_tracer("phoserve.api")


class Telemetry:
    """The outermost ASGI layer, so that requests no route takes are seen too."""

    def __init__(self, app: ASGIApp, metrics: Metrics, addresses: ClientAddresses) -> None:
        self._app = app
        self._metrics = metrics
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope  # type: ignore[assignment]
        request_id = state["request_id"] = _request_id(state)
        client = state["client_address"] = self._addresses.client_of(state)
        structlog.contextvars.bind_contextvars(request_id=request_id, client=client)
        status, begun = 0, perf_counter()

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_standard(message["headers"], request_id)
            await send(message)

        context = propagate.extract({k.decode("latin-1"): v.decode("latin-1") for k, v in state["headers"]})
        try:
            with _tracer.start_as_current_span(
                f"{state['method']} {state['path']}", context=context, kind=trace.SpanKind.SERVER
            ) as span:
                try:
                    await self._app(scope, receive, seen)
                except Exception:
                    if not state.get("cut"):
                        raise
                    log.warning("response_cut", reason="the key is not valid any more")
                span.update_name(f"{state['method']} {_route(state)}")
                span.set_attribute("http.response.status_code", status)
        finally:
            self._finished(state, status, perf_counter() - begun)
            structlog.contextvars.unbind_contextvars("request_id", "client")

    def _finished(self, scope: dict[str, Any], status: int, took_s: float) -> None:
        if (leave := scope.pop("leave", None)) is not None:
            leave()
        route = _route(scope)
        self._metrics.requests.labels(scope["method"], route, status).observe(took_s)
        if not scope["path"].startswith(QUIET) or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            principal = scope.get("principal")
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                took_ms=round(took_s * 1000, 2),
                key=principal.id if principal else None,
            )


def _with_standard(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Add the common headers of responses. A response's own cache header is kept."""
    own = list(headers)
    cache = [] if any(name.lower() == b"cache-control" for name, _ in own) else [NO_STORE]
    return [*own, (b"x-request-id", request_id.encode()), *SAFE, *cache]


def _request_id(scope: dict[str, Any]) -> str:
    given: bytes = dict(scope["headers"]).get(b"x-request-id", b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _route(scope: dict[str, Any]) -> str:
    """The route's template; a path that no route takes must not become a label of its own."""
    return scope.get("path_template") or UNMATCHED
