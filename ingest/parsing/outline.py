"""Headings by the words of Vietnamese law, in parsers that also know how a line is set."""

import re
from dataclasses import dataclass
from typing import Final

from phoserve.text.blocks import Block, Heading, Paragraph, Place
from phoserve.text.headings import ROMAN_LEVEL, is_law_title, title_of

_ROMAN: Final = re.compile(r"[IVXLC]{1,6}\.\s+\S[^\n]*")
_LAW_LEVEL: Final = 7
_LONGEST: Final = 300


@dataclass(slots=True)
class Outline:
    """Recognises headings of law in the order of a document: "Chương II" and its title on the next line are one."""

    _open: str | None = None
    """The heading that the next line may complete."""
    _completed: bool = False
    """Whether that heading has part of its title already."""

    def add(self, blocks: list[Block], text: str, place: Place, *, strong: bool) -> bool:
        """Append the heading that `text` is, or complete the one before; return False if it is none.

        `strong` is whether all of it is set as headings are (bold, or larger than the text around).
        """
        before = blocks[-1] if blocks else None
        follows, self._open = self._open, None
        if follows is not None and isinstance(before, Heading) and self._completes(text, follows, strong=strong):
            self._open, self._completed = f"{before.text} {text}", True
            blocks[-1] = Heading(text=self._open, level=before.level, place=before.place)
            return True
        if strong and len(text) <= _LONGEST and _ROMAN.fullmatch(text):
            blocks.append(Heading(text=text, level=ROMAN_LEVEL, place=place))
            return True
        title = title_of(text)
        if title is None or title.level < _LAW_LEVEL:
            return False
        if title.length >= len(text) or (strong and len(text) <= _LONGEST):
            self._open, self._completed = text, False
            blocks.append(Heading(text=text, level=title.level, place=place))
        else:
            blocks.append(Heading(text=text[: title.length].strip(), level=title.level, place=place))
            blocks.append(Paragraph(text=text[title.length :].strip(), place=place))
        return True

    def _completes(self, text: str, follows: str, *, strong: bool) -> bool:
        if "\n" in text or len(follows) + len(text) > _LONGEST:
            return False
        title = title_of(text, follows=follows)
        if is_law_title(follows):
            return bool(title and title.completes) or (strong and title is None)
        # A second line of its title.
        return strong and self._completed and title is not None and title.completes
