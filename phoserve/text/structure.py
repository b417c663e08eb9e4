"""The parts of a document: headings, paragraphs, list items and table rows of Markdown or plain text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from phoserve.text.headings import Title, descend, title_of

_FENCE: Final = re.compile(r" {0,3}(?:```|~~~)")
_ITEM: Final = re.compile(
    r"\s*(?:[-*+•–●▪◦]\s|\(?(?:\d{1,3}(?:\.\d{1,3}){0,4}|[a-zđA-ZĐ]|[ivx]{1,5}|[IVX]{1,5})[.)]\s|>|\|)"
)


class Break(IntEnum):
    """How good a place to begin a chunk is; larger is better."""

    WORD = 0
    CLAUSE = 1
    SENTENCE = 2
    ITEM = 3
    PARAGRAPH = 4
    SECTION = 5


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, item or row; the blocks of a text leave out nothing but white space."""

    start: int
    end: int
    before: Break
    """What kind of place it begins at; WORD after a heading, which stays with what it is the heading of."""
    headings: tuple[str, ...]
    """Titles of the sections it is in, outermost first; a heading's own title is the last of its."""
    is_heading: bool


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of `text`, in order, in time linear in its length."""
    path: tuple[Title, ...] = ()
    block: Block | None = None
    after_blank = fenced = False
    for start, end in _lines(text):
        if start == end:
            after_blank = True
            continue
        line = text[start:end]
        fence = _FENCE.match(line) is not None
        follows = path[-1] if block and block.is_heading and not after_blank else None
        title = None if fenced or fence else title_of(line, follows=follows)
        opens_item = fenced or fence or _ITEM.match(line) is not None
        if block and not (title or after_blank or opens_item or block.is_heading):
            block = _extended(block, end)  # a line that goes on with the paragraph
        else:
            if block:
                yield block
            if title:
                path = descend(path, title)
            if title:
                before = Break.SECTION
            elif block and block.is_heading:
                before = Break.WORD
            else:
                before = Break.PARAGRAPH if after_blank or not opens_item else Break.ITEM
            headings = tuple(entry.text for entry in path)
            block = Block(start, end, before, headings, title is not None and title.fills_line)
        after_blank = False
        fenced ^= fence
    if block:
        yield block


def _extended(block: Block, end: int) -> Block:
    return Block(block.start, end, block.before, block.headings, block.is_heading)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the lines of `text` without the white space around them; empty for a blank line."""
    at = 0
    for line in text.splitlines(keepends=True):
        left = len(line) - len(line.lstrip())
        yield at + left, max(at + left, at + len(line.rstrip()))
        at += len(line)
