"""Protect an API without keys from web pages: a browser runs any page's requests with the user's access to loopback.

A page can reach the API under its own host name (DNS rebinding) or send it a form (cross-site request forgery). So
requests must name a host that the API is known by, and a browser's requests must come from the API's own pages or from
an origin that the settings allow. Links are followed.
"""

from collections import Counter
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.clients import is_loopback
from api.problems import Problem

ANY: Final = "*"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SINGLE: Final = (b"host", b"origin", b"sec-fetch-site")
NAVIGATE: Final = "navigate"
SAME_SITE: Final = frozenset({"same-origin", "none"})
PREFLIGHT_AGE_S: Final = 600
ALLOWED_HEADERS: Final = b"authorization, content-type, idempotency-key, x-request-id, x-request-timeout"
EXPOSED_HEADERS: Final = b"x-request-id, retry-after"


class BrowserGuard:
    """The ASGI layer that checks Host and Origin, and answers CORS preflights of allowed origins."""

    def __init__(self, app: ASGIApp, *, any_host: bool, allowed_hosts: str = "", cors_origins: str = "") -> None:
        """Guard `app`. With `any_host`, only origins are checked; lists are separated by commas."""
        self._app = app
        hosts = _names(allowed_hosts)
        self._any_host = any_host or ANY in hosts
        self._hosts = frozenset(hosts)
        self._origins = frozenset(_names(cors_origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if repeated := _repeated(scope):
            await _refuse(send, HTTPStatus.BAD_REQUEST, f"the header {repeated} is there more than once")
            return
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not (self._any_host or self._is_known(host, scope)):
            await _refuse(
                send, HTTPStatus.MISDIRECTED_REQUEST, f"this server does not answer for the host {host!r}: {_HOSTS}"
            )
            return
        is_allowed = origin is not None and origin in self._origins
        if is_allowed and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _answer_preflight(send, str(origin))
            return
        if not is_allowed and _is_foreign(scope["method"], headers, host):
            await _refuse(
                send, HTTPStatus.FORBIDDEN, f"a page of {origin or 'another site'} may not use this API: {_ORIGINS}"
            )
            return
        await self._app(scope, receive, _with_cors(send, str(origin)) if is_allowed else send)

    def _is_known(self, host: str, scope: Scope) -> bool:
        name = _host_name(host)
        bound = scope.get("server")
        return name in self._hosts or is_loopback(name) or (bound is not None and name == bound[0])


_HOSTS: Final = "without API keys only loopback names work; add yours to PHOSERVE_HTTP__ALLOWED_HOSTS"
_ORIGINS: Final = "add its origin to PHOSERVE_HTTP__CORS_ORIGINS if you trust it"


def _names(listed: str) -> list[str]:
    return [each.strip().lower() for each in listed.split(",") if each.strip()]


def _host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without port and brackets; empty for a malformed one."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _repeated(scope: Scope) -> str | None:
    """Return the first header of those checked here that a request has twice: which one counts, others may differ."""
    counts = Counter(name for name, _ in scope["headers"])
    return next((name.decode() for name in SINGLE if counts[name] > 1), None)


def _is_foreign(method: str, headers: dict[bytes, str], host: str) -> bool:
    """Return whether a page of another origin sent a request that changes data, or loads a part of itself.

    It reads nothing of what it loads, but event streams and long texts take the server's time. A link is followed.
    """
    if method not in SAFE_METHODS:
        return _is_cross_site(headers, host)
    return headers.get(b"sec-fetch-mode", NAVIGATE) != NAVIGATE and _is_cross_site(headers, host)


def _is_cross_site(headers: dict[bytes, str], host: str) -> bool:
    """Return whether a browser sent the request for a page of another origin; other clients send neither header."""
    if (site := headers.get(b"sec-fetch-site")) is not None:
        return site not in SAME_SITE
    origin = headers.get(b"origin")
    return origin is not None and _place_of(origin) != host.lower()


def _place_of(origin: str) -> str | None:
    """Return host and port of an origin, lower case; None for what is no origin, such as "null"."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _with_cors(send: Send, origin: str) -> Send:
    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message["headers"],
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", EXPOSED_HEADERS),
                (b"vary", b"origin"),
            ]
        await send(message)

    return send_with_cors


async def _answer_preflight(send: Send, origin: str) -> None:
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", str(PREFLIGHT_AGE_S).encode()),
        (b"vary", b"origin"),
    ]
    await _send(send, HTTPStatus.NO_CONTENT, headers, b"")


async def _refuse(send: Send, status: HTTPStatus, detail: str) -> None:
    problem = Problem(title=status.phrase, status=int(status), detail=detail, code=status.name.lower())
    await _send(send, status, [(b"content-type", b"application/problem+json")], msgspec.json.encode(problem))


async def _send(send: Send, status: HTTPStatus, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    start: Any = {
        "type": "http.response.start",
        "status": int(status),
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    end: Any = {"type": "http.response.body", "body": body, "more_body": False}
    await send(end)
