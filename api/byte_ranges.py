"""Byte ranges of originals (RFC 9110, section 14): one range a request; several are answered with the whole."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from litestar.exceptions import HTTPException

from phoserve.documents.library import OpenOriginal, Span, whole
from phoserve.documents.records import Document

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def requested_span(headers: Mapping[str, str]) -> Span:
    """Return which bytes of an original the headers `Range` and `If-Range` ask for.

    The span raises HTTPException (416) where the original ends before it.
    """
    matched = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if matched is None or matched.groups() == ("", ""):
        return whole
    first, last = matched.groups()
    condition = headers.get("if-range")

    def span(document: Document) -> tuple[int, int]:
        size = document.original.size_bytes
        if condition not in {None, _etag(document)} or (first and last and int(first) > int(last)):
            return whole(document)
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if start >= end:
            raise HTTPException(
                f"the original has {size} bytes",
                status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                headers={"Content-Range": f"bytes */{size}"},
            )
        return start, end

    return span


def span_status(opened: OpenOriginal) -> int:
    """Return 206 for a part of the original, 200 for the whole."""
    is_whole = (opened.start, opened.end) == whole(opened.document)
    return (HTTPStatus.OK if is_whole else HTTPStatus.PARTIAL_CONTENT).value


def span_headers(opened: OpenOriginal) -> dict[str, str]:
    """Return the headers that describe the bytes of the response."""
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(opened.end - opened.start),
        "ETag": _etag(opened.document),
    }
    if span_status(opened) == HTTPStatus.PARTIAL_CONTENT:
        size = opened.document.original.size_bytes
        headers["Content-Range"] = f"bytes {opened.start}-{opened.end - 1}/{size}"
    return headers


def _etag(document: Document) -> str:
    return f'"{document.original.sha256}"'
