"""Canonical forms of numbers and codes, so that every usual spelling of one finds every other.

Phone and account numbers, amounts, dates, percentages, numbers of legal documents, GUIDs, error codes, file names,
URLs and their parts, C++ and the like. Forms without a colon are written as a syllable would be, so `4.560.000` also
finds a plain `4560000`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from phoserve.text.folding import fold, fold_lower

Forms = tuple[str, ...]
Kind = Literal["code", "words", "article"]


@dataclass(frozen=True, slots=True)
class Code:
    """A number or code at `start` to `end` of a text."""

    start: int
    end: int
    forms: Forms
    """Canonical forms: the most specific first, then those of which it is one (31/05/2026 is a day of 05/2026)."""
    kind: Kind = "code"
    """"words" are only joined by marks ("Anh-Việt"); "article" is a part of a law that a query names."""


LONGEST_RUN: Final = 256
_LEAST_GROUPED_DIGITS: Final = 8
_MOST_GROUPED_DIGITS: Final = 24
_MONTHS: Final = 12
_DAYS: Final = 31

_KINDS: Final = {
    "nghi dinh": "nd",
    "thong tu lien tich": "ttlt",
    "thong tu": "tt",
    "quyet dinh": "qd",
    "nghi quyet": "nq",
    "chi thi": "ct",
    "cong van": "cv",
    "thong bao": "tb",
    "ke hoach": "kh",
    "bao cao": "bc",
    "to trinh": "ttr",
    "phap lenh": "pl",
    "hop dong": "hd",
    "huong dan": "hd",
    "luat": "qh",
}
_KIND: Final = "|".join(_KINDS)
_SCALES: Final = {
    "nghin": 1_000, "ngan": 1_000, "k": 1_000, "trieu": 1_000_000, "tr": 1_000_000,
    "ty": 1_000_000_000, "ti": 1_000_000_000,
}  # fmt: skip

# All of these read text in lower case without diacritics.
_LEGAL: Final = re.compile(
    rf"(?:\b(?P<kind>{_KIND})\s+)?(?:\bso\s*:?\s*)?(?<![\w/.,-])(?P<number>\d{{1,6}})(?:/(?P<year>\d{{4}}))?"
    r"/(?P<suffix>[a-z][a-z]*\d{0,2}(?:-[a-z][a-z0-9]*)*)(?![\w/])"
)
_NAMED: Final = re.compile(
    rf"\b(?P<kind>{_KIND})\s+(?:so\s*:?\s*)?(?P<number>\d{{1,6}})(?:\s*/\s*(?P<slash>\d{{4}})|\s+nam\s+(?P<year>\d{{4}}))?"
    r"(?![\w/]|[.,-]\d)"
)
_DAY: Final = re.compile(
    r"(?<![\w/.,-])(?P<day>\d{1,2})(?P<mark>[/.-])(?P<month>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(?![\w/]|[.,-]\d)"
)
_ISO_DAY: Final = re.compile(r"(?<![\w/.,-])(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d|[/.,-]\d)")
_SPELLED_DAY: Final = re.compile(
    r"\b(?:(?:ngay|mung|mong|hom)\s+)?(?P<day>\d{1,2})\s*(?:thang\s+|/)(?P<month>\d{1,2})"
    r"(?:\s*(?:,\s*)?nam\s+(?P<year>\d{4})|\s*[/-]\s*(?P<slash>\d{4}))?(?![\w/]|[.,-]\d)"
)
_SHORT_DAY: Final = re.compile(r"\b(?:ngay|mung|mong|hom)\s+(?P<day>\d{1,2})[/-](?P<month>\d{1,2})(?![\w/-]|[.,]\d)")
_MONTH: Final = re.compile(
    r"\bthang\s+(?P<month>\d{1,2})(?:\s*/\s*|\s*-\s*|\s+nam\s+|\s*,\s*nam\s+)(?P<year>\d{4})(?![\w/]|[.,-]\d)"
    r"|(?<![\w/.,-])(?P<month2>0?[1-9]|1[0-2])/(?P<year2>(?:19|20)\d\d)(?![\w/]|[.,-]\d)"
)
_PERCENT: Final = re.compile(r"(?<![\w/.,-])(?P<number>\d+(?:[.,]\d+)?)\s*(?:%|phan tram\b)")
_SCALED: Final = re.compile(
    r"(?<![\w/.,-])(?P<number>\d{1,3}(?:[.,]\d{1,3})?)\s*(?P<scale>nghin|ngan|trieu|tr|ty|ti|k)\b"
    r"(?:\s+(?P<rest>\d{1,3})\s*(?P<lower>nghin|ngan|trieu|tr|k)\b)?"
)
_AMOUNT: Final = re.compile(
    r"(?<![\w/.,-])(?P<whole>\d{1,3}(?:(?P<mark>[., \u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*)(?:[.,](?P<part>\d{1,2}))?"
    r"(?=(?:d|vnd|dong|usd|\$|€)?(?![\w/]|[.,-]\d| \d{3}\b))"
)
_DECIMAL: Final = re.compile(r"(?<![\w/.,-])(?P<whole>\d+),(?P<part>\d{1,2})(?![\w/]|[.,-]\d)")
_GROUPED: Final = re.compile(
    r"(?<![\w/,.+-])(?:\(\s?\+?\d{1,4}\s?\)|\+?\d+)(?:[ .\u00a0-]{1,3}\(?\d+\)?)+(?![\w/]|[.,-]\d)"
    r"|(?<!\w)\+\d{8,15}(?!\w)"
)
_SPACED: Final = re.compile(r"(?<![\w.-])(?P<letters>[A-ZĐ]{1,5}) (?P<number>\d{2,8})(?![\w/]|[.,-]\d)")
_MAY_BE_SPACED: Final = re.compile(r"[A-ZĐ] \d\d")
_NUMBER_START: Final = re.compile(r"\d(?<![\w/.,-]\d)")
_GROUPED_START: Final = re.compile(r"[(+\d](?<![\w/,.+-].)|\+(?<!\w.)(?=\d{8})")
_LEGAL_PART: Final = re.compile(r"\d/[a-z]")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_HAS_DIGIT: Final = re.compile(r"\d")
_TELLING: Final = re.compile(
    r"\d+(?:[ .,/()+\-\u00a0\u202f]{1,3}\d|/[a-z]"
    r"|\s?(?:%|phan tram|thang\s|nam\s\d|nghin|ngan|trieu|tr\b|ty\b|ti\b|k\b)|\d{7})"
)
_WINDOW: Final = 32

_INNER: Final = re.compile(r"[^\W_][\-_/\\.@+#&=?:~%]+[^\W_]")
_PARENTHESES: Final = "()[]{}<>\"'“”‘’«»…,;!?*`|"
_LANGUAGE: Final = re.compile(r"(?<![\w.])(?:[a-z]\+\+|[a-z]#|[a-z]{0,4}\.(?:net|js))(?![\w+#])")
_TRAILING: Final = ".:-/\\"
_LEADING: Final = "-/\\:"
_LETTER: Final = re.compile(r"[^\W\d_]")
_CODE_SIGN: Final = re.compile(r"[\d@+#]|^\.")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}://")
_PART: Final = re.compile(r"[/\\?&=#:@]+")
_EXTENSION: Final = re.compile(r"\.[a-z][a-z0-9]{1,4}\Z")
_NOT_WORD: Final = re.compile(r"[\W_]+")


def codes_in(text: str, *, query: bool = False) -> list[Code]:
    """Return the numbers and codes of `text` that have another usual spelling, by position; some overlap.

    With `query` also readings that are too uncertain to index, such as "e 4013" for E-4013. Positions are those of
    `text` if it is in normal form C.
    """
    lowered = fold_lower(text)
    found = _runs(lowered)
    if _HAS_DIGIT.search(lowered):
        found += _numbers(lowered)
        spaced = text.upper() if query else text
        if _MAY_BE_SPACED.search(spaced):
            found += (Code(*match.span(), (_compact(match[0]),)) for match in _SPACED.finditer(spaced))
    found.sort(key=lambda code: (code.start, -code.end))
    return _without_parts(found)


def _numbers(lowered: str) -> Iterator[Code]:
    for start, end in _windows(lowered):
        yield from _numbers_between(lowered, start, end)
    if any(kind in lowered for kind in _KINDS):
        for match in _NAMED.finditer(lowered):
            if forms := _read_named(match):
                yield Code(*match.span(), forms)


def _numbers_between(lowered: str, start: int, end: int) -> Iterator[Code]:
    numbers = [match.start() for match in _NUMBER_START.finditer(lowered, start, end)]
    for _, pattern, read, begins, part in _readers_of(lowered[start:end]):
        if part is not None and part.search(lowered, start, end) is None:
            continue
        if begins is None:
            matches = pattern.finditer(lowered, start, end)
        elif begins is _NUMBER_START:
            matches = _matches_at(numbers, pattern, lowered, end)
        else:
            places = [match.start() for match in begins.finditer(lowered, start, end)]
            matches = _matches_at(places, pattern, lowered, end)
        for match in matches:
            if forms := read(match):
                yield Code(*match.span(), forms)


def _readers_of(window: str) -> "tuple[_Reader, ...]":
    """Return the readers whose signs are in the window."""
    return _readers_with(tuple([sign in window for sign in _SIGNS]))


@lru_cache(maxsize=1 << 12)
def _readers_with(are_there: tuple[bool, ...]) -> "tuple[_Reader, ...]":
    there = {sign for sign, is_there in zip(_SIGNS, are_there, strict=True) if is_there}
    return tuple(reader for reader in _READERS if not reader.signs or there & {*reader.signs})


def _matches_at(places: Sequence[int], pattern: re.Pattern[str], text: str, end: int) -> Iterator[re.Match[str]]:
    """Yield what `pattern.finditer` finds up to `end`, where a match can only begin at one of `places`."""
    at = 0
    for place in places:
        if place >= at and (match := pattern.match(text, place, end)):
            yield match
            at = match.end()


def _windows(lowered: str) -> list[tuple[int, int]]:
    """Stretches around numbers that may have another spelling: most numbers are just digits."""
    windows: list[tuple[int, int]] = []
    for match in _TELLING.finditer(lowered):
        start, end = max(0, match.start() - _WINDOW), match.end() + _WINDOW
        if windows and end <= windows[-1][1]:
            continue
        blank = lowered.find(" ", end)
        end = len(lowered) if blank < 0 else blank
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _runs(lowered: str) -> list[Code]:
    blocks = lowered.split()
    codes = list(map(_codes_of_block, blocks))
    found: list[Code] = []
    if not any(codes):
        return found
    at = 0
    for block, each in zip(blocks, codes, strict=True):
        if each:
            at = lowered.index(block, at)
            found += [Code(at + code.start, at + code.end, code.forms, code.kind) for code in each]
            at += len(block)
    return found


def _without_parts(found: list[Code]) -> list[Code]:
    """Without what is only digits inside a longer number: "345 678" of a phone number is no amount."""
    kept: list[Code] = []
    end = 0  # of the longest number so far
    for code in found:
        is_number = code.forms[0].isdigit()
        if not is_number or code.end > end:
            kept.append(code)
        if is_number:
            end = max(end, code.end)
    return kept


@lru_cache(maxsize=1 << 15)
def _codes_of_block(block: str) -> tuple[Code, ...]:
    """The codes in a run of non-white space; of one with separators, what it is without them, and its parts."""
    if block.isalpha() or len(block) > LONGEST_RUN:
        return ()
    if languages := [Code(*match.span(), (f"lang:{match[0]}",)) for match in _LANGUAGE.finditer(block)]:
        return tuple(languages)
    bare = block.strip(_PARENTHESES).rstrip(_TRAILING).lstrip(_LEADING)
    if not (_INNER.search(bare) and _LETTER.search(bare)):
        return ()
    start = block.index(bare)
    forms = tuple(dict.fromkeys(form for form in _run_forms(bare) if len(form) > 1))
    kind: Kind = "code" if _CODE_SIGN.search(bare) else "words"
    return (Code(start, start + len(bare), forms, kind),) if forms else ()


def _run_forms(bare: str) -> Iterator[str]:
    address = _SCHEME.sub("", bare, count=1)
    yield _compact(address)
    if extension := _EXTENSION.search(address):
        yield _compact(address[: extension.start()])
    parts = [form for part in _PART.split(address) if (form := _compact(part))]
    if len(parts) > 1:
        yield from (_compact(part) for part in _PART.split(address) if _NOT_WORD.search(part))
        yield from map("".join, pairwise(parts))
    if address != bare or "@" in bare:  # the segmenter keeps an address whole
        yield from _NOT_WORD.split(address)


def _compact(text: str) -> str:
    return _NOT_WORD.sub("", fold(text.lower()))


def _read_legal(match: re.Match[str]) -> Forms:
    suffix, number, year = match["suffix"], match["number"].lstrip("0"), match["year"]
    kind = _KINDS.get(match["kind"] or "") or re.split(r"[-\d]", suffix, maxsplit=1)[0]
    written = "/".join(part for part in (number, year, suffix) if part)
    forms = [f"legal:{_compact(written)}", f"{kind}:{number}/{year}", f"{kind}:{number}"]
    return tuple(form for form in forms if not form.endswith("/None"))


def _read_named(match: re.Match[str]) -> Forms:
    kind, number, year = _KINDS[match["kind"]], match["number"].lstrip("0"), match["slash"] or match["year"]
    if not number:
        return ()
    return (f"{kind}:{number}/{year}", f"{kind}:{number}") if year else (f"{kind}:{number}",)


def _read_day(match: re.Match[str]) -> Forms:
    groups = match.groupdict()
    day, month = int(groups["day"]), int(groups["month"])
    year = groups.get("year") or groups.get("slash")
    if not (1 <= day <= _DAYS and 1 <= month <= _MONTHS):
        return ()
    if not year:
        return (f"day:{month:02}-{day:02}",)
    year = year if len(year) == 4 else f"20{year}"
    return (f"date:{year}-{month:02}-{day:02}", f"month:{year}-{month:02}", f"day:{month:02}-{day:02}")


def _read_month(match: re.Match[str]) -> Forms:
    month, year = int(match["month"] or match["month2"]), match["year"] or match["year2"]
    return (f"month:{year}-{month:02}",) if 1 <= month <= _MONTHS else ()


def _read_percent(match: re.Match[str]) -> Forms:
    return (f"{_decimal(match['number'])}%",)


def _read_scaled(match: re.Match[str]) -> Forms:
    amount = float(match["number"].replace(",", ".")) * _SCALES[match["scale"]]
    if match["rest"]:
        amount += int(match["rest"]) * _SCALES[match["lower"]]
    return (str(round(amount)),)


def _read_amount(match: re.Match[str]) -> Forms:
    whole = re.sub(r"\D", "", match["whole"])
    return (f"{whole}.{match['part']}", whole) if match["part"] else (whole,)


def _read_decimal(match: re.Match[str]) -> Forms:
    return (_decimal(match[0]),)


def _read_grouped(match: re.Match[str]) -> Forms:
    groups = re.findall(r"\d+", match[0])
    digits = "".join(groups)
    if not _LEAST_GROUPED_DIGITS <= len(digits) <= _MOST_GROUPED_DIGITS or all(map(_YEAR.fullmatch, groups)):
        return ()
    national = digits.removeprefix("00")
    # +84 is Vietnam's country code; in the country a 0 stands for it.
    if national.startswith("84") and len(national) in {11, 12}:
        local = national[2:]
        return (local if local.startswith("0") else f"0{local}", digits)
    return (digits,)


def _decimal(number: str) -> str:
    whole, _, part = number.replace(",", ".").partition(".")
    part = part.rstrip("0")
    return f"{whole}.{part}" if part else whole


class _Reader(NamedTuple):
    """A kind of number. Searching a window for signs, beginnings and parts first is cheaper than for the pattern."""

    signs: tuple[str, ...]
    """Every match has one of them; () for any."""
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Forms]
    """What a match means."""
    begins: re.Pattern[str] | None = None
    """Where a match can begin; None for anywhere."""
    part: re.Pattern[str] | None = None
    """Found in every match."""


_READERS: Final = (
    _Reader(("/",), _LEGAL, _read_legal, part=_LEGAL_PART),
    _Reader(("/", ".", "-"), _DAY, _read_day, _NUMBER_START),
    _Reader(("/", ".", "-"), _ISO_DAY, _read_day, _NUMBER_START),
    _Reader(("/", "thang"), _SPELLED_DAY, _read_day),
    _Reader(("ngay", "mung", "mong", "hom"), _SHORT_DAY, _read_day),
    _Reader(("/", "thang"), _MONTH, _read_month),
    _Reader(("%", "phan"), _PERCENT, _read_percent, _NUMBER_START),
    _Reader(("nghin", "ngan", "t", "k"), _SCALED, _read_scaled, _NUMBER_START),
    _Reader((), _AMOUNT, _read_amount, _NUMBER_START),
    _Reader((",",), _DECIMAL, _read_decimal, _NUMBER_START),
    _Reader((), _GROUPED, _read_grouped, _GROUPED_START),
)
_SIGNS: Final = tuple(dict.fromkeys(sign for reader in _READERS for sign in reader.signs))
