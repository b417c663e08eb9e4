"""The filter of a search, from its JSON form.

`{"year": {"gte": 2020}, "dept": ["hr", "it"], "$not": {"state": "draft"}}`: every entry must hold. A bare value means
equal, a list means any of. Operators of a field: `eq`, `any`, `prefix`, `gt`, `gte`, `lt`, `lte`, `exists`, `not`.
Around fields: `$all` and `$any` take lists of filters, `$not` takes one. `$title` takes words that the title has, or
an object with `text` (the same) and `prefix`.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from phoserve.documents.filters import (
    All,
    AnyOf,
    Bound,
    Exists,
    Filter,
    Match,
    Not,
    Prefix,
    Range,
    Scalar,
    TitlePrefix,
    TitleWords,
    field_names,
    title_key,
    title_words,
)
from phoserve.errors import InvalidInput
from phoserve.text.normalise import compose

MAX_CONDITIONS: Final = 64
MAX_DEPTH: Final = 8
MAX_VALUES: Final = 256
MAX_FIELD_CHARACTERS: Final = 128
MAX_TEXT_CHARACTERS: Final = 1_000
MAX_VALUE_CHARACTERS: Final = 16 * 1024
"""No value of metadata is longer."""
BOUNDS: Final = frozenset({"gt", "gte", "lt", "lte"})
OPERATORS: Final = BOUNDS | {"eq", "any", "prefix", "exists", "not"}
TITLE_OPERATORS: Final = frozenset({"text", "prefix"})


def parse_filter(given: Mapping[str, Any] | None) -> Filter | None:
    """The filter that `given` describes; None for none. Raises InvalidInput that names the offending part."""
    if not given:
        return None
    parsed = All(tuple(_conditions(given, "filter", 1)))
    if _size(parsed) > MAX_CONDITIONS:
        raise InvalidInput(f"the filter has more than {MAX_CONDITIONS} conditions", field="filter")
    return parsed.conditions[0] if len(parsed.conditions) == 1 else parsed


def _conditions(given: Any, path: str, depth: int) -> Iterator[Filter]:
    if not isinstance(given, Mapping) or not given:
        raise InvalidInput("a filter is an object with at least one entry", field=path)
    if depth > MAX_DEPTH:
        raise InvalidInput(f"the filter is nested deeper than {MAX_DEPTH}", field=path)
    for name, value in given.items():
        here = f"{path}.{name}"
        match name:
            case "$all":
                yield All(tuple(_each(value, here, depth)))
            case "$any":
                yield _any_of(tuple(_each(value, here, depth)))
            case "$not":
                yield Not(All(tuple(_conditions(value, here, depth + 1))))
            case "$title":
                yield from _title(value, here)
            case _:
                yield from _field(_field_name(name, path), value, here, depth)


def _each(given: Any, path: str, depth: int) -> Iterator[Filter]:
    if not isinstance(given, list) or not given:
        raise InvalidInput("takes a list of filters", field=path)
    for position, each in enumerate(given):
        yield All(tuple(_conditions(each, f"{path}[{position}]", depth + 1)))


def _any_of(conditions: tuple[Filter, ...]) -> Filter:
    # De Morgan: the filters know "and" and "not", which is all that "or" needs.
    return Not(All(tuple(Not(each) for each in conditions)))


def _field_name(name: str, path: str) -> str:
    if name.startswith("$"):
        raise InvalidInput(f"{name} is not known; around fields there are $all, $any, $not and $title", field=path)
    if len(name) > MAX_FIELD_CHARACTERS:
        raise InvalidInput(f"the name of a field has at most {MAX_FIELD_CHARACTERS} characters", field=path)
    name = compose(name)
    try:
        field_names(name)
    except InvalidInput as error:
        raise InvalidInput(str(error), field=path) from None
    return name


def _field(field: str, value: Any, path: str, depth: int) -> Iterator[Filter]:
    if isinstance(value, list):
        yield AnyOf(field, _scalars(value, path))
    elif isinstance(value, Mapping):
        yield from _operators(field, value, path, depth)
    else:
        yield Match(field, _scalar(value, path))


def _operators(field: str, given: Mapping[str, Any], path: str, depth: int) -> Iterator[Filter]:
    if not given or given.keys() - OPERATORS:
        raise InvalidInput(f"an operator is one of {', '.join(sorted(OPERATORS))}", field=path)
    if depth > MAX_DEPTH:
        raise InvalidInput(f"the filter is nested deeper than {MAX_DEPTH}", field=path)
    if "eq" in given:
        yield Match(field, _scalar(given["eq"], f"{path}.eq"))
    if "any" in given:
        yield AnyOf(field, _scalars(given["any"], f"{path}.any"))
    if "prefix" in given:
        yield Prefix(field, _text(given["prefix"], f"{path}.prefix"))
    if "exists" in given:
        yield _existence(field, given["exists"], f"{path}.exists")
    if "not" in given:
        yield Not(All(tuple(_field(field, given["not"], f"{path}.not", depth + 1))))
    bounds = {name: _bound(given[name], f"{path}.{name}") for name in sorted(BOUNDS & given.keys())}
    if len({isinstance(bound, str) for bound in bounds.values()}) > 1:
        raise InvalidInput("the bounds of a range are all numbers or all dates", field=path)
    if bounds:
        yield Range(field, **bounds)


def _existence(field: str, wanted: Any, path: str) -> Filter:
    if not isinstance(wanted, bool):
        raise InvalidInput("is true or false", field=path)
    return Exists(field) if wanted else Not(Exists(field))


def _title(given: Any, path: str) -> Iterator[Filter]:
    asked = {"text": given} if isinstance(given, str) else given
    if not isinstance(asked, Mapping) or not asked or asked.keys() - TITLE_OPERATORS:
        raise InvalidInput("takes words of the title, or an object with `text`, `prefix` or both", field=path)
    if "text" in asked:
        words = title_words(_text(asked["text"], f"{path}.text"))
        if not words:
            raise InvalidInput("has no letter or digit", field=f"{path}.text")
        yield TitleWords(words)
    if "prefix" in asked:
        yield TitlePrefix(title_key(_text(asked["prefix"], f"{path}.prefix")))


def _text(given: Any, path: str) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= MAX_TEXT_CHARACTERS or not given.strip():
        raise InvalidInput(f"is a text of 1 to {MAX_TEXT_CHARACTERS} characters", field=path)
    return compose(given)


def _scalars(given: Any, path: str) -> tuple[Scalar, ...]:
    if not isinstance(given, list) or not 0 < len(given) <= MAX_VALUES:
        raise InvalidInput(f"takes a list of 1 to {MAX_VALUES} values", field=path)
    return tuple(_scalar(each, f"{path}[{position}]") for position, each in enumerate(given))


def _scalar(given: Any, path: str) -> Scalar:
    if isinstance(given, str):
        if len(given) > MAX_VALUE_CHARACTERS:
            raise InvalidInput(f"is at most {MAX_VALUE_CHARACTERS} characters", field=path)
        return compose(given)
    if isinstance(given, bool) or (isinstance(given, int | float) and _is_exact(given)):
        return given
    raise InvalidInput("is a string, a number or a boolean; use exists to ask for absence", field=path)


def _bound(given: Any, path: str) -> Bound:
    if isinstance(given, str):
        try:
            datetime.fromisoformat(given)
        except ValueError:
            raise InvalidInput("is a number or a date such as 2024-05-01 or 2024-05-01T08:00:00Z", field=path) from None
        return given
    if isinstance(given, int | float) and not isinstance(given, bool) and _is_exact(given):
        return given
    raise InvalidInput("is a number or a date such as 2024-05-01 or 2024-05-01T08:00:00Z", field=path)


def _is_exact(number: float) -> bool:
    """Whether the engine can hold the number: 64-bit integers and finite floats."""
    return -(2**63) <= number < 2**63 if isinstance(number, int) else math.isfinite(number)


def _size(condition: Filter) -> int:
    match condition:
        case All(conditions):
            return sum(map(_size, conditions))
        case Not(inner):
            return _size(inner)
        case _:
            return 1
