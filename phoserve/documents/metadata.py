"""Limits of a document's metadata, so that every store can hold and filter it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from phoserve.errors import InvalidInput

MAX_DEPTH: Final = 16
"""Objects and lists inside each other; the metadata object itself is the first."""
MAX_KEYS: Final = 512
"""Keys of all objects together."""
MAX_KEY_CHARACTERS: Final = 128
MAX_BYTES: Final = 16 * 1024
"""As compact JSON in UTF-8."""
MAX_BYTES_TYPED: Final = 4 * MAX_BYTES
"""Before strings are in normal form C, which is shorter."""
INT64: Final = range(-(2**63), 2**63)


def validate_metadata(metadata: Mapping[str, Any], *, field: str = "metadata", max_bytes: int = MAX_BYTES) -> None:
    """Raise InvalidInput that names the offending field unless `metadata` is within the limits.

    Values are strings, finite numbers (integers of 64 bits), booleans, null, and lists and objects of these.
    """
    keys = 0
    for path, depth, value in _walk(metadata, field):
        if depth > MAX_DEPTH:
            raise InvalidInput(f"metadata is nested at most {MAX_DEPTH} levels deep", field=path)
        if isinstance(value, Mapping):
            keys += len(value)
            if keys > MAX_KEYS:
                raise InvalidInput(f"metadata has at most {MAX_KEYS} keys in all", field=field)
            for key in value:
                _check_key(key, path)
        else:
            _check_value(value, path)
    size = len(msgspec.json.encode(metadata))
    if size > max_bytes:
        raise InvalidInput(
            f"metadata is {size} bytes of JSON, at most {max_bytes} are kept; put long text into the document",
            field=field,
        )


def _walk(metadata: Mapping[str, Any], field: str) -> Iterator[tuple[str, int, Any]]:
    """Yield path, depth and value of everything in `metadata`, without recursion: the depth is the caller's."""
    pending: list[tuple[str, int, Any]] = [(field, 1, metadata)]
    while pending:
        path, depth, value = pending.pop()
        yield path, depth, value
        if isinstance(value, Mapping):
            pending.extend((f"{path}.{key}", depth + 1, inner) for key, inner in value.items() if _nests(inner))
            pending.extend((f"{path}.{key}", depth, inner) for key, inner in value.items() if not _nests(inner))
        elif isinstance(value, list):
            pending.extend((f"{path}[{n}]", depth + _nests(inner), inner) for n, inner in enumerate(value))


def _nests(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _check_key(key: Any, path: str) -> None:
    if not isinstance(key, str) or not key or len(key) > MAX_KEY_CHARACTERS or not key.isprintable():
        raise InvalidInput(f"a metadata key is 1 to {MAX_KEY_CHARACTERS} printable characters", field=path)


def _check_value(value: Any, path: str) -> None:
    match value:
        case None | bool() | list():
            return
        case int():
            if value not in INT64:
                raise InvalidInput("an integer has at most 64 bits; send a longer number as a string", field=path)
        case float():
            if not math.isfinite(value):
                raise InvalidInput("a number is finite", field=path)
        case str():
            if "\x00" in value:
                raise InvalidInput("a string holds no NUL character", field=path)
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidInput("a string is valid Unicode, without lone surrogates", field=path) from None
        case _:
            raise InvalidInput(f"a {type(value).__name__} is not JSON", field=path)
