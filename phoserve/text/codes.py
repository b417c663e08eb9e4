"""Canonical forms of numbers and codes, so that every usual spelling of one finds every other.

Phone and account numbers, amounts, dates, times, measures, numbers of legal documents, GUIDs, error codes, file names,
URLs and their parts, C++ and the like. Forms without a colon are written as a syllable would be, so `4.560.000` also
finds a plain `4560000`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, get_args

from phoserve.text.amounts import AMOUNT_READERS, MONEY, SCALE, UNIT, unit_of
from phoserve.text.code_runs import RUN_READERS, codes_of_run, compact
from phoserve.text.dates import DATE_READERS, ENGLISH_MONTHS
from phoserve.text.folding import fold_signs
from phoserve.text.legal_numbers import ABBREVIATED, KIND_NAMES, LEGAL_READERS, STANDARDS
from phoserve.text.number_words import numbers_in_words
from phoserve.text.ordinals import NOUN, ORDINAL_READERS, ORDINAL_WORD
from phoserve.text.readers import ORDINAL_WORDS, Forms, Kind, Place, Reader
from phoserve.text.tones import modern_tones


class Code(NamedTuple):
    """A number or code at `start` to `end` of a text."""

    start: int
    end: int
    forms: Forms
    """Canonical forms: the most specific first, then those of which it is one (31/05/2026 is a day of 05/2026)."""
    kind: Kind = "code"
    """"words" are only joined by marks ("Anh-Việt"), "number" is counted or measured ("5 kg", "khóa XV"): their words
    count too. "article" is a part of a law that a query names."""


class _AfterDigits(dict[str, Sequence[Reader]]):
    """The readers of numbers whose first digits a character can follow, found once for each character."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        super().__init__()
        self.every = readers

    def __missing__(self, character: str) -> Sequence[Reader]:
        kind = " " if character.isspace() else "a" if character.isalpha() else character
        return self.setdefault(
            character, [each for each in self.every if not each.after or (kind and kind in each.after)]
        )


class _Readers(NamedTuple):
    numbers: _AfterDigits
    others: Mapping[Place, Sequence[Reader]]

    @classmethod
    def of(cls, readers: Sequence[Reader]) -> "_Readers":
        by_place = {place: [reader for reader in readers if reader.at == place] for place in get_args(Place)}
        return cls(_AfterDigits(by_place["number"]), by_place)


_READERS: Final = (*LEGAL_READERS, *DATE_READERS, *AMOUNT_READERS, *RUN_READERS, *ORDINAL_READERS)
_QUERY_READERS: Final = _Readers.of(_READERS)
_PASSAGE_READERS: Final = _Readers.of([reader for reader in _READERS if not reader.query_only])

_SPACED: Final = re.compile(r"(?<![\w.-])(?P<letters>[A-ZĐ]{1,5}) (?P<number>\d{2,8})(?![\w/]|[ .,:-]\d)")
_MAY_BE_SPACED: Final = re.compile(r"[A-ZĐ] \d\d")
_DIGITS: Final = re.compile(r"\d+")
_LONGEST_ATTACHED: Final = 7
_DAY_OF_DIGITS: Final = 8
"""How many digits 31052026 has."""
_YEAR_OF_DIGITS: Final = 4
_LONGEST_DATE: Final = 32
_LEAST_AMOUNT: Final = 1000
_UNIT_AFTER: Final = re.compile(rf"\s?(?:(?P<percent>%|phan tram\b)|(?P<unit>{UNIT})(?![\w-]))")
_COUNTED: Final = re.compile(r"\)? ([^\W\d_]+)")
# These begin with what is searched for, which the engine finds fast; what is before it is looked at afterwards.
_UPPER_ROMAN: Final = re.compile(r"[IVX](?<![^\W_].)[IVX]{0,5}(?![^\W_])")
_LOWER_ROMAN: Final = re.compile(r"[ivx](?<![^\W_].)[ivx]{0,5}(?![^\W_])")
_MONTHS: Final = "|".join(ENGLISH_MONTHS)
_MONTH_NAME: Final = re.compile(rf"\b(?:{_MONTHS})")
_SPELLED_OTHERWISE: Final = re.compile(
    rf"\d{{8}}|00\d|\d++(?:[ .,/()+\-:*~_]{{1,3}}\d|[/-]?[a-z]"
    rf"|\s?(?:[%°$€₫℃]|(?:{UNIT}|{SCALE}|h|gio|x|th|{MONEY})(?![a-z])"
    rf"|phan tram|percent|thang\s|nam\s\d|den\s|toi\s|,?\s?(?:{_MONTHS})))"
)
"""A number that may have another spelling: most numbers are just digits."""
_NAMES: Final = frozenset(
    {
        *NOUN.split("|"),
        *ABBREVIATED.split("|"),
        *STANDARDS,
        *KIND_NAMES,
        *["quy", "ngay", "mung", "mong", "hom", "thang", "version", "ver", "v"],
        "phien ban",
        "may le",
        "may nhanh",
        "may phu",
        "so le",
        "noi bo",
        "ext",
        "extension",
        "no",
        "n°",
        "№",
    }
)
"""Words before numbers that are read together with them."""
_FILLERS: Final = frozenset({"thu", "so"})
_LAST_WORDS: Final = frozenset(name.split()[-1] for name in _NAMES) | _FILLERS
_LONGEST_NOUN: Final = 28
_OPENING: Final = "([{<\"'“”‘«*-/,;"
_JOINING: Final = frozenset("_/.,-")
Span = tuple[int, int]


def codes_in(text: str, *, query: bool = False) -> list[Code]:
    """Return the numbers and codes of `text` that have another usual spelling, by position; some overlap.

    With `query` also readings that are too uncertain to index, such as "e 4013" for E-4013. Positions are those of
    `text` if it is in normal form C.
    """
    lowered = fold_signs(text)
    found = _runs(lowered)
    digits = [match.span() for match in _DIGITS.finditer(lowered)]
    romans = [match.start() for match in (_LOWER_ROMAN if query else _UPPER_ROMAN).finditer(lowered if query else text)]
    romans += [match.start("number") for match in ORDINAL_WORD.finditer(lowered)]
    readers = _QUERY_READERS if query else _PASSAGE_READERS
    numbers = _numbers(lowered, digits, romans, readers, only_likely=not query)
    numbers += _read_anywhere(readers.others["anywhere"], lowered)
    numbers += _numbers_in_words(text, lowered)
    found = _without_parts(found + numbers) if query else found + _without_parts(numbers)
    if digits:
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
    lowered: str, digits: Sequence[Span], romans: Sequence[int], readers: _Readers, *, only_likely: bool
) -> list[Code]:
    """Return the numbers of a text whose runs of digits and Roman numbers are at `digits` and `romans`."""
    starts, joined = _starts(lowered, digits)
    places = (*[start for start, _ in starts], *romans, *joined)
    nouns = {noun for place in places if (noun := _noun_before(lowered, place)) is not None}
    nouns.update(_words_joined_to_numbers(lowered, joined))
    if only_likely:
        starts = [span for span in starts if _SPELLED_OTHERWISE.match(lowered, span[0])]
    found = _read_numbers(starts, readers.numbers, lowered)
    found += _read_at(sorted(nouns), readers.others["noun"], lowered)
    days = [start for start, end in digits if end - start == _DAY_OF_DIGITS]
    found += _read_at(days, readers.others["eight digits"], lowered)
    if any(end - start == _YEAR_OF_DIGITS and _follows_month(lowered, start) for start, end in digits):
        found += _read_anywhere(readers.others["dated in words"], lowered)
    return found


def _numbers_in_words(text: str, lowered: str) -> Iterator[Code]:
    """Yield numbers in words as they would be found if they were written in digits, with the word after them."""
    for start, end, value in numbers_in_words(text, lowered):
        if unit := _UNIT_AFTER.match(lowered, end):
            percent_or_unit = "%" if unit["percent"] else unit_of(unit["unit"])
            yield Code(start, unit.end(), (f"{value}{percent_or_unit}",))
        elif value < _LEAST_AMOUNT and (counted := _COUNTED.match(text, end)):
            yield Code(start, end, (str(value), f"{value}_{modern_tones(counted[1].lower())}"))
        else:
            yield Code(start, end, (str(value),))


def _starts(lowered: str, digits: Sequence[Span]) -> tuple[list[Span], list[int]]:
    """Return digits that nothing joins to what is before them, and where those begin that letters are joined to."""
    starts, joined = [], []
    for start, end in digits:
        before = lowered[start - 1 : start]
        if "a" <= before <= "z" or (before in {".", "-"} and "a" <= lowered[start - 2 : start - 1] <= "z"):
            joined.append(start)
        elif not (before.isalnum() or before in _JOINING):
            starts.append((start, end))
    return starts, joined


def _follows_month(lowered: str, place: int) -> bool:
    """Whether the year at `place` may be that of "5th of May 2026", "May 5, 2026" or "tháng năm năm 2026"."""
    words = lowered[max(0, place - _LONGEST_DATE) : place].rsplit(None, 2)[-2:]
    return bool(words) and (
        words[-1][:3] in ENGLISH_MONTHS
        or (words[-1][0].isdigit() and _MONTH_NAME.search(words[0]) is not None)
        or (words[-1] == "nam" and words[0] in ORDINAL_WORDS)
    )


def _read_anywhere(readers: Sequence[Reader], lowered: str) -> Iterator[Code]:
    for reader in readers:
        if not reader.signs or _has_one_of(reader.signs, lowered):
            for match in reader.pattern.finditer(lowered):
                yield from _codes(reader, match)


def _has_one_of(signs: Sequence[str], lowered: str) -> bool:
    for sign in signs:  # noqa: SIM110 - a third faster than `any`, and this is most of the work on a passage
        if sign in lowered:
            return True
    return False


def _noun_before(lowered: str, place: int) -> int | None:
    """Return where the noun begins that the number at `place` counts: of "khóa" in "khóa thứ 15"."""
    before = lowered[max(0, place - _LONGEST_NOUN) : place]
    words = before.rstrip(" .:-").rsplit(None, 5)[-5:]
    if not words or words[-1] not in _LAST_WORDS or len(before) == len(words[-1]):
        return None
    name = None
    if words[-1] in _FILLERS:
        name = _name_at_end(words[:-1])
        if words[-1] == "thu" and name in KIND_NAMES:  # the second decree is not decree 2
            name = None
    name = name or _name_at_end(words)
    return None if name is None else lowered.rfind(name, 0, place)


def _name_at_end(words: Sequence[str]) -> str | None:
    for length in (4, 2, 1):
        name = " ".join(words[-length:])
        bare = name.lstrip(_OPENING)
        if name in _NAMES or bare in KIND_NAMES:
            return bare
    return None


def _words_joined_to_numbers(lowered: str, places: Sequence[int]) -> Iterator[int]:
    """Where the letters begin that are joined to a number: of "q" in "q.1", "tcvn" in "TCVN-5574"."""
    for place in places:
        last = place - 1 if lowered[place - 1].isalpha() else place - 2
        start = last
        while start and last - start < _LONGEST_ATTACHED and lowered[start - 1].isalpha():
            start -= 1
        if not start or not (lowered[start - 1].isalnum() or lowered[start - 1] in "/.,-_"):
            yield start


def _read_numbers(starts: Sequence[Span], readers: _AfterDigits, lowered: str) -> list[Code]:
    """Return what `reader.pattern.finditer` finds of each reader, where matches begin with the digits at `starts`."""
    found: list[Code] = []
    ends: dict[int, int] = {}
    for start, end in starts:
        for reader in readers[lowered[end : end + 1]]:
            if (match := reader.pattern.match(lowered, start)) and start >= ends.get(id(reader), 0):
                found += _codes(reader, match)
                ends[id(reader)] = match.end()
    return found


def _read_at(places: Sequence[int], readers: Sequence[Reader], lowered: str) -> list[Code]:
    """Return what `reader.pattern.finditer` finds of each reader, where a match can only begin at one of `places`."""
    found: list[Code] = []
    if not places:
        return found
    for reader in readers:
        match_at, end = reader.pattern.match, 0
        for place in places:
            if place >= end and (match := match_at(lowered, place)):
                found += _codes(reader, match)
                end = match.end()
    return found


def _codes(reader: Reader, match: re.Match[str]) -> Sequence[Code]:
    if forms := reader.read(match):
        return (Code(*match.span("code" if "code" in reader.pattern.groupindex else 0), forms, reader.kind),)
    return ()


def _runs(lowered: str) -> list[Code]:
    found: list[Code] = []
    at = 0
    for block in [each for each in lowered.split() if not each.isalpha()]:
        if codes := codes_of_run(block):
            at = lowered.index(block, at)
            found += [Code(at + start, at + end, forms, kind) for start, end, forms, kind in codes]
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
