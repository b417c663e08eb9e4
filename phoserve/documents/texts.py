"""The text of each revision, stored next to its original: what spans of passages, hits and citations count in."""

import re
from collections.abc import Mapping
from typing import Final

from phoserve.documents.ports import SourceStore
from phoserve.documents.records import Document
from phoserve.errors import NotFound
from phoserve.text.normalise import compose

MAX_TEXT_BYTES: Final = 1 << 30
_KEY: Final = re.compile(r"[^/]+/(?P<document_key>[^/]+)\.(?P<revision>\d+)\.txt")
_TEXT_TYPES: Final = ("text/plain", "text/markdown")


def text_key(document: Document, revision: int) -> str:
    """Return the key of a revision's text; it begins as the keys of the collection's originals do."""
    return f"{document.collection_id}/{document.key}.{revision}.txt"


def text_keys(document: Document) -> list[str]:
    """Return the keys of the texts that the document needs: of its newest revision and of the live one."""
    return [text_key(document, revision) for revision in {document.revision, document.live_revision} - {0}]


def document_key_of(key: str) -> str | None:
    """Return the key of the document whose text is stored under `key`, None if it is no text's key."""
    match = _KEY.fullmatch(key)
    return match["document_key"] if match else None


def needed_texts(documents: Mapping[str, Document]) -> set[str]:
    """Return the keys of all texts that these documents need."""
    return {key for document in documents.values() for key in text_keys(document)}


async def store_text(document: Document, text: str, sources: SourceStore, *, is_original: bool = False) -> None:
    """Store the text of the document's newest revision; doing it again writes the same.

    With `is_original` the text in UTF-8 is what the original holds, which is copied within the store.
    """
    if is_original:
        await sources.copy(document.original.key, text_key(document, document.revision))
        return
    await sources.put(text_key(document, document.revision), text.encode(), max_bytes=MAX_TEXT_BYTES)


async def read_text(document: Document, sources: SourceStore) -> str:
    """Return the text of the live revision.

    Raises NotFound if no revision is live yet, or if the text was not stored: version 0.1 did not.
    """
    if not document.live_revision:
        raise NotFound(f"document {document.id!r} has no text yet: its state is {document.state}")
    try:
        return (await sources.read(text_key(document, document.live_revision))).decode()
    except NotFound:
        pass
    if document.is_indexed and document.original.media_type.split(";", 1)[0] in _TEXT_TYPES:
        try:  # version 0.1 indexed such a file as it is
            return compose((await sources.read(document.original.key)).decode("utf-8-sig"))
        except UnicodeDecodeError:
            pass
    raise NotFound(f"the text of document {document.id!r} is not stored; POST .../documents/ID/reindex stores it")
