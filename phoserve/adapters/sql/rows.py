"""Records as table rows, and back."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from phoserve.documents.records import (
    Collection,
    Document,
    DocumentFailure,
    DocumentState,
    Original,
    Reembedding,
    RetiredPassages,
)
from phoserve.text.blocks import ParserWarning

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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


def collection_of(row: Mapping[Any, Any]) -> Collection:
    """Return the collection in a row of `collections`."""
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
        created_at=_moment(row["created_us"]),
    )


def needed_fingerprints(active: str, reembedding: Any) -> tuple[str, ...]:
    """Return `Collection.needed_fingerprints` of the columns of a collection."""
    return tuple(each for each in (active, reembedding["fingerprint"] if reembedding else "") if each)


def document_row(document: Document) -> dict[str, Any]:
    """Return the values of a document's columns, without its `sequence`."""
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


def changing_columns(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values that may change from one version of a document to the next."""
    return {name: value for name, value in row.items() if name not in _UNCHANGING}


def document_of(row: Mapping[Any, Any]) -> Document:
    """Return the document in a row of `documents`, with `collection`, `active_fingerprint` and `reembedding` of its
    collection.
    """
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
        created_at=_moment(row["created_us"]),
        updated_at=_moment(row["updated_us"]),
        due_at=None if row["due_us"] is None else _moment(row["due_us"]),
    )


def _moment(us: int) -> datetime:
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
