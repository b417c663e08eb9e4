"""Canonical forms of numbers and codes, so that every usual spelling of one finds every other.

Phone and account numbers, amounts, dates, times, measures, numbers of legal documents, GUIDs, error codes, file names,
URLs and their parts, C++ and the like. Forms without a colon are written as a syllable would be, so `4.560.000` also
finds a plain `4560000`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from phoserve.text.amounts import AMOUNT_READERS, MONEY, SCALE, UNIT
from phoserve.text.code_runs import RUN_READERS, codes_of_run, compact
from phoserve.text.dates import DATE_READERS
from phoserve.text.folding import fold_lower
from phoserve.text.legal_numbers import ABBREVIATED, LEGAL_READERS, STANDARDS
from phoserve.text.ordinals import NOUN, ORDINAL_READERS
from phoserve.text.readers import Forms, Kind, Place, Reader


@dataclass(frozen=True, slots=True)
class Code:
    """A number or code at `start` to `end` of a text."""

    start: int
    end: int
    forms: Forms
    """Canonical forms: the most specific first, then those of which it is one (31/05/2026 is a day of 05/2026)."""
    kind: Kind = "code"
    """"words" are only joined by marks ("Anh-Việt"), "number" is counted or measured ("5 kg", "khóa XV"): their words
    count too. "article" is a part of a law that a query names."""


def _by_place(readers: Sequence[Reader]) -> Mapping[Place, Sequence[Reader]]:
    return {place: [reader for reader in readers if reader.at == place] for place in get_args(Place)}


_READERS: Final = (*LEGAL_READERS, *DATE_READERS, *AMOUNT_READERS, *RUN_READERS, *ORDINAL_READERS)
_QUERY_READERS: Final = _by_place(_READERS)
_PASSAGE_READERS: Final = _by_place([reader for reader in _READERS if not reader.query_only])

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

_SPACED: Final = re.compile(r"(?<![\w.-])(?P<letters>[A-ZĐ]{1,5}) (?P<number>\d{2,8})(?![\w/]|[ .,:-]\d)")
_MAY_BE_SPACED: Final = re.compile(r"[A-ZĐ] \d\d")
_NUMBER_START: Final = re.compile(r"(?<![\w/.,-])\d")
_HAS_DIGIT: Final = re.compile(r"\d")
_ATTACHED: Final = re.compile(r"[a-z](?=[.-]?\d)")
_LONGEST_ATTACHED: Final = 7
# Beginning with the letters, for which the engine searches fast.
_UPPER_ROMAN: Final = re.compile(r"[IVX](?<![^\W_].)[IVX]{0,5}(?![^\W_])")
_LOWER_ROMAN: Final = re.compile(r"[ivx](?<![^\W_].)[ivx]{0,5}(?![^\W_])")
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_SPELLED_OTHERWISE: Final = re.compile(
    rf"\d{{8}}|\d++(?:[ .,/()+\-:*~_]{{1,3}}\d|[/-]?[a-z]|\s?(?:[%°$€₫℃]|(?:{UNIT}|{SCALE}|h|gio|x|th|{MONEY})(?![a-z])"
    rf"|phan tram|percent|thang\s|nam\s\d|den\s|toi\s|,?\s?(?:{_MONTHS})))"
)
"""A number that may have another spelling: most numbers are just digits."""
_NAMES: Final = frozenset(
    {
        *NOUN.split("|"),
        *ABBREVIATED.split("|"),
        *STANDARDS,
        *["quy", "ngay", "mung", "mong", "hom", "thang", "version", "ver", "v"],
        "phien ban",
    }
)
"""Words before numbers that are read together with them."""
_FILLERS: Final = frozenset({"thu", "so"})
_LONGEST_NOUN: Final = 28


def codes_in(text: str, *, query: bool = False) -> list[Code]:
    """Return the numbers and codes of `text` that have another usual spelling, by position; some overlap.

    With `query` also readings that are too uncertain to index, such as "e 4013" for E-4013. Positions are those of
    `text` if it is in normal form C.
    """
    lowered = fold_lower(text)
    if _ODD_SIGN.search(lowered):
        lowered = lowered.translate(_SAME_SIGNS)
    found = _runs(lowered)
    has_digit = _HAS_DIGIT.search(lowered) is not None
    romans = [match.start() for match in (_LOWER_ROMAN if query else _UPPER_ROMAN).finditer(lowered if query else text)]
    readers = _QUERY_READERS if query else _PASSAGE_READERS
    numbers = _numbers(lowered, romans, readers, only_likely=not query) if has_digit or romans else []
    numbers += _read_anywhere(readers["anywhere"], lowered)
    found = _without_parts(found + numbers) if query else found + _without_parts(numbers)
    if has_digit:
        found += _spaced(text.upper() if query else text, found)
    found.sort(key=lambda code: (code.start, -code.end))
    return found


def _spaced(text: str, found: Sequence[Code]) -> list[Code]:
    """Return capitals before a number, as of E 4013, that are no part of another code."""
    if not _MAY_BE_SPACED.search(text):
        return []
    spans = [match.span() for match in _SPACED.finditer(text)]
    return [
        Code(start, end, (compact(text[start:end]),))
        for start, end in spans
        if not any(code.start <= start and end <= code.end for code in found)
    ]


def _numbers(
    lowered: str, romans: Sequence[int], readers: Mapping[Place, Sequence[Reader]], *, only_likely: bool
) -> list[Code]:
    starts = [match.start() for match in _NUMBER_START.finditer(lowered)]
    nouns = {noun for place in (*starts, *romans) if (noun := _noun_before(lowered, place)) is not None}
    nouns.update(_words_joined_to_numbers(lowered))
    if only_likely:
        starts = [place for place in starts if _SPELLED_OTHERWISE.match(lowered, place)]
    found = _read_at(starts, readers["number"], lowered)
    found += _read_at(sorted(nouns), readers["noun"], lowered)
    return found


def _read_anywhere(readers: Sequence[Reader], lowered: str) -> Iterator[Code]:
    for reader in readers:
        if not reader.signs or any(sign in lowered for sign in reader.signs):
            yield from _codes(reader, reader.pattern.finditer(lowered))


def _noun_before(lowered: str, place: int) -> int | None:
    """Return where the noun begins that the number at `place` counts: of "khóa" in "khóa thứ 15"."""
    before = lowered[max(0, place - _LONGEST_NOUN) : place]
    words = before.rstrip(" .:-").split()[-3:]
    if not words or len(before) == len(words[-1]):
        return None
    if words[-1] in _FILLERS and len(words) > 1 and (words[-2] in _NAMES or " ".join(words[-3:-1]) in _NAMES):
        words.pop()
    for name in (" ".join(words[-2:]), words[-1]):
        if name in _NAMES:
            return lowered.rfind(name, 0, place)
    return None


def _words_joined_to_numbers(lowered: str) -> Iterator[int]:
    """Where the letters begin that are joined to a number: of "q" in "q.1", "tcvn" in "TCVN-5574"."""
    for match in _ATTACHED.finditer(lowered):
        start = match.start()
        while start and match.start() - start < _LONGEST_ATTACHED and lowered[start - 1].isalpha():
            start -= 1
        if not start or not (lowered[start - 1].isalnum() or lowered[start - 1] in "/.,-_"):
            yield start


def _read_at(places: Sequence[int], readers: Sequence[Reader], lowered: str) -> list[Code]:
    found: list[Code] = []
    for reader in readers:
        found += _codes(reader, _matches_at(places, reader.pattern, lowered))
    return found


def _codes(reader: Reader, matches: Iterable[re.Match[str]]) -> Iterator[Code]:
    span = "code" if "code" in reader.pattern.groupindex else 0
    for match in matches:
        if forms := reader.read(match):
            yield Code(*match.span(span), forms, reader.kind)


def _matches_at(places: Sequence[int], pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield what `pattern.finditer` finds, where a match can only begin at one of `places`."""
    at = 0
    for place in places:
        if place >= at and (match := pattern.match(text, place)):
            yield match
            at = match.end()


def _runs(lowered: str) -> list[Code]:
    blocks = lowered.split()
    codes = list(map(codes_of_run, blocks))
    found: list[Code] = []
    if not any(codes):
        return found
    at = 0
    for block, each in zip(blocks, codes, strict=True):
        if each:
            at = lowered.index(block, at)
            found += [Code(at + start, at + end, forms, kind) for start, end, forms, kind in each]
            at += len(block)
    return found


def _without_parts(found: list[Code]) -> list[Code]:
    """Without what is only a part of a longer number or date: "345 678" of a phone number is no amount."""
    found.sort(key=lambda code: (code.start, -code.end))
    kept: list[Code] = []
    whole: Code | None = None
    """The longest code so far that nothing in it is read apart from."""
    for code in dict.fromkeys(found):
        if whole and code.end <= whole.end and (code.start, code.end) != (whole.start, whole.end):
            continue
        kept.append(code)
        if code.kind == "code" and (whole is None or code.end > whole.end):
            whole = code
    return kept
