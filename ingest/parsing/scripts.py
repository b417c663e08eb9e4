"""Superscripts in plain text."""

import re
from typing import Final

_LAST_WORD: Final = re.compile(r"(?<![^\W\d_])[^\W\d_]+$")
_NUMBER_END: Final = re.compile(r"\d[.,]$")
"""What makes another number with a digit after it: the mark of a note after "18."."""
_UNITS: Final = frozenset({"m", "cm", "dm", "km", "mm", "hm"})


def raise_text(text: str, before: str) -> str:
    """Return superscript `text` so that it does not become one word or number with what is `before` it.

    10³ is "10^3", m² stays "m2", and the mark of a note is a word of its own.
    """
    if text[:1].isdigit() and _NUMBER_END.search(before):
        return f" {text}"
    if not text[:1].isalnum() or not before[-1:].isalnum():
        return text
    if before[-1].isdigit():
        return f"^{text}"
    word = _LAST_WORD.search(before)
    is_unit = text in ("2", "3") and word is not None and word[0].lower() in _UNITS
    return text if is_unit or not text.isdigit() else f" {text}"
