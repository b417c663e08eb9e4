"""The console at `/`: one page without a build step and without third-party code."""

import hashlib
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from phoserve.errors import NotFound

PAGE: Final = "index.html"
MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

AnyRequest = Request[Any, Any, Any]


@get("/", include_in_schema=False)
async def page(request: AnyRequest) -> Response[bytes]:
    """Return the page."""
    return _file(PAGE, request)


@get("/console/{name:str}", include_in_schema=False)
async def asset(name: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """Return a file of the page."""
    return _file(name, request)


def _file(name: str, request: AnyRequest) -> Response[bytes]:
    if name not in _FILES:
        raise NotFound(f"the console does not contain the file {name!r}")
    content, etag = _FILES[name]
    headers = {
        "ETag": etag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    }
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPES[PurePosixPath(name).suffix], headers=headers)


def _read() -> dict[str, tuple[bytes, str]]:
    found = {}
    for file in files("api").joinpath("console").iterdir():
        if PurePosixPath(file.name).suffix in MEDIA_TYPES:
            content = file.read_bytes()
            found[file.name] = content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return found


_FILES: Final = _read()
