"""The text of each revision, stored next to its original: what spans of passages, hits and citations count in."""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final

from phoserve.documents.ports import SourceStore
from phoserve.documents.records import Document
from phoserve.errors import NotFound
from phoserve.text.normalise import compose

MAX_TEXT_BYTES: Final = 1 << 30
_KEY: Final = re.compile(r"[^/]+/(?P<document_key>[^/]+)\.(?P<revision>\d+)\.txt")
_PART_BYTES: Final = 128 * 1024
_utf8: Final = codecs.getincrementaldecoder("utf-8")
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


async def stream_text(
    document: Document, sources: SourceStore, start: int = 0, end: int | None = None
) -> AsyncIterator[str]:
    """Open the text of the live revision, and return its characters from `start` to `end` in parts, read on demand.

    Raises NotFound if no revision is live yet, or if the text was not stored: version 0.1 did not.
    """
    if not document.live_revision:
        raise NotFound(f"document {document.id!r} has no text yet: its state is {document.state}")
    try:
        stored = await sources.stream(text_key(document, document.live_revision))
    except NotFound:
        stored = _one(await _former_text(document, sources))
    return _cut(stored, start, end)


async def _former_text(document: Document, sources: SourceStore) -> bytes:
    """Return the text in UTF-8 of a file that version 0.1 indexed as it is. Raises NotFound for others."""
    if document.is_indexed and document.original.media_type.split(";", 1)[0] in _TEXT_TYPES:
        original = await sources.read(document.original.key)
        with suppress(UnicodeDecodeError):
            return await asyncio.to_thread(lambda: compose(original.decode("utf-8-sig")).encode())
    raise NotFound(f"the text of document {document.id!r} is not stored; POST .../documents/ID/reindex stores it")


async def _one(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), _PART_BYTES):
        yield content[begin : begin + _PART_BYTES]


async def _cut(parts: AsyncIterator[bytes], start: int, end: int | None) -> AsyncIterator[str]:
    """Yield the characters of a text in UTF-8 from `start` to `end`, without reading what follows."""
    decoder, position = _utf8(), 0
    async for part in parts:
        if end is not None and position >= end:
            return
        text = decoder.decode(part)
        wanted = text[max(0, start - position) : None if end is None else end - position]
        position += len(text)
        if wanted:
            yield wanted
