"""Filters on metadata and titles as SQL conditions, with the meaning of `phoserve.documents.filters.matches`."""

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    LargeBinary,
    Numeric,
    String,
    and_,
    case,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB

from phoserve.adapters.sql.tables import documents
from phoserve.documents.filters import (
    All,
    AnyOf,
    Exists,
    Filter,
    Match,
    Not,
    Prefix,
    Range,
    Scalar,
    TitlePrefix,
    TitleWords,
    bounds_us,
    field_names,
)
from phoserve.text.folding import plain_letters

Condition = ColumnElement[bool]
_METADATA: Final = documents.c.metadata
# A function of SQLite fails on text that is no JSON, and with it the query.
_SQLITE_METADATA: Final = case((func.json_valid(_METADATA) == 1, type_coerce(_METADATA, String())), else_=literal("{}"))
_NUMBERS: Final = ("integer", "real")


def condition_of(where: Filter, dialect: str) -> Condition:
    """Return the condition for `where` on `documents.metadata`. Raises InvalidInput for an unusable field or date."""
    match where:
        case All(conditions):
            return and_(true(), *(condition_of(each, dialect) for each in conditions))
        case Not(condition):
            return not_(condition_of(condition, dialect))
        case AnyOf(field, values):
            return or_(false(), *(condition_of(Match(field, value), dialect) for value in values))
        case Match(field, value):
            return _contains(field, value) if dialect == "postgresql" else _sqlite_equals(field, value)
        case Range(field):
            return _in_range(field, where, dialect)
        case Exists(field):
            return _has_value(field) if dialect == "postgresql" else _sqlite_has_value(field)
        case Prefix() | TitlePrefix() | TitleWords():
            return _of_text(where, dialect)


def _of_text(where: Prefix | TitlePrefix | TitleWords, dialect: str) -> Condition:
    postgresql = dialect == "postgresql"
    match where:
        case Prefix(field, prefix):
            return _any_text(field, prefix) if postgresql else _sqlite_begins(field, prefix)
        case TitlePrefix(prefix):
            return _title_key(postgresql).startswith(prefix, autoescape=True)
        case TitleWords(words):
            text = _title_words(postgresql)
            return and_(true(), *(text.contains(f" {word} ") for word in words))


def _title_words(postgresql: bool) -> ColumnElement[str]:
    """The words of the title, each between blanks; they hold letters and digits only, so nothing is to be escaped."""
    if postgresql:
        words = func.regexp_replace(_title_key(postgresql), "[^[:alnum:]]+", "  ", "g", type_=String)
    else:
        words = func.phoserve_title_words(_bytes(documents.c.title), type_=String)
    return literal(" ") + words + literal(" ")


def _title_key(postgresql: bool) -> ColumnElement[str]:
    """The title as `phoserve.documents.filters.title_key` spells it."""
    if not postgresql:
        return func.phoserve_title_key(_bytes(documents.c.title), type_=String)
    plain = func.translate(func.lower(documents.c.title), *plain_letters())
    return func.btrim(func.regexp_replace(plain, r"\s+", " ", "g"), type_=String)


def _in_range(field: str, where: Range, dialect: str) -> Condition:
    dates = bounds_us(where)
    bounds = {name: getattr(where, name) for name in ("gt", "gte", "lt", "lte")} if dates is None else dates
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if dialect == "postgresql":
        return _any_element(field, given, is_date=dates is not None)
    return _sqlite_in_range(field, given, is_date=dates is not None)


def _compare(value: ColumnElement[Any], bounds: dict[str, Any]) -> Condition:
    conditions = {
        "gt": lambda bound: value > bound,
        "gte": lambda bound: value >= bound,
        "lt": lambda bound: value < bound,
        "lte": lambda bound: value <= bound,
    }
    return and_(value.is_not(None), *(conditions[name](bound) for name, bound in bounds.items()))


# PostgreSQL: containment uses the GIN index, everything else reads the value.


def _contains(field: str, value: Scalar) -> Condition:
    """The field is the value, or a list with it; JSONB compares numbers by value, so 2024 equals 2024.0."""
    contains = _METADATA.op("@>", return_type=Boolean())
    return or_(contains(_json(_nested(field, value))), contains(_json(_nested(field, [value]))))


def _nested(field: str, value: Any) -> Any:
    for name in reversed(field_names(field)):
        value = {name: value}
    return value


def _json(value: Any) -> ColumnElement[Any]:
    return literal(value, JSONB)


def _at(field: str) -> ColumnElement[Any]:
    """The value of a field. `->` with a text looks into objects alone, as filters do."""
    found: ColumnElement[Any] = _METADATA
    for name in field_names(field):
        found = found.op("->", return_type=JSONB())(literal(name, String))
    return found


def _any_element(field: str, bounds: dict[str, Any], *, is_date: bool) -> Condition:
    value = _at(field)
    listed = case((func.jsonb_typeof(value) == "array", value), else_=func.jsonb_build_array(value))
    elements = func.jsonb_array_elements(listed).table_valued(column("value", JSONB))
    element = elements.c.value
    kind = func.jsonb_typeof(element)
    text = element.op("#>>", return_type=String())(literal_column("'{}'"))
    if is_date:
        compared: Any = case((kind == "string", func.phoserve_moment_us(text)))
    else:
        compared = case((kind == "number", cast(text, Numeric())))
    return exists(select(1).select_from(elements).where(_compare(compared, bounds)))


def _any_text(field: str, prefix: str) -> Condition:
    value = _at(field)
    listed = case((func.jsonb_typeof(value) == "array", value), else_=func.jsonb_build_array(value))
    elements = func.jsonb_array_elements(listed).table_valued(column("value", JSONB))
    element = elements.c.value
    text = element.op("#>>", return_type=String())(literal_column("'{}'"))
    begins = and_(func.jsonb_typeof(element) == "string", text.startswith(prefix, autoescape=True))
    return exists(select(1).select_from(elements).where(begins))


def _has_value(field: str) -> Condition:
    value = _at(field)
    return func.coalesce(value.not_in([_json(None), _json([])]), false())


# SQLite: one pass over the JSON text. A path with quoted names looks into objects alone.


def _path(field: str) -> str:
    return "$" + "".join(f'."{name}"' for name in field_names(field))


def _sqlite_equals(field: str, value: Scalar) -> Condition:
    if isinstance(value, bool):
        return _sqlite_any(field, lambda kind, _: kind == ("true" if value else "false"))
    if isinstance(value, str):
        return _sqlite_any(field, lambda kind, found: and_(kind == "text", found == value))
    return _sqlite_any(field, lambda kind, found: and_(kind.in_(_NUMBERS), found == value))


def _sqlite_begins(field: str, prefix: str) -> Condition:
    # LIKE ignores the case of ASCII letters on SQLite.
    return _sqlite_any(
        field, lambda kind, found: and_(kind == "text", func.substr(found, 1, len(prefix), type_=String) == prefix)
    )


def _sqlite_in_range(field: str, bounds: dict[str, Any], *, is_date: bool) -> Condition:
    if is_date:
        return _sqlite_any(
            field, lambda kind, found: and_(kind == "text", _compare(func.phoserve_moment_us(_bytes(found)), bounds))
        )
    return _sqlite_any(field, lambda kind, found: and_(kind.in_(_NUMBERS), _compare(found, bounds)))


def _sqlite_any(field: str, holds: Any) -> Condition:
    """`holds` for the field's value, or for an element of its list; the common scalar needs no subquery."""
    path = _path(field)
    kind = func.json_type(_SQLITE_METADATA, path, type_=String)
    element = func.json_each(_SQLITE_METADATA, path).table_valued("value", "type")
    any_element = exists(select(1).select_from(element).where(holds(element.c.type, element.c.value)))
    alone = holds(kind, func.json_extract(_SQLITE_METADATA, path))
    return (
        case((kind.is_(None), false()), (kind == "array", any_element), (kind == "object", false()), else_=alone)
        == true()
    )


def _bytes(value: ColumnElement[Any]) -> ColumnElement[bytes]:
    """The value's UTF-8: SQLite passes no text to a function that is not UTF-8, and the query would fail."""
    return cast(value, LargeBinary())


def _sqlite_has_value(field: str) -> Condition:
    path = _path(field)
    kind = func.json_type(_SQLITE_METADATA, path, type_=String)
    empty = and_(kind == "array", func.json_array_length(_SQLITE_METADATA, path) == 0)
    return and_(kind.is_not(None), kind != "null", not_(empty))
