"""Records as table rows, and back."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import structlog

from phoserve.documents.access import CLOSED
from phoserve.documents.collections import Collection, Reembedding, RetiredPassages
from phoserve.documents.records import Document, DocumentFailure, DocumentState, Original
from phoserve.text.blocks import ParserWarning

UNREADABLE: Final = "unreadable"
"""The code of the failure of a document whose record has damaged fields."""
_HINT: Final = "upload the document again, or delete it"
UNREADABLE_ERRORS: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
_IDENTITY: Final = frozenset({"collection", "collection_id", "id", "key"})
T = TypeVar("T", bound=msgspec.Struct)
log = structlog.get_logger(__name__)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST: Final = {
    "version": 1,
    "revision": 1,
    **dict.fromkeys(("live_revision", "access_version", "passages", "attempts", "progress"), 0),
}
"""Of a stored document. One with a lower version would never be written again."""
_MOST: Final = {"progress": 1, "version": 2**62, "access_version": 2**62}
_MOST_OF_INTEGERS: Final = 2**31 - 1
_UNCHANGING: Final = frozenset({"key", "collection_id", "id", "created_us"})


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 UTC to `moment`."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def collection_row(collection: Collection) -> dict[str, Any]:
    """Return the values of a collection's columns."""
    return {
        "id": collection.id,
        "name": collection.name,
        "description": _storable(collection.description),
        "model": collection.model,
        "fingerprint": collection.fingerprint,
        "reembedding": None if collection.reembedding is None else _plain(collection.reembedding),
        "retired": _plain(collection.retired) or None,
        "settings": _plain(collection.settings),
        "deleting": collection.deleting,
        "version": collection.version,
        "created_us": microseconds(collection.created_at),
    }


def collections_of(rows: Iterable[Mapping[Any, Any]]) -> list[Collection]:
    """Return the collections in rows of `collections`; damaged fields have their defaults."""
    return [found for row in rows if (found := _read(row, "collection", _collection, _salvaged_collection))]


def _collection(row: Mapping[Any, Any]) -> Collection:
    found = _checked(_plain_collection(row))
    found.fusion  # noqa: B018 - raises if the settings are damaged
    return found


def _salvaged_collection(row: Mapping[Any, Any]) -> tuple[Collection, list[str]]:
    damaged = _damaged(row, _BLANK_COLLECTION, _collection)
    if {"id", "name"} & set(damaged):
        raise ValueError("its id or its name cannot be read")
    return _collection({**row, **{name: _BLANK_COLLECTION[name] for name in damaged}}), damaged


def _plain_collection(row: Mapping[Any, Any]) -> Collection:
    return Collection(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        model=row["model"],
        fingerprint=row["fingerprint"],
        reembedding=None if row["reembedding"] is None else msgspec.convert(row["reembedding"], Reembedding),
        retired=msgspec.convert(row["retired"] or [], tuple[RetiredPassages, ...]),
        settings=row["settings"],
        deleting=row["deleting"],
        version=row["version"],
        created_at=moment_of(row["created_us"]),
    )


def needed_fingerprints(active: str, reembedding: Any) -> tuple[str, ...]:
    """Return `Collection.needed_fingerprints` of the columns of a collection."""
    return tuple(
        each for each in (active, reembedding.get("fingerprint") if isinstance(reembedding, dict) else "") if each
    )


def document_row(document: Document) -> dict[str, Any]:
    """Return the values of a document's columns, without its `sequence` and `keyed_version`."""
    return {
        "key": document.key,
        "collection_id": document.collection_id,
        "id": document.id,
        "version": document.version,
        "revision": document.revision,
        "live_revision": document.live_revision,
        "state": document.state.value,
        "title": _storable(document.title),
        "metadata": _plain(document.metadata),
        "properties": _plain(document.properties),
        "access": list(document.access),
        "access_key": access_key(document.access),
        "access_version": document.access_version,
        "access_due_us": None if document.access_due_at is None else microseconds(document.access_due_at),
        "original_key": document.original.key,
        "original_sha256": document.original.sha256,
        "original_bytes": document.original.size_bytes,
        "media_type": _storable(document.original.media_type),
        "filename": None if document.original.filename is None else _storable(document.original.filename),
        "fingerprint": document.fingerprint,
        "target_fingerprint": document.target_fingerprint,
        "passages": document.passages,
        "progress": document.progress,
        "attempts": document.attempts,
        "error": None if document.error is None else _plain(document.error),
        "warnings": _plain(document.warnings),
        "bulk": document.bulk,
        "requests": _plain(document.requests),
        "created_us": microseconds(document.created_at),
        "updated_us": microseconds(document.updated_at),
        "due_us": None if document.due_at is None else microseconds(document.due_at),
    }


def keyed_row(document: Document) -> dict[str, Any]:
    """Return `document_row` for a transaction that also writes the document's `filter_keys`."""
    return {**document_row(document), "keyed_version": document.version}


def access_key(access: Sequence[str]) -> str:
    """Return the key of a set of groups, sorted: the same for the same groups, "" for none."""
    return hashlib.sha256(msgspec.json.encode(access)).hexdigest() if access else ""


def changing_columns(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values that may change from one version of a document to the next."""
    return {name: value for name, value in row.items() if name not in _UNCHANGING}


def documents_of(rows: Iterable[Mapping[Any, Any]]) -> list[Document]:
    """Return the documents in rows of `documents` with their collection's name as `collection`.

    A document with damaged fields has their defaults and is failed with the code `UNREADABLE`. One whose ids cannot be
    read is left out. Each is logged.
    """
    return [found for row in rows if (found := _read(row, "document", _document, _salvaged_document))]


def salvage(row: Mapping[Any, Any]) -> tuple[Document, list[str]]:
    """Return the document in a row, as far as it can be read, and the columns that cannot.

    Raises ValueError if the columns that identify it cannot be read.
    """
    try:
        return _document(row), []
    except UNREADABLE_ERRORS:
        return _salvaged_document(row)


def is_unreadable(document: Document) -> bool:
    """Return whether fields of the document's record could not be read."""
    return document.error is not None and document.error.code == UNREADABLE


def _read(
    row: Mapping[Any, Any], kind: str, read: Callable[[Mapping[Any, Any]], T], salvaged: Callable[..., tuple[T, Any]]
) -> T | None:
    try:
        return read(row)
    except UNREADABLE_ERRORS:
        pass
    name = {"key": str(row.get("key", "")), "id": str(row["id"])}
    hint = _HINT if kind == "document" else "store its settings again"
    try:
        found, damaged = salvaged(row)
    except UNREADABLE_ERRORS as error:
        log.error("record_unreadable", kind=kind, **name, reason=str(error), hint=hint)
        return None
    log.warning("record_damaged", kind=kind, **name, fields=damaged, hint=hint)
    return found


def _document(row: Mapping[Any, Any]) -> Document:
    if not (isinstance(row["access"], list) and isinstance(row["requests"], list)):
        raise TypeError("a list is stored as another type")
    return _checked(_plain_document(row))


def _salvaged_document(row: Mapping[Any, Any]) -> tuple[Document, list[str]]:
    damaged = _damaged(row, _BLANK_DOCUMENT, _document)
    if lost := sorted(_IDENTITY & set(damaged)):
        raise ValueError(f"its {', '.join(lost)} cannot be read")
    found = _document({**row, **{name: _BLANK_DOCUMENT[name] for name in damaged}})
    if found.state is not DocumentState.DELETING:
        message = f"the record's {', '.join(damaged)} cannot be read; {_HINT}"
        failure = DocumentFailure(code=UNREADABLE, message=message)
        found = msgspec.structs.replace(found, state=DocumentState.FAILED, error=failure, due_at=None)
    if any(name.startswith("access") for name in damaged):
        found = msgspec.structs.replace(found, access=CLOSED)
    return found, damaged


def _damaged(row: Mapping[Any, Any], blank: Mapping[str, Any], read: Callable[[Mapping[Any, Any]], Any]) -> list[str]:
    """Return the columns that a record without other content cannot be read with."""

    def is_damaged(name: str) -> bool:
        try:
            read({**blank, name: row[name]})
        except UNREADABLE_ERRORS:
            return True
        return False

    return [name for name in blank if is_damaged(name)]


def _checked(record: T) -> T:
    """Return the record. Raises ValueError for another type, a number out of range, or text that is not Unicode."""
    values = msgspec.structs.asdict(record)
    if isinstance(record, Document):
        values["original"] = msgspec.structs.asdict(record.original)
        _check_numbers(record)
    msgspec.convert(values, type(record))
    msgspec.json.encode(record)
    return record


def _check_numbers(document: Document) -> None:
    for name, least in _LEAST.items():
        if not least <= getattr(document, name) <= _MOST.get(name, _MOST_OF_INTEGERS):
            raise ValueError(f"its {name} is out of range")
    if not 0 <= document.original.size_bytes <= 2**62:
        raise ValueError("the size of its original is out of range")


def _plain_document(row: Mapping[Any, Any]) -> Document:
    return Document(
        collection=row["collection"],
        collection_id=row["collection_id"],
        id=row["id"],
        key=row["key"],
        version=row["version"],
        revision=row["revision"],
        live_revision=row["live_revision"],
        state=DocumentState(row["state"]),
        title=row["title"],
        metadata=row["metadata"],
        properties=row["properties"],
        access=tuple(row["access"]),
        access_version=row["access_version"],
        access_due_at=None if row["access_due_us"] is None else moment_of(row["access_due_us"]),
        original=Original(
            key=row["original_key"],
            sha256=row["original_sha256"],
            size_bytes=row["original_bytes"],
            media_type=row["media_type"],
            filename=row["filename"],
        ),
        fingerprint=row["fingerprint"],
        target_fingerprint=row["target_fingerprint"],
        needed_fingerprints=needed_fingerprints(row["active_fingerprint"], row["reembedding"]),
        passages=row["passages"],
        progress=row["progress"],
        attempts=row["attempts"],
        error=None if row["error"] is None else msgspec.convert(row["error"], DocumentFailure),
        warnings=msgspec.convert(row["warnings"], tuple[ParserWarning, ...]) if row["warnings"] else (),
        bulk=row["bulk"],
        requests=tuple(row["requests"]),
        created_at=moment_of(row["created_us"]),
        updated_at=moment_of(row["updated_us"]),
        due_at=None if row["due_us"] is None else moment_of(row["due_us"]),
    )


def moment_of(us: int) -> datetime:
    """Return the time of a number of microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=us)


def _plain(value: Any) -> Any:
    """As JSON types, without what PostgreSQL cannot store."""
    return _clean(msgspec.to_builtins(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def _storable(text: str) -> str:
    """`text` with U+FFFD for NUL and for unpaired surrogates, which PostgreSQL refuses."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


_BLANK_DOCUMENT: Final[Mapping[str, Any]] = {
    "collection": "",
    "active_fingerprint": "",
    "reembedding": None,
    **document_row(
        Document(
            collection="",
            collection_id="",
            id="",
            key="",
            version=1,
            original=Original(key="", sha256="", size_bytes=0, media_type="application/octet-stream"),
            created_at=_EPOCH,
            updated_at=_EPOCH,
        )
    ),
}
_BLANK_COLLECTION: Final[Mapping[str, Any]] = collection_row(Collection(id="", name="", created_at=_EPOCH))
