"""Shouted text: words in capitals one after another, which a cased model reads as rare names."""

import re
from typing import Final

from phoserve.text.folding import is_plain_syllable

_LETTERS: Final = "".join(
    letter
    for letter in map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)))
    if letter.isupper() and len(letter.lower()) == 1
)
_RUN: Final = re.compile(rf"(?<![^\W_])[A-Z{_LETTERS}]+(?:[ \t\u00a0]+[A-Z{_LETTERS}]+)+(?![^\W_])")
_WORD: Final = re.compile(r"[^\W\d_]+")
_LEAST: Final = 2


def lower_shouting(text: str) -> str:
    """Return `text` with Vietnamese words in small letters where two or more in a row are in capitals.

    "PHÒNG CHÁY CHỮA CHÁY" becomes "phòng cháy chữa cháy". A word in capitals by itself stays, and so do acronyms
    ("BHXH"). The length does not change, so positions in the text do not either.
    """
    return _RUN.sub(_lowered, text)


def _lowered(run: re.Match[str]) -> str:
    if sum(is_plain_syllable(word) for word in _WORD.findall(run[0])) < _LEAST:
        return run[0]
    return _WORD.sub(lambda word: word[0].lower() if is_plain_syllable(word[0]) else word[0], run[0])
