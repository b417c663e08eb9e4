"""Markdown: front matter, titles in both styles, lists, tables and code, without marks, comments and pictures."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.parsing.html import read_html
from ingest.parsing.limits import MIB
from ingest.parsing.plain import drop_pictures, read_plain
from phoserve.text.blocks import Block, Caption, Code, Footnote, Heading, ListItem, Paragraph, ParsedDocument, Table
from phoserve.text.lines import read_lines

LONGEST_PARSED: Final = 16 * MIB
"""Longer files are read line by line, with their marks."""
_FRONT_MATTER: Final = re.compile(r"\s*---[ \t]*\n((?:(?!---|\.\.\.)[^\n]*\n){0,200})(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_KEY: Final = re.compile(r"([A-Za-z_][\w-]{0,60}):[ \t]*(\S[^\n]{0,999})")
_NOTE: Final = re.compile(r"\[\^([^\]\s]{1,60})\]:\s*(\S.*)", re.DOTALL)
_NOTE_MARK: Final = re.compile(r"\[\^[^\]\s]{1,60}\](?!:)")
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def parse(path: Path) -> ParsedDocument:
    """Read a Markdown file. Raises ParsingFailed."""
    return read_markdown(path.read_bytes())


def read_markdown(content: bytes) -> ParsedDocument:
    """Read Markdown in any encoding. Raises ParsingFailed."""
    decoded = read_plain(content)
    text, properties = _front_matter(decoded.text)
    is_long = len(text) > LONGEST_PARSED
    blocks = [located.block for located in read_lines(text)] if is_long else blocks_of_markdown(text)
    title = str(properties.pop("title", ""))
    return ParsedDocument(blocks=tuple(blocks), title=title, warnings=decoded.warnings, properties=properties)


def blocks_of_markdown(text: str) -> list[Block]:
    """Return the blocks of Markdown text."""
    text, _ = drop_pictures(_COMMENT.sub("", text))
    # Indented text is no code to people who write documents.
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("code")
    return list(_Blocks(parser.parse(text)).read())


def _front_matter(text: str) -> tuple[str, dict[str, Any]]:
    match = _FRONT_MATTER.match(text)
    if match is None or not _KEY.search(match[1]):
        return text, {}
    properties = {key.lower(): value.strip().strip("\"'") for key, value in _KEY.findall(match[1])}
    return text[match.end() :], properties


class _Blocks:
    """Reads the flat list of tokens that the parser makes."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._numbers: list[str] = []
        self._fresh = False
        """Whether the next paragraph is the first of its list item."""

    def read(self) -> Iterator[Block]:
        at = 0
        while at < len(self._tokens):
            token = self._tokens[at]
            if token.type == "table_open":
                end = next(k for k in range(at, len(self._tokens)) if self._tokens[k].type == "table_close")
                yield _table(self._tokens[at:end])
                at = end
            else:
                yield from self._block(token, at)
            at += 1

    def _block(self, token: Token, at: int) -> Iterator[Block]:
        match token.type:
            case "list_item_open":
                self._numbers.append(f"{token.info}{token.markup}" if token.info else "-")
                self._fresh = True
            case "list_item_close":
                if self._fresh:  # an item of a list that holds nothing
                    self._fresh = False
                self._numbers.pop()
            case "inline":
                yield from self._text(token, self._tokens[at - 1])
            case "fence" | "code_block":
                yield Code(text=token.content)
            case "html_block":
                yield from read_html(token.content).blocks

    def _text(self, token: Token, opening: Token) -> Iterator[Block]:
        text = _inline(token)
        if not text:
            return
        if opening.type == "heading_open":
            yield Heading(text=text, level=int(opening.tag[1]))
        elif self._fresh:
            self._fresh = False
            yield ListItem(text=text, number=self._numbers[-1], level=len(self._numbers))
        elif note := _NOTE.fullmatch(text):
            yield Footnote(text=note[2], number=note[1])
        elif all(child.type == "image" for child in token.children or []):
            yield Caption(text=text)
        else:
            yield Paragraph(text=text)


def _inline(token: Token) -> str:
    parts = []
    for child in token.children or []:
        if child.type in ("text", "code_inline", "image"):
            parts.append(_NOTE_MARK.sub("", child.content) if child.type == "text" else child.content)
        elif child.type in ("softbreak", "hardbreak") or (
            child.type == "html_inline" and child.content.lower().startswith("<br")
        ):
            parts.append("\n")
    return "".join(parts).strip()


def _table(tokens: Sequence[Token]) -> Table:
    rows: list[list[str]] = []
    header: tuple[str, ...] = ()
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline(token))
        elif token.type == "thead_close":
            header = tuple(rows.pop())
    return Table(header=header if any(header) else (), rows=tuple(map(tuple, rows)))
