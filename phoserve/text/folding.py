"""Letters without diacritics: how Vietnamese is typed in a hurry (`nghi phep`, `duong`)."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray


def _plain_letters() -> dict[int, str]:
    table = {ord("đ"): "d", ord("Đ"): "D"}
    for code in (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(code))[0]
        if base.isascii() and base.isalpha():
            table[code] = base
    # Marks of a text that is not in normal form C.
    return table | dict.fromkeys(range(0x0300, 0x0370), "")


_PLAIN: Final = _plain_letters()
# One character each, so that positions stay.
_SAME_SIGNS: Final = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f"), " "),
    **dict.fromkeys(map(ord, "’′ʹ＇"), "'"),
    **{
        ord("×"): "x",
        ord("²"): "2",
        ord("³"): "3",
        ord("∼"): "~",
        ord("～"): "~",
        ord("º"): "°",
        ord("˚"): "°",
        ord("％"): "%",
    },
    **{ord("０") + digit: str(digit) for digit in range(10)},
}
_ODD_SIGN: Final = re.compile(f"[{''.join(map(chr, _SAME_SIGNS))}]")
_TABLE_CODES: Final = 0x3000
_NOT_IN_TABLE: Final = 0xFFFF
_WORTH_A_TABLE: Final = 100
_LONGEST: Final = 8
_SYLLABLE: Final = re.compile(
    r"(?:ngh|ng|nh|gh|gi|ch|kh|ph|th|tr|qu|[bcdghklmnprstvx])?"
    r"(?:[aeiouy]|a[iouy]|e[ou]|i[aeu]|o[aei]|oa[iyo]|oe[o]|oo|u[aeioy]|ia|ie|ieu|ye|yeu|uo|uoi|uou|uye|uya|uyu|uay|uao)"
    r"(?:ch|ng|nh|[cmnpt])?"
)


_DIACRITICS: Final = re.compile(f"[{''.join(map(chr, _PLAIN))}]")


def has_diacritics(text: str) -> bool:
    """Return whether `fold` changes `text`."""
    return _DIACRITICS.search(text) is not None


def fold(text: str) -> str:
    """Return `text` without diacritics: "Đường" becomes "Duong". Case and all other characters are kept.

    The length changes only where `text` has combining marks (it is not in normal form C).
    """
    return text if text.isascii() else text.translate(_PLAIN)


def fold_lower(text: str) -> str:
    """Return `fold(text.lower())`; of a long text by a table of characters, in a third of the time."""
    return _by_table(text, _lower_table) or fold(text.lower())


def fold_signs(text: str) -> str:
    """Return `fold_lower(text)` with one sign for all that are written for it: "-" for dashes, " " for hard blanks."""
    if folded := _by_table(text, _sign_table):
        return folded
    folded = fold(text.lower())
    return folded.translate(_SAME_SIGNS) if _ODD_SIGN.search(folded) else folded


def _by_table(text: str, table: Callable[[], NDArray[np.uint16]]) -> str:
    """Return the characters of `text` by a table; "" if not all are in it, or it is not worth it."""
    if len(text) < _WORTH_A_TABLE or text.isascii():
        return ""
    codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    if codes.max() >= _TABLE_CODES:
        return ""
    folded = table()[codes]
    return folded.tobytes().decode("utf-16-le") if folded.max() != _NOT_IN_TABLE else ""


@cache
def _lower_table() -> NDArray[np.uint16]:
    """Return what each character becomes, `_NOT_IN_TABLE` where that is not one character or depends on the others."""
    table = np.full(_TABLE_CODES, _NOT_IN_TABLE, np.uint16)
    for code in range(_TABLE_CODES):
        folded = fold(chr(code).lower())
        if len(folded) == 1 and chr(code) != "Σ":
            table[code] = ord(folded)
    return table


@cache
def _sign_table() -> NDArray[np.uint16]:
    table = _lower_table().copy()
    for sign, written in _SAME_SIGNS.items():
        table[table == sign] = ord(written)
    return table


@lru_cache(maxsize=1 << 14)
def is_plain_syllable(word: str) -> bool:
    """Return whether `word` has the shape of a Vietnamese syllable, with or without diacritics, whatever its case."""
    return len(word) <= _LONGEST and _SYLLABLE.fullmatch(fold(word.lower())) is not None


def plain_letters() -> tuple[str, str]:
    """Return the small letters that `fold` changes and, at the same positions, what it changes them to."""
    small = [(chr(code), letter) for code, letter in _PLAIN.items() if letter and chr(code).islower()]
    return "".join(letter for letter, _ in small), "".join(letter for _, letter in small)
