"""From the bytes of a document to its text."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.parsing.child import Refused
from ingest.parsing.encodings import decoded
from ingest.parsing.media import HTML, READ_BY_PARSER, media_type_of
from ingest.parsing.sandbox import ParserLimits, extract

TITLE_CHARACTERS: Final = 300
_HEADING: Final = re.compile(r"\s*#{1,2}[ \t]+(.+)")
_TEXT_LIKE: Final = frozenset({"application/json", "application/x-ndjson", "application/yaml", "application/x-yaml"})


class ParsingFailed(Exception):
    """The document cannot be read; `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a document says: its text with markdown headings, and its own title where it has one."""

    text: str
    title: str


async def parse(
    path: Path, *, media_type: str, filename: str | None, limits: ParserLimits | None = None
) -> ParsedDocument:
    """Read the file at `path`; all but plain text is read in a process of its own, within `limits`.

    Raises ParsingFailed.
    """
    limits = limits or ParserLimits()
    kind = await asyncio.to_thread(media_type_of, path, media_type, filename)
    if kind in HTML or kind in READ_BY_PARSER:
        extracted = await extract(path, kind, limits)
        if isinstance(extracted, Refused):
            raise ParsingFailed(extracted.code, extracted.message)
        text, title = extracted.text, extracted.title
    elif kind.startswith("text/") or kind in _TEXT_LIKE:
        return await asyncio.to_thread(_text_file, path, filename, limits.text_bytes)
    else:
        raise ParsingFailed("unsupported", f"{kind} documents cannot be read; send text, HTML, PDF or office documents")
    # A page's title is meant to be read; that of an office document is often its template's.
    title = title or _first_heading(text) if kind in HTML else _first_heading(text) or title
    hint = "; a scan has to go through OCR first" if kind == "application/pdf" else ""
    return _document(text, title, filename, hint)


def parse_text(content: bytes, filename: str | None) -> ParsedDocument:
    """Read plain text or Markdown in any encoding. Raises ParsingFailed."""
    try:
        text = decoded(content)
    except ValueError as error:
        raise ParsingFailed("encoding", f"the text cannot be read: {error}") from error
    return _document(text, _first_heading(text), filename)


def _text_file(path: Path, filename: str | None, most_bytes: int) -> ParsedDocument:
    size = path.stat().st_size
    if size > most_bytes:
        raise ParsingFailed("too_large", f"a text of {size} bytes is over the limit of {most_bytes} bytes")
    return parse_text(path.read_bytes(), filename)


def _document(text: str, title: str, filename: str | None, hint: str = "") -> ParsedDocument:
    if not text.strip():
        raise ParsingFailed("empty", f"there is no text in {filename or 'the document'}{hint}")
    return ParsedDocument(text, title[:TITLE_CHARACTERS])


def _first_heading(text: str) -> str:
    match = _HEADING.match(text)
    return match.group(1).strip() if match else ""
