"""Clauses of laws: how khoản and điểm are cited."""

import re
from typing import Final

from phoserve.text.blocks import Block, Footnote, Heading, ListItem
from phoserve.text.headings import article_of

_CLAUSE: Final = re.compile(r"(?:khoản\s+)?\(?(\d{1,3}[a-zđ]?(?:\.\d{1,3}){0,4})(?:[.):/]|\.-)?", re.IGNORECASE)
_POINT: Final = re.compile(r"(?:điểm\s+)?\(?([a-zđ]\d?)(?:[.):/]|\.-)", re.IGNORECASE)


class ClauseCounter:
    """Follows the blocks of a text and names the clause each is in."""

    def __init__(self) -> None:
        self._article = self._clause = self._point = ""

    def label_of(self, block: Block, heading: str, *, is_quoted: bool = False) -> str:
        """Return the clause that `block` is in, below the heading `heading`: "điểm b khoản 3 Điều 9"; "" outside laws.

        Blocks are to be given in order. What is quoted from another law is part of the clause that quotes it.
        """
        if isinstance(block, Heading):
            self._article, self._clause, self._point = article_of(heading) or "", "", ""
        elif isinstance(block, ListItem) and not is_quoted:
            self._enter(block.number)
        if not self._article or isinstance(block, Heading | Footnote):
            return ""
        return " ".join(part for part in (self._point, self._clause, self._article) if part)

    def _enter(self, number: str) -> None:
        if clause := _CLAUSE.fullmatch(number):
            self._clause, self._point = f"khoản {clause[1]}", ""
        elif point := _POINT.fullmatch(number):
            self._point = f"điểm {point[1].lower()}"
