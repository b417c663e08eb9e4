"""From the bytes of a document to its text and structure."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ingest.parsing.child import Refused
from ingest.parsing.failures import ParsingFailed, failure_of
from ingest.parsing.finish import TITLE_CHARACTERS, finish
from ingest.parsing.limits import ParserLimits
from ingest.parsing.markdown import read_markdown
from ingest.parsing.media import MARKDOWN_TYPES, media_type_of, stated_type
from ingest.parsing.parsers import can_parse
from ingest.parsing.plain import read_plain
from ingest.parsing.sandbox import read_in_child
from phoserve.text.blocks import ParsedDocument, ParserWarning
from phoserve.text.structure import Kind, StructuredText, render_blocks, structure_text

__all__ = ["DocumentText", "ParsingFailed", "parse", "parse_text"]

_TEXT_LIKE: Final = frozenset({"application/yaml", "application/x-yaml", "application/xml"})


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A parsed document: its text with its elements, its own title if it has one, and warnings about lost content."""

    structure: StructuredText
    title: str = ""
    warnings: tuple[ParserWarning, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    is_original: bool = False
    """Whether the file holds just this text in UTF-8."""

    @property
    def text(self) -> str:
        """The text as it is stored; spans count in it."""
        return self.structure.text


async def parse(
    path: Path, *, media_type: str, filename: str | None, limits: ParserLimits | None = None
) -> DocumentText:
    """Read the file at `path`; all but plain text is read in a process of its own, within `limits`.

    Raises ParsingFailed.
    """
    limits = limits or ParserLimits()
    kind = await asyncio.to_thread(media_type_of, path, media_type, filename)
    if can_parse(kind):
        read = await read_in_child(path, kind, limits)
        if isinstance(read, Refused):
            raise ParsingFailed(read.code, read.message)
        return await asyncio.to_thread(_rendered, read.document, filename)
    if kind.startswith("text/") or kind in _TEXT_LIKE:
        return await asyncio.to_thread(_text_file, path, filename, limits.text_bytes)
    raise ParsingFailed(
        "unsupported", f"{kind} documents cannot be read; send text, HTML, PDF, mail or office documents"
    )


def is_markdown(media_type: str, filename: str | None) -> bool:
    """Return whether a small text is Markdown, by its declared type and its name."""
    return stated_type(media_type, filename) in MARKDOWN_TYPES


def parse_text(content: bytes, filename: str | None, *, markdown: bool = False) -> DocumentText:
    """Read a short text in any encoding here and now; plain text stays as it is. Raises ParsingFailed."""
    if markdown:
        try:
            return _rendered(finish(read_markdown(content), ParserLimits()), filename)
        except RecursionError as error:
            raise failure_of(error) from error
    decoded = read_plain(content)
    structure = structure_text(decoded.text)
    first = structure.elements[0] if structure.elements else None
    title = first.headings[-1] if first and first.kind is Kind.HEADING and first.start < 3 else ""
    is_original = decoded.text.encode(errors="surrogatepass") == content
    text = DocumentText(structure, title[:TITLE_CHARACTERS], decoded.warnings, is_original=is_original)
    return _checked(text, filename)


def _text_file(path: Path, filename: str | None, most_bytes: int) -> DocumentText:
    size = path.stat().st_size
    if size > most_bytes:
        raise ParsingFailed("too_large", f"a text of {size} bytes is over the limit of {most_bytes} bytes")
    return parse_text(path.read_bytes(), filename)


def _rendered(document: ParsedDocument, filename: str | None) -> DocumentText:
    structure = render_blocks(document.blocks)
    text = DocumentText(structure, document.title, document.warnings, document.properties)
    return _checked(text, filename)


def _checked(text: DocumentText, filename: str | None) -> DocumentText:
    if text.text.strip():
        return text
    reasons = "; ".join(dict.fromkeys(warning.message for warning in text.warnings[:3]))
    raise ParsingFailed("empty", f"there is no text in {filename or 'the document'}{': ' * bool(reasons)}{reasons}")
