"""What reads one kind of number: a pattern, its canonical forms, and where a match can begin."""

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

Forms = tuple[str, ...]
Kind = Literal["code", "number", "words", "article"]
Place = Literal["number", "noun", "eight digits", "dated in words", "anywhere"]
"""Where a match can begin: at a digit that nothing joins to what is before it, at a noun or letters before a number, at
eight digits; "dated in words": anywhere in a text that has a year after the name of a month."""

EXACTLY: Final = "="
"""Begins the forms of what is no part of more: 10:00, but not of 10:00 to 12:00; a month, but not of its days."""
END: Final = r"(?![\w/]|[.,-]\d)"
"""Of a number that nothing continues."""
START: Final = r"(?<![\w/.,-])"
ORDINAL_WORDS: Final = {
    "nhat": 1, "mot": 1, "hai": 2, "ba": 3, "tu": 4, "bon": 4, "nam": 5, "sau": 6, "bay": 7, "tam": 8,
    "chin": 9, "muoi": 10,
}  # fmt: skip
"""Of months, quarters and parts, without diacritics."""
YEAR: Final = r"(?:19|20)\d\d"
NUMBER: Final = r"(?:\d{1,3}(?:(?P<by>[.,])\d{3})(?:(?P=by)\d{3})*(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?)"
"""A number with at most one `by` in a pattern; `plain_number` reads it."""

_ROMAN: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


class Reader(NamedTuple):
    """Reads one kind of number in text in lower case without diacritics."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Forms]
    """The canonical forms of a match, none if it is something else."""
    at: Place = "number"
    signs: tuple[str, ...] = ()
    """Of which every match has one, for patterns that are searched anywhere: looking for them is cheaper."""
    kind: Kind = "code"
    query_only: bool = False
    """Whether the reading is too uncertain to index."""
    after: str = ""
    """What can follow the first digits of a number, to try only the patterns that can match: characters, " " for any
    white space, "a" for any letter; "" for anything."""


def plain_number(written: str) -> str:
    """Return a number without its marks and final zeros of decimals: "1.250,50" is "1250.5", "8,0" is "8"."""
    grouped = re.fullmatch(r"(\d{1,3}(?:([.,])\d{3})(?:\2\d{3})*)(?:[.,](\d{1,2}))?", written)
    if grouped and not written.startswith("0"):
        whole, part = re.sub(r"\D", "", grouped[1]), grouped[3] or ""
    else:
        whole, _, part = written.replace(",", ".").partition(".")
    part = part.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{part}" if part else whole


def arabic(roman: str) -> int:
    """Return the value of a Roman number in lower case."""
    values = [_ROMAN[letter] for letter in roman]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))
