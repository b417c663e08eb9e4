"""Articles and clauses that an amending law quotes: text of the clause that quotes them, not articles of its own."""

import re
from collections.abc import Sequence
from typing import Final

from phoserve.text.blocks import Block, Heading, ListItem, Paragraph

MAX_QUOTED: Final = 400
"""Blocks of a quotation; a mark that none of them closes opens none."""
_OPENING: Final = re.compile(
    r"(?:\A|\n|:\s*)[“\"]\s*(?:(?:Điều|ĐIỀU|Chương|CHƯƠNG|Mục|MỤC|Phần|PHẦN|Phụ lục|PHỤ LỤC|Khoản|Điểm)\s|"
    r"\d{1,3}[a-zđ]?[.)]\s|[a-zđ]\)\s)"
)


def quoted_blocks(blocks: Sequence[Block]) -> frozenset[int]:
    """Return the numbers of the blocks within quotations of laws, after the block that opens one, in linear time."""
    quoted: set[int] = set()
    at = 0
    while at < len(blocks):
        text = _text_of(blocks[at])
        end = _end(blocks, at, '"' if _opens_straight(text) else "”") if _opens(text) else 0
        first = at if text.startswith(("“", '"')) else at + 1
        quoted.update(range(first, end + 1))
        at = max(end, at) + 1
    return frozenset(quoted)


def _opens(text: str) -> bool:
    """Whether a quotation of a law begins in the text and goes beyond it."""
    if "“" not in text and '"' not in text:
        return False
    return _OPENING.search(text) is not None and (_opens_straight(text) or text.count("“") > text.count("”"))


def _opens_straight(text: str) -> bool:
    return "“" not in text and text.count('"') % 2 == 1


def _end(blocks: Sequence[Block], start: int, mark: str) -> int:
    """Return the number of the block that closes the quotation opened in another one, 0 if none does."""
    depth = 1
    for number in range(start + 1, min(start + 1 + MAX_QUOTED, len(blocks))):
        text = _text_of(blocks[number])
        if mark == "”":
            depth += text.count("“") - text.count("”")
        else:
            depth -= text.count(mark) % 2
        if depth <= 0:
            return number
    return 0


def _text_of(block: Block) -> str:
    return block.text if isinstance(block, Heading | ListItem | Paragraph) else ""
