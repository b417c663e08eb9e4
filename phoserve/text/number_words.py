"""Numbers in Vietnamese words: "hai mươi lăm triệu đồng" is 25000000, "năm trăm nghìn" is 500000, "mười hai" is 12.

Only numbers of several words are read, and "mười" alone is not: single words ("năm", "ba", "không") mean too much else.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from phoserve.text.folding import fold

_ONES: Final = {
    "không": 0, "một": 1, "mốt": 1, "hai": 2, "ba": 3, "bốn": 4, "tư": 4, "năm": 5, "lăm": 5, "nhăm": 5,
    "sáu": 6, "bảy": 7, "bẩy": 7, "tám": 8, "chín": 9,
}  # fmt: skip
_SCALES: Final = {
    "nghìn": 10**3, "ngàn": 10**3, "triệu": 10**6, "tỷ": 10**9, "tỉ": 10**9,
}  # fmt: skip
_TENS: Final = ("mười", "mươi")
_HUNDRED: Final = "trăm"
_AND: Final = ("lẻ", "linh")
_HALF: Final = "rưỡi"
_FIVE: Final = "năm"
"""Also a year: it is 5 at the beginning of a number, after a hundred or a scale only."""
_TEN, _HUNDREDS, _BIG = 10, 100, 10**6
_WINDOW: Final = 8
_LONGEST_WORD: Final = 6
_WORD_BEFORE: Final = re.compile(r"[^\W\d_]{1,6}\Z")
_WORDS: Final = frozenset((*_ONES, *_SCALES, *_TENS, _HUNDRED, *_AND, _HALF))
_PLAIN: Final = {fold(word): word for word in reversed((*_ONES, *_SCALES, *_TENS, _HUNDRED, *_AND, _HALF))} | {
    "muoi": "mươi", "nam": "năm", "ti": "tỉ", "tu": "tư", "mot": "một", "bay": "bảy", "le": "lẻ",
}  # fmt: skip
_UNIT_SIGNS: Final = (" muoi", "muoi ", " tram", " trieu", " nghin", " ngan", " ty", " ti")
"""A number of several words has one of these."""
_MAY_BEGIN: Final = frozenset(fold(word) for word in (*_ONES, "mười"))
_RUN: Final = re.compile(
    rf"(?<![^\W_])(?:{'|'.join(sorted(_PLAIN, key=len, reverse=True))})"
    rf"(?: (?:{'|'.join(sorted(_PLAIN, key=len, reverse=True))})(?![^\W_]))+"
)
_YEAR_FOLLOWS: Final = re.compile(r"\s*\d")
_MONEY_FOLLOWS: Final = re.compile(r"\s*(?:dong|vnd|d)(?![^\W_])")


class NumberInWords(NamedTuple):
    """A number that the words at `start` to `end` of a text mean."""

    start: int
    end: int
    value: int


def numbers_in_words(text: str, lowered: str) -> Iterator[NumberInWords]:
    """Yield the numbers in words of a text; `lowered` is the same in lower case without diacritics."""
    if not _may_have_numbers(lowered):
        return
    for run in _RUN.finditer(lowered):
        words = list(_words(run, text))
        at = 0
        while at < len(words):
            length, value = _read([word for _, _, word in words[at:]], lowered[run.end() : run.end() + _WINDOW])
            if length > 1:
                yield NumberInWords(words[at][0], words[at + length - 1][1], value)
            at += max(length, 1)


def _may_have_numbers(lowered: str) -> bool:
    for sign in _UNIT_SIGNS:
        at = lowered.find(sign)
        while at >= 0:
            if sign == "muoi ":
                return True
            before = _WORD_BEFORE.search(lowered, max(0, at - _LONGEST_WORD), at)
            if before and before[0] in _MAY_BEGIN:
                return True
            at = lowered.find(sign, at + 1)
    return False


def _words(run: re.Match[str], text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and meaning of each word of a run; "" for one that its diacritics make another word."""
    start = run.start()
    has_diacritics = text[run.start() : run.end()].lower() != run[0]
    for plain in run[0].split(" "):
        end = start + len(plain)
        written = text[start:end].lower() if has_diacritics else _PLAIN[plain]
        known = written if written in _WORDS else ""
        yield start, end, known
        start = end + 1


def _read(words: Sequence[str], following: str) -> tuple[int, int]:
    """Return how many words make a number, and the number; (0, 0) if the first begins none."""
    at = end = total = last_scale = 0
    while True:
        length, part = _below_thousand(words[at:])
        if not length:
            break
        after = words[at + length] if at + length < len(words) else ""
        scale = _SCALES.get(after, 1)
        if last_scale and scale >= last_scale:
            break
        if scale == 1:
            rest = _part_of_scale(words[at : at + length], part, last_scale, following if not after else "")
            return (end, total) if rest is None else (at + length, total + rest)
        total, last_scale = total + part * scale, scale
        at = end = at + length + 1
        if at < len(words) and words[at] == _HALF:
            return at + 1, total + scale // 2
    return end, total


def _part_of_scale(words: Sequence[str], part: int, last_scale: int, following: str) -> int | None:
    """Return what is added to a number by its last words, None if they are no part of it."""
    if last_scale and list(words) == [_FIVE] and _YEAR_FOLLOWS.match(following):
        return None
    if last_scale < _BIG:
        # "nghìn năm" are a thousand years.
        return None if last_scale and part < _TEN else part
    if part < _TEN:  # "hai triệu ba" is 2,300,000
        return part * last_scale // 10
    if part % _HUNDREDS == 0 and not _MONEY_FOLLOWS.match(following):  # so is "hai triệu ba trăm"
        return part * last_scale // 1000
    return part


def _below_thousand(words: Sequence[str]) -> tuple[int, int]:
    """Return how many words make a number below a thousand, and the number."""
    if len(words) > 1 and words[0] in _ONES and words[1] == _HUNDRED:
        hundreds = _ONES[words[0]] * 100
        rest = words[2:]
        if rest and rest[0] == _HALF:
            return 3, hundreds + 50
        if len(rest) > 1 and rest[0] in _AND and rest[1] in _ONES:
            return 4, hundreds + _ONES[rest[1]]
        length, value = _below_hundred(rest)
        return (2 + length, hundreds + value) if length > 1 or value == _TEN else (2, hundreds)
    return _below_hundred(words)


def _below_hundred(words: Sequence[str]) -> tuple[int, int]:
    if not words:
        return 0, 0
    if words[0] in _TENS:
        tens, length = 1, 1
    elif words[0] in _ONES and len(words) > 1 and words[1] in _TENS:
        tens, length = _ONES[words[0]], 2
    elif words[0] in _ONES:
        return 1, _ONES[words[0]]
    else:
        return 0, 0
    if length < len(words) and words[length] != _FIVE and _ONES.get(words[length]):
        return length + 1, tens * 10 + _ONES[words[length]]
    return length, tens * 10
