"""Conditions on a document's metadata and title, as plain data: the API parses JSON into them, adapters translate them.

`field` is a dotted path into the metadata, such as `year` or `author.name`. A field that holds a list matches if any of
its elements does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

from phoserve.errors import InvalidInput
from phoserve.text.folding import fold
from phoserve.text.normalise import strip_invisible

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
    """The field is within the bounds given: numbers, or RFC 3339 dates as strings."""

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
class Prefix:
    """The field is a string that begins with `prefix`; case and diacritics count, as for `Match`."""

    field: str
    prefix: str


@dataclass(frozen=True, slots=True)
class TitlePrefix:
    """The title's `title_key` begins with `prefix`, which is a `title_key` too."""

    prefix: str


@dataclass(frozen=True, slots=True)
class TitleWords:
    """The title's `title_words` include all of `words`."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: "Filter"


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; with none, everything matches."""

    conditions: tuple["Filter", ...]


Filter = Match | AnyOf | Range | Exists | Prefix | TitlePrefix | TitleWords | Not | All

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_MOMENT: Final = re.compile(
    r"\s*([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt ]([01]?[0-9]|2[0-3]):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"\s*(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)?)?\s*"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TITLE_WORD: Final = re.compile(r"[^\W_]+")
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


def matches(where: Filter, metadata: Mapping[str, Any], title: str = "") -> bool:
    """Whether `metadata` and `title` meet the condition: the meaning that every adapter gives a filter.

    A value of another type than the condition asks for does not match; a nested list is not looked into.
    """
    match where:
        case All(conditions):
            return all(matches(each, metadata, title) for each in conditions)
        case Not(condition):
            return not matches(condition, metadata, title)
        case Exists(field):
            return _value(field, metadata) not in (None, [])
        case TitlePrefix(prefix):
            return title_key(title).startswith(prefix)
        case TitleWords(words):
            return set(words) <= set(title_words(title))
        case _:
            return any(_meets(where, each) for each in _values(where.field, metadata))


def _meets(where: Match | AnyOf | Range | Prefix, value: Any) -> bool:
    match where:
        case Match():
            return _equal(value, where.value)
        case AnyOf():
            return any(_equal(value, each) for each in where.values)
        case Range():
            return _within(where, value)
        case Prefix():
            return isinstance(value, str) and value.startswith(where.prefix)


def moment_us(value: str) -> int | None:
    """Return the microseconds from 1970 UTC to a date such as 2024-05-01 or 2024-05-01T08:00:00+07:00.

    Without a zone it is UTC. None for anything that is not a date.
    """
    parts = _MOMENT.fullmatch(value)
    if parts is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = parts.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        start = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        moment = start - (-offset if sign == "-" else offset)
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) + int((fraction or "0").ljust(6, "0")[:6])


def bounds_us(where: Range) -> dict[str, int] | None:
    """Return the bounds of a range of dates in microseconds, by name; None if they are numbers.

    Raises InvalidInput for a string that is not a date.
    """
    given = {name: getattr(where, name) for name in ("gt", "gte", "lt", "lte") if getattr(where, name) is not None}
    if not any(isinstance(bound, str) for bound in given.values()):
        return None
    moments = {name: moment_us(str(bound)) for name, bound in given.items()}
    for name, moment in moments.items():
        if moment is None:
            raise InvalidInput(f"{given[name]!r} is not a date such as 2024-05-01 or 2024-05-01T08:00:00Z")
    return {name: moment for name, moment in moments.items() if moment is not None}


def _value(field: str, metadata: Mapping[str, Any]) -> Any:
    found: Any = metadata
    for name in field_names(field):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _values(field: str, metadata: Mapping[str, Any]) -> list[Any]:
    found = _value(field, metadata)
    return found if isinstance(found, list) else [found]


def _equal(value: Any, wanted: Scalar) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return type(value) in (str, int, float) and bool(value == wanted)


def _within(where: Range, value: Any) -> bool:
    dates = bounds_us(where)
    if dates is not None:
        moment = moment_us(value) if isinstance(value, str) else None
        return moment is not None and _holds(dates, moment)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    given = {"gt": where.gt, "gte": where.gte, "lt": where.lt, "lte": where.lte}
    return _holds({name: bound for name, bound in given.items() if isinstance(bound, int | float)}, value)


def _holds(bounds: Mapping[str, float], value: float) -> bool:
    return (
        value > bounds.get("gt", -inf)
        and value >= bounds.get("gte", -inf)
        and value < bounds.get("lt", inf)
        and value <= bounds.get("lte", inf)
    )


def fields_of(where: Filter) -> list[str]:
    """Return the metadata fields that `where` names, each once, in order."""
    match where:
        case All(conditions):
            return list(dict.fromkeys(field for condition in conditions for field in fields_of(condition)))
        case Not(condition):
            return fields_of(condition)
        case TitlePrefix() | TitleWords():
            return []
        case _:
            return [where.field]


def title_key(title: str) -> str:
    """Return `title` as prefixes of titles are compared: small letters without diacritics, single blanks."""
    return " ".join(fold(strip_invisible(title).lower()).split())


def title_words(title: str) -> tuple[str, ...]:
    """Return the distinct words of `title`, in small letters without diacritics, in order."""
    return tuple(dict.fromkeys(_TITLE_WORD.findall(title_key(title))))
