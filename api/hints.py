"""Additions to error messages about obvious mistakes: the values allowed, the field or the route that was meant."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec.inspect import CustomType, EnumType, ListType, LiteralType, Metadata, StructType, TupleType, UnionType

MOST_NAMED: Final = 12
VERSION: Final = "/v1"
ELSEWHERE: Final = {
    "/docs": "/schema",
    "/redoc": "/schema",
    "/openapi.json": "/schema",
    "/swagger": "/schema",
    "/healthz": "/health/ready",
    "/livez": "/health/live",
    "/readyz": "/health/ready",
    "/ping": "/health/live",
    "/info": "/v1/models",
    "/encode": "/v1/embeddings",
    "/predict": "/v1/embeddings",
    "/score": "/rerank",
    "/v1/score": "/rerank",
    "/v1/responses": "/v1/chat/completions",
    "/v1/completions": "/v1/chat/completions",
    "/completions": "/v1/chat/completions",
    "/v1/vector_stores": "/v1/collections",
    "/v1/files": "/v1/collections/{collection}/documents",
}
"""Paths of other servers and of OpenAI's API, and the route here that does the same."""
OPENAI_MISSING: Final = tuple(
    f"{prefix}/{name}"
    for prefix in (VERSION, "")
    for name in (
        "chat/",
        "responses",
        "completions",
        "audio/",
        "images/",
        "files",
        "vector_stores",
        "moderations",
        "batches",
        "assistants",
        "threads",
        "fine_tuning/",
        "conversations",
        "uploads",
    )
)
"""How paths of OpenAI's API begin that have no route here; its clients read errors in its shape only."""
_STEP: Final = re.compile(r"[^.\[\]]++|\[[^\[\]]*+\]")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>[^`]+)`")


def hint_for(message: str, path: str, type_: Any) -> str:
    """Return what follows msgspec's `message` about the value at `path` of a body of `type_`; "" for nothing."""
    if message.startswith("Invalid enum value"):
        values = list(dict.fromkeys(map(str, _values(_types_at(path, type_)))))
        return f": use {_listed(values)}" if values else ""
    if unknown := _UNKNOWN.search(message):
        known = [field.encode_name for each in _structs(_types_at(path, type_)) for field in each.fields]
        return near_name(unknown["name"], known, "fields")
    return ""


def near_name(name: str, known: list[str], kind: str) -> str:
    """Return what follows a message about an unknown name: the one that was meant, or all of the `kind`."""
    near = get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; {kind} are {_listed(known)}" if 0 < len(known) <= MOST_NAMED else ""


def missing_route(path: str, routes: Iterable[str]) -> str:
    """Return the message about a path that no route has."""
    if path in ELSEWHERE:
        return f"there is no route {path}; use {ELSEWHERE[path]}"
    known = set(routes)
    meant = next(
        (each for each in (VERSION + path, path.replace("/v1/v1/", "/v1/"), path.rstrip("/")) if each in known), ""
    )
    if meant and meant != path:
        return f"there is no route {path}; did you mean {meant}?"
    return f"there is no route {path}; the API is under {VERSION}, and /schema describes it"


def _listed(values: list[str]) -> str:
    shown = values if len(values) <= MOST_NAMED else [*values[:MOST_NAMED], "..."]
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _types_at(path: str, type_: Any) -> list[Any]:
    found = list(_members(_inspected(type_)))
    for step in _STEP.findall(path):
        found = [each for parent in found for inner in _within(parent, step) for each in _members(inner)]
    return found


@lru_cache(maxsize=64)
def _inspected(type_: Any) -> Any:
    return msgspec.inspect.type_info(type_)


def _within(parent: Any, step: str) -> Iterator[Any]:
    match parent:
        case StructType():
            yield from (field.type for field in parent.fields if field.encode_name == step)
        case ListType() if step.startswith("["):
            yield parent.item_type
        case TupleType() if step.startswith("["):
            yield from parent.item_types
        case _ if hasattr(parent, "item_type") and step.startswith("["):
            yield parent.item_type


def _members(type_: Any) -> Iterator[Any]:
    match type_:
        case UnionType():
            for each in type_.types:
                yield from _members(each)
        case Metadata():
            yield from _members(type_.type)
        case CustomType():
            return
        case _:
            yield type_


def _values(types: Iterable[Any]) -> Iterator[Any]:
    for each in types:
        match each:
            case LiteralType():
                yield from each.values
            case EnumType():
                yield from (member.value for member in each.cls)


def _structs(types: Iterable[Any]) -> Iterator[StructType]:
    yield from (each for each in types if isinstance(each, StructType))
