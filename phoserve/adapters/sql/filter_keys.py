"""Keys by which the database finds the documents that a filter may match, kept in the table `filter_keys`.

A key is the hash of a collection and a field (8 bytes), the kind of value (1 byte) and the start of the value, so that
keys are ordered as values are. Filters pick candidates by key and are then evaluated on the documents: rounded numbers,
cut texts and equal hashes add candidates but never results.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import Any, Final

from phoserve.documents.filters import (
    All,
    AnyOf,
    Exists,
    Filter,
    Match,
    Prefix,
    Range,
    Scalar,
    TitlePrefix,
    TitleWords,
    bounds_us,
    moment_us,
    title_key,
    title_words,
)

MAX_KEYS: Final = 512
"""Of one document. One with more has the key of `unlisted` only, which makes it a candidate of every filter."""
_TEXT_BYTES: Final = 48
_VALUE, _BOOLEAN, _NUMBER, _TEXT, _DATE = (bytes([kind]) for kind in range(5))
_LAST: Final = b"\xff" * 9
"""Greater than the value of any key: numbers have 8 bytes, and UTF-8 has no such byte."""
_TITLE, _TITLE_WORD, _UNLISTED = "\0title", "\0word", "\0unlisted"
"""Paths that no metadata field has."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Documents with one of these keys."""

    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Documents with a key from `first` to `last`."""

    first: bytes
    last: bytes


Candidates = OneOf | Between


def keys_of(collection_id: str, title: str, metadata: Mapping[str, Any]) -> frozenset[bytes]:
    """Return the keys of a document, in a stable way: the same arguments give the same keys."""
    keys = {_place(collection_id, _TITLE) + _TEXT + _cut(title_key(title))}
    word_place = _place(collection_id, _TITLE_WORD) + _TEXT
    keys.update(word_place + _cut(word) for word in title_words(title))
    for path, value in _fields(metadata):
        if value is None or value == []:
            continue
        place = _place(collection_id, path)
        elements = value if isinstance(value, list) else [value]
        keys.update(place + each for element in elements for each in _encodings(element))
    return frozenset(keys) if len(keys) <= MAX_KEYS else frozenset({unlisted(collection_id)})


def unlisted(collection_id: str) -> bytes:
    """Return the key of the collection's documents with more than `MAX_KEYS`."""
    return _place(collection_id, _UNLISTED)


def candidates_of(collection_id: str, where: Filter) -> list[Candidates]:
    """Return sets of candidates, each of which includes every match of `where`; none if its matches have no keys."""
    match where:
        case All(conditions):
            return [each for condition in conditions for each in candidates_of(collection_id, condition)]
        case Match(field, value):
            return [OneOf((_place(collection_id, field) + _of_scalar(value),))]
        case AnyOf(field, values):
            return [OneOf(tuple(_place(collection_id, field) + _of_scalar(value) for value in values))]
        case Range(field):
            return [_within(_place(collection_id, field), where)]
        case Exists(field):
            return [_beginning(_place(collection_id, field))]
        case Prefix(field, prefix):
            return [_beginning(_place(collection_id, field) + _TEXT + _cut(prefix))]
        case TitlePrefix(prefix):
            return [_beginning(_place(collection_id, _TITLE) + _TEXT + _cut(prefix))]
        case TitleWords(words):
            return [OneOf((_place(collection_id, _TITLE_WORD) + _TEXT + _cut(word),)) for word in words]
        case _:
            return []


def _within(place: bytes, where: Range) -> Between:
    dates = bounds_us(where)
    bounds = {name: getattr(where, name) for name in ("gt", "gte", "lt", "lte")} if dates is None else dates
    start = place + (_NUMBER if dates is None else _DATE)
    encoded = {
        name: _of_number(bound) if dates is None else _of_moment(bound)
        for name, bound in bounds.items()
        if bound is not None
    }
    lower = [encoded[name] for name in ("gt", "gte") if name in encoded]
    upper = [encoded[name] for name in ("lt", "lte") if name in encoded]
    return Between(start + max(lower, default=b""), start + min(upper, default=_LAST))


def _beginning(key: bytes) -> Between:
    return Between(key, key + _LAST)


@lru_cache(4096)
def _place(collection_id: str, path: str) -> bytes:
    return blake2b(f"{collection_id}\0{path}".encode(errors="surrogatepass"), digest_size=8).digest()


def _fields(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each field that a filter can name, objects included."""
    pending: list[tuple[str, Mapping[str, Any]]] = [("", metadata)]
    while pending:
        prefix, fields = pending.pop()
        for name, value in fields.items():
            if "." in name:
                continue
            yield prefix + name, value
            if isinstance(value, Mapping):
                pending.append((f"{prefix}{name}.", value))


def _encodings(value: Any) -> Iterator[bytes]:
    if not isinstance(value, str | int | float):
        yield _VALUE  # no filter compares it, but the field has a value
        return
    yield _of_scalar(value)
    moment = moment_us(value) if isinstance(value, str) else None
    if moment is not None:
        yield _DATE + _of_moment(moment)


def _of_scalar(value: Scalar) -> bytes:
    if isinstance(value, bool):
        return _BOOLEAN + (b"\1" if value else b"\0")
    if isinstance(value, str):
        return _TEXT + _cut(value)
    return _NUMBER + _of_number(value)


def _of_number(value: float) -> bytes:
    """Return eight bytes in the order of the numbers: the sign bit of IEEE 754 is inverted, of negative ones all."""
    try:
        number = float(value) + 0.0  # -0.0 equals 0.0
    except OverflowError:
        number = inf if value > 0 else -inf
    (bits,) = struct.unpack(">Q", struct.pack(">d", number))
    return struct.pack(">Q", bits ^ (2**64 - 1 if bits >> 63 else 2**63))


def _of_moment(moment: int) -> bytes:
    return (moment + 2**63).to_bytes(8, "big")


def _cut(text: str) -> bytes:
    return text.encode(errors="surrogatepass")[:_TEXT_BYTES]
