"""Records of version 0.1, which were kept in the search engine, as records of today."""

from datetime import datetime
from typing import Any

import msgspec

from phoserve.documents.collections import Collection
from phoserve.documents.records import Document, DocumentFailure, DocumentState, Original


class _Collection(msgspec.Struct, kw_only=True):
    name: str
    description: str = ""
    created_at: datetime
    deleting: bool = False


class _Document(msgspec.Struct, kw_only=True):
    collection: str
    id: str
    key: str
    revision: int = 1
    live_revision: int = 0
    state: DocumentState = DocumentState.QUEUED
    title: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    original: Original
    fingerprint: str = ""
    passages: int = 0
    progress: float = 0.0
    attempts: int = 0
    error: DocumentFailure | None = None
    bulk: bool = False
    requests: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None = None


def decode_collection(record: str) -> Collection:
    """Return a collection of version 0.1. Its name is its id: its passages and originals are filed under it."""
    old = msgspec.json.decode(record, type=_Collection)
    return Collection(
        id=old.name,
        name=old.name,
        description=old.description,
        created_at=old.created_at,
        deleting=old.deleting,
        version=1,
    )


def decode_document(record: str) -> Document:
    """Return a document of version 0.1."""
    old = msgspec.json.decode(record, type=_Document)
    return Document(collection_id=old.collection, version=1, **msgspec.structs.asdict(old))
