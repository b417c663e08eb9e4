"""The words of parsed documents, and how they compare with those that were put in."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from phoserve.text.blocks import Block, ListItem, ParsedDocument, Table


def block_texts(block: Block) -> Iterator[str]:
    """Yield the texts of a block in the order in which they are read."""
    if isinstance(block, Table):
        yield block.caption
        yield from block.header
        for row in block.rows:
            yield from row
    elif isinstance(block, ListItem):
        yield f"{block.number} {block.text}"
    else:
        yield getattr(block, "text", "")


def document_text(document: ParsedDocument) -> str:
    """Return all text of a document, a line each."""
    return "\n".join(text for block in document.blocks for text in block_texts(block) if text)


def words_of(text: str) -> list[str]:
    """Return the words and numbers of a text, in lower case."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())


def once_in_order(expected: Sequence[str], found: Sequence[str]) -> float:
    """Return the share of words that are there exactly as often as expected and in the same order."""
    blocks = SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks()
    extra = (Counter(found) - Counter(expected)).total()
    return (sum(block.size for block in blocks) - extra) / max(len(expected), 1)


def table_of(document: ParsedDocument) -> Table:
    """Return the only table of a document."""
    (table,) = (block for block in document.blocks if isinstance(block, Table))
    return table
