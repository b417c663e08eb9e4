"""Conditions on a document's metadata, as plain data: the API parses JSON into them, adapters translate them.

`field` is a dotted path into the metadata, such as `year` or `author.name`. A field that holds a list matches if any of
its elements does.
"""

import re
from dataclasses import dataclass
from typing import Final

from phoserve.errors import InvalidInput

Scalar = str | int | float | bool
Bound = int | float | str


@dataclass(frozen=True, slots=True)
class Match:
    """The field equals `value`."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field equals one of `values`."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies within the bounds given: numbers, or RFC 3339 dates as strings."""

    field: str
    gt: Bound | None = None
    gte: Bound | None = None
    lt: Bound | None = None
    lte: Bound | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there and is neither null nor an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: "Filter"


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; with none, everything matches."""

    conditions: tuple["Filter", ...]


Filter = Match | AnyOf | Range | Exists | Not | All

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_UNQUOTABLE: Final = re.compile(r"[\"\\\\]")


def field_names(field: str) -> list[str]:
    """The names along the path `field`.

    Raises InvalidInput for an empty one, and for one with a quotation mark or a backslash, which no path can hold.
    """
    names = field.split(".")
    for name in names:
        if not name or _UNQUOTABLE.search(name):
            raise InvalidInput(
                f"{field!r} is not a field's name: names are joined by dots and hold no quotation marks or backslashes"
            )
    return names


def quoted_path(prefix: str, field: str) -> str:
    """`field` under `prefix` as a path of the engine, names with other than plain letters in quotes.

    Raises InvalidInput as `field_names` does.
    """
    names = (name if _PLAIN.fullmatch(name) else f'"{name}"' for name in field_names(field))
    return ".".join([prefix, *names])
