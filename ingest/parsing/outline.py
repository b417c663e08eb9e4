"""Headings by the words of Vietnamese law, in parsers that also know how a line is set."""

import re
from dataclasses import dataclass
from typing import Final

from phoserve.text.blocks import Block, Heading, Paragraph, Place
from phoserve.text.headings import Title, title_of

_BARE: Final = re.compile(r"(phụ lục|phần|chương|mục|tiểu mục)\s+\S+(\s+\S{1,5})?\s?[.:]?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?P<head>điều\s+\d+[a-zđ]?(?:\.\d+)*\s?[.:])\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)
_ROMAN: Final = re.compile(r"[IVXLC]{1,6}\.\s+\S[^\n]*")
_ROMAN_LEVEL: Final = 10
"""That of "Mục", whose place such sections have in an appendix or a report."""
_LAW_LEVEL: Final = 7
_LONGEST: Final = 300


@dataclass(slots=True)
class Outline:
    """Recognises headings of law in the order of a document: "Chương II" and its title on the next line are one."""

    _open: Title | None = None

    def add(self, blocks: list[Block], text: str, place: Place, *, strong: bool) -> bool:
        """Append the heading that `text` is, or complete the one before; return False if it is none.

        `strong` is whether all of it is set as headings are (bold, or larger than the text around).
        """
        follows = self._open if blocks and isinstance(blocks[-1], Heading) else None
        self._open = None
        if follows and isinstance(blocks[-1], Heading) and self._completes(text, follows, strong=strong):
            joined = f"{blocks[-1].text} {text}"
            self._open = Title(follows.level, joined, fills_line=True, completes=True)
            blocks[-1] = Heading(text=joined, level=follows.level, place=blocks[-1].place)
            return True
        if strong and len(text) <= _LONGEST and _ROMAN.fullmatch(text):
            blocks.append(Heading(text=text, level=_ROMAN_LEVEL, place=place))
            return True
        title = title_of(text, follows=None)
        if title is None or title.level < _LAW_LEVEL:
            return False
        if title.fills_line or (strong and len(text) <= _LONGEST):
            self._open = Title(title.level, text, fills_line=True)
            blocks.append(Heading(text=text, level=title.level, place=place))
        elif match := _NUMBER.fullmatch(text):
            blocks.append(Heading(text=match["head"], level=title.level, place=place))
            blocks.append(Paragraph(text=match["rest"], place=place))
        else:
            return False
        return True

    @staticmethod
    def _completes(text: str, follows: Title, *, strong: bool) -> bool:
        if "\n" in text or len(follows.text) + len(text) > _LONGEST:
            return False
        title = title_of(text, follows=follows)
        if not _BARE.fullmatch(follows.text):  # a second line of its title
            return strong and follows.completes and bool(title and title.completes)
        return bool(title and title.completes) or (strong and title is None)
