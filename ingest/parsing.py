"""From the bytes of a document to its text."""

import asyncio
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

PLAIN: Final = ("text/plain", "text/markdown", "text/x-markdown")
HTML: Final = ("text/html", "application/xhtml+xml")
BLOCKS: Final = frozenset(
    {"p", "div", "li", "tr", "br", "section", "article", "table", "ul", "ol", "blockquote", "pre"}
)
HIDDEN: Final = frozenset({"script", "style", "noscript", "template", "nav", "svg"})


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


async def parse(path: Path, *, media_type: str, filename: str | None) -> ParsedDocument:
    """Read the file at `path`. Raises ParsingFailed."""
    return await asyncio.to_thread(_parsed, path, media_type, filename)


def _parsed(path: Path, media_type: str, filename: str | None) -> ParsedDocument:
    kind = media_type.split(";", 1)[0].strip().lower()
    if kind not in PLAIN + HTML:
        raise ParsingFailed("unsupported", f"{kind} documents cannot be read yet; send text, markdown or HTML")
    text = _decoded(path.read_bytes())
    if kind in HTML:
        text = _text_of_html(text)
    if not text.strip():
        raise ParsingFailed("empty", f"there is no text in {filename or 'the document'}")
    return ParsedDocument(text, _title(text))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParsingFailed("encoding", f"the text is not UTF-8: {error.reason} at byte {error.start}") from None


def _title(text: str) -> str:
    match = re.match(r"\s*#{1,2}[ \t]+(.+)", text)
    return match.group(1).strip() if match else ""


def _text_of_html(html: str) -> str:
    reader = _HtmlText()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[ \t\r\f\v]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _HtmlText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's signature
        if tag in HIDDEN:
            self._hidden += 1
        elif re.fullmatch(r"h[1-6]|title", tag):
            self.parts.append("\n\n" + "#" * (1 if tag == "title" else int(tag[1])) + " ")
        elif tag in BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n\n" if tag == "p" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in BLOCKS or re.fullmatch(r"h[1-6]|title", tag):
            self.parts.append("\n\n" if tag not in BLOCKS or tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace("\n", " "))
