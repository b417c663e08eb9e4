"""Headers and footers of printed sheets."""

import re
from typing import Final

_SECTION: Final = re.compile(r"&[LCR]")
_CODE: Final = re.compile(r'&(?:"[^"]*"|\d+|K[0-9A-Fa-f+-]{1,7}|[A-Za-z])')
_PAGE_WORDS: Final = frozenset({"trang", "tr", "page", "of", "trên"})
_WORD: Final = re.compile(r"[^\W_]+")
_AMPERSAND: Final = "\0"
_LONGEST: Final = 1000


def printed_lines(code: str) -> list[str]:
    """Return the texts of a header or footer (ECMA-376 part 1, 18.3.1.46): left, centre and right.

    Page numbers, dates and the names of the file and the sheet are left out, and the words around page numbers.
    """
    lines = []
    for section in _SECTION.split(code[:_LONGEST].replace("&&", _AMPERSAND)):
        text = " ".join(_CODE.sub(" ", section).replace(_AMPERSAND, "&").split())
        if {word.lower() for word in _WORD.findall(text)} - _PAGE_WORDS:
            lines.append(text)
    return lines
