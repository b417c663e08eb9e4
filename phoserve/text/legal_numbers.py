"""Canonical forms of the numbers of legal documents and contracts, and of technical standards."""

import re
from collections.abc import Iterator
from typing import Final

from phoserve.text.readers import END, YEAR, Forms, Reader

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
STANDARDS: Final = ("tcvn", "qcvn", "tcxdvn", "tcxd", "iso", "iec", "ieee", "astm", "din", "jis", "nfpa")
KIND_NAMES: Final = tuple(_KINDS)
ACT_KINDS: Final = frozenset({"legal", "number", *_KINDS.values()})
"""What the canonical forms of numbers of acts begin with."""
_SHORT: Final = ("ttlt", "ttr", "nd", "tt", "qd", "nq", "ct", "cv", "tb", "kh", "bc", "pl", "hd")
_ISSUERS: Final = frozenset(
    [
        "cp",
        "ttg",
        "btc",
        "bnv",
        "bca",
        "bct",
        "bgddt",
        "byt",
        "bxd",
        "btnmt",
        "bldtbxh",
        "ubnd",
        "hdnd",
        "nhnn",
        "btp",
        "bqp",
        "ubtvqh",
        "ld",
        "lđ",
        "mb",
    ]
)
_KIND: Final = "|".join(_KINDS)
ABBREVIATED: Final = "|".join(_SHORT)
_SUFFIX: Final = r"[a-z]+\d{0,2}(?:\s?-\s?[a-z][a-z0-9]*|/[a-z][a-z0-9]*)*"
_SO: Final = r"(?:\s*\bso\s*:?)?\s*"

_OF_YEAR: Final = (
    rf"(?:\s*/\s*(?P<slash>\d{{4}})|[.-](?P<dash>{YEAR})|,?\s+nam\s+(?P<year>\d{{4}}))?(?:(?=/[a-z])|{END})"
)

_LEGAL: Final = re.compile(
    rf"(?P<number>\d{{1,6}})"
    rf"(?:/(?P<year>\d{{4}})|(?P<mark>[.-])(?P<year2>{YEAR}))?(?(mark)(?:(?P=mark)|/)|\s?/\s?)(?P<suffix>{_SUFFIX})(?![\w/])"
)
_DASHED_ACT: Final = re.compile(
    rf"(?P<number>\d{{1,6}})/(?P<year>{YEAR})(?:-(?P<suffix>[a-z]+\d{{0,2}}(?:-[a-z]+)*)|\s(?P<act>qh\d{{1,2}}))(?![\w/])"
)
_SPACED: Final = re.compile(
    rf"(?P<number>\d{{1,6}})(?:/(?P<year>\d{{4}}))?\s(?P<suffix>(?:{ABBREVIATED})-[a-z]+)(?![\w/])"
)
_NAMED: Final = re.compile(
    rf"\b(?P<kind>{_KIND})(?:\s*\bso\s*:?\s*|\s*(?!{YEAR}(?![\d/.-]|,?\s+nam\s)))(?P<number>\d{{1,6}}){_OF_YEAR}"
)
_NAMED_OF_YEAR: Final = re.compile(rf"\b(?P<kind>{_KIND})\s+(?P<number>{YEAR})(?![\d/.-]|,?\s+nam\s)")
"""The report of 2021, or report 2021."""
_NAMED_BY_SHORT: Final = re.compile(rf"(?P<kind>{ABBREVIATED})(?P<issuer>-[a-z]+)?{_SO}(?P<number>\d{{1,6}}){_OF_YEAR}")
_NAMED_LOOSELY: Final = re.compile(
    rf"\b(?P<kind>{_KIND}|{ABBREVIATED})(?:-[a-z]+)?{_SO}(?P<number>\d{{1,6}})\s+(?P<year>{YEAR}){END}"
)
_NUMBER_AND_YEAR: Final = re.compile(rf"(?P<number>\d{{1,6}})/(?P<year>{YEAR})(?:(?=/[a-z])|{END})")
_STANDARD: Final = re.compile(
    rf"(?P<body>{'|'.join(STANDARDS)})(?:/[a-z]+)?[ -]?(?P<number>\d{{1,6}}(?:-\d{{1,2}}(?!\d))?)"
    rf"(?:\s?[:-]\s?(?P<year>{YEAR})|\s(?P<bare>{YEAR}))?(?:/[a-z]{{2,8}})?{END}"
)


def _read_legal(match: re.Match[str]) -> Forms:
    groups = match.groupdict()
    suffix = re.sub(r"\s", "", match["suffix"] or groups["act"])
    number = match["number"].lstrip("0")
    if not number:
        return ()
    year = groups.get("year") or groups.get("year2")
    kind = _kind_of(suffix)
    whole = "".join(part for part in (number, year, re.sub(r"[\W_]+", "", suffix)) if part)
    return (f"legal:{whole}", *_numbered(kind, number, year))


def _kind_of(suffix: str) -> str:
    """The kind that a suffix begins with: "nd" of "nd-cp", "ndcp" and "nd/cp"."""
    first = re.split(r"[-/\d]", suffix, maxsplit=1)[0]
    return next((kind for kind in _SHORT if first.startswith(kind) and first[len(kind) :] in _ISSUERS), first)


def _read_named(match: re.Match[str]) -> Forms:
    groups = match.groupdict()
    kind = _KINDS.get(match["kind"], match["kind"])
    number = match["number"].lstrip("0")
    year = groups.get("slash") or groups.get("dash") or groups.get("year")
    return tuple(_numbered(kind, number, year)) if number else ()


def _numbered(kind: str, number: str, year: str | None) -> Iterator[str]:
    if year:
        yield f"{kind}:{number}/{year}"
        yield f"number:{number}/{year}"
    yield f"{kind}:{number}"


def _read_number_and_year(match: re.Match[str]) -> Forms:
    return (f"number:{match['number'].lstrip('0')}/{match['year']}",)


def _read_standard(match: re.Match[str]) -> Forms:
    named, year = f"{match['body']}:{match['number']}", match["year"] or match["bare"]
    return (f"{named}:{year}", named) if year else (named,)


LEGAL_READERS: Final = (
    Reader(_LEGAL, _read_legal, after="/.- "),
    Reader(_DASHED_ACT, _read_legal, after="/"),
    Reader(_SPACED, _read_legal, after="/ "),
    Reader(_NAMED, _read_named, "noun"),
    Reader(_NAMED_OF_YEAR, _read_named, "noun", kind="number"),
    Reader(_NAMED_BY_SHORT, _read_named, "noun"),
    Reader(_NAMED_LOOSELY, _read_named, "anywhere", query_only=True),
    Reader(_NUMBER_AND_YEAR, _read_number_and_year, query_only=True, after="/"),
    Reader(_STANDARD, _read_standard, "noun"),
)
