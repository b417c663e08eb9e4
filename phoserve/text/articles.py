"""Articles, clauses and points of Vietnamese law (Điều, Khoản, Điểm): which a passage holds, which a query asks for.

Only headings and numbered lines count. A sentence that mentions "khoản 6 Điều 4" is not that clause.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from phoserve.text.codes import Code
from phoserve.text.folding import fold
from phoserve.text.readers import arabic

_NUMBERED: Final = re.compile(
    r"^[#*_> \t]*(?:"
    r"(?:điểm\s+(?P<cited_point>[a-zđ])\s+)?(?:khoản\s+(?P<cited_clause>\d{1,3})\s+)?"
    r"điều\s+(?P<cited>\d{1,4}[a-zđ]?)[ \t]*$"
    r"|(?P<kind>điều|chương|mục|phụ lục|phần)(?:\s+|(?=\d))"
    r"(?:thứ\s+(?P<word>nhất|hai|ba|tư|năm|sáu|bảy|bẩy|tám|chín|mười)"
    r"|(?P<number>\d{1,4}[a-zđ]?|[ivxlc]{1,7}))\b(?![.]\d)"
    r"|(?:khoản\s+)?(?P<clause>\d{1,3})\s?[.)](?=\s)"
    r"|khoản\s+(?P<named_clause>\d{1,3})\b"
    r"|(?:điểm\s+)?(?P<point>[a-zđ])\s?\)(?=\s)"
    r"|điểm\s+(?P<named_point>[a-zđ])\b)",
    re.MULTILINE | re.IGNORECASE,
)
_HAS_PART: Final = re.compile(
    r"^[#*_> \t]*(?:điều|chương|mục|phụ lục|phần)(?:\s*\d|\s+[ivxlc]|\s+thứ\s)", re.MULTILINE | re.IGNORECASE
)
_ASKED: Final = re.compile(
    r"(?:\b(?:điểm|diem)\s+(?P<point>[a-zđ])\b\s*,?\s*(?:(?:của|cua|thuộc|thuoc|tại|tai)\s+)?)?"
    r"(?:\b(?:khoản|khoan)\s+(?P<clause>\d{1,3})\b\s*,?\s*(?:(?:của|cua|thuộc|thuoc|tại|tai)\s+)?)?"
    r"\b(?:điều|dieu)\s*(?P<article>\d{1,4}[a-zđ]?)\b"
    r"(?:\s*,?\s*(?:khoản|khoan)\s+(?P<clause_after>\d{1,3})\b"
    r"(?:\s*,?\s*(?:điểm|diem)\s+(?P<point_after>[a-zđ])\b)?)?",
    re.IGNORECASE,
)
# "Điều 15.2.b", "Đ.15 k.2", "k2 đ15": short ways to write them.
_ASKED_SHORTLY: Final = re.compile(
    r"\b(?:điều|dieu|đ|d)[. ]{0,2}(?P<article>\d{1,4})\.(?P<clause>\d{1,3})(?:\.(?P<point>[a-zđ]))?\b(?!\.?\d)"
    r"|\b[đd]\.?\s?(?P<article2>\d{1,4})[ ,]{1,2}k\.?\s?(?P<clause2>\d{1,3})\b"
    r"|\bđ(?P<article4>\d{1,3})[ ,]{1,2}(?:của\s|cua\s)?"
    r"(?=(?:bộ\s|bo\s)?lu[ậa]t\b|ngh[iị] [dđ][iị]nh\b|th[oô]ng t[uư]\b|quy ch[eế]\b|(?:n[dđ]|tt|l[dđ]đ|bl[ldđ]+)\b)"
    r"|\bk\.?\s?(?P<clause3>\d{1,3})[ ,]{1,2}[đd]\.?\s?(?P<article3>\d{1,4})\b",
    re.IGNORECASE,
)
_ASKED_PART: Final = re.compile(
    r"\b(?P<kind>chương|chuong|mục|muc|phụ lục|phu luc|phần|phan)\s+(?:(?:thứ|thu)\s+"
    r"(?P<word>nhất|nhat|hai|ba|tư|tu|năm|nam|sáu|sau|bảy|bẩy|bay|tám|tam|chín|chin|mười|muoi)"
    r"|(?P<number>\d{1,3}|[ivxlc]{1,7}))\b",
    re.IGNORECASE,
)
_KINDS: Final = {
    "điều": "article",
    "chương": "chapter",
    "chuong": "chapter",
    "mục": "section",
    "muc": "section",
    "phụ lục": "annex",
    "phu luc": "annex",
    "phần": "part",
    "phan": "part",
}
_WORDS: Final = ("nhat", "hai", "ba", "tu", "nam", "sau", "bay", "tam", "chin", "muoi")


class ArticleReference(NamedTuple):
    """An article and, where given, its clause and point: "điểm b khoản 3 Điều 9" is ("9", "3", "b")."""

    article: str
    clause: str | None = None
    point: str | None = None


def parts_of(text: str) -> list[str]:
    """Return the articles, clauses, points, chapters, sections and annexes that begin in `text`.

    As terms, such as "article:9", "article:9/clause:3" and "article:9/clause:3/point:b".
    """
    if not _HAS_PART.search(text):
        return []
    return list(dict.fromkeys(_parts(text)))


def _parts(text: str) -> Iterator[str]:
    article = clause = ""
    for match in _NUMBERED.finditer(text):
        if cited := match["cited"]:
            # A line that is nothing but a citation: how the clauses of a passage are labelled (`PassageUnit.label`).
            reference = ArticleReference(cited.lower(), _number(match["cited_clause"]), match["cited_point"])
            yield from reversed(_terms(reference))
            article, clause = f"article:{cited.lower()}", ""
        elif kind := match["kind"]:
            term = _part(kind, match["number"], match["word"])
            yield term
            article, clause = (term if kind.lower() == "điều" else ""), ""
        elif article and (number := match["clause"] or match["named_clause"]):
            clause = f"{article}/clause:{int(number)}"
            yield clause
        elif article and (point := match["point"] or match["named_point"]):
            yield f"{article}/point:{point.lower()}"
            if clause:
                yield f"{clause}/point:{point.lower()}"


def references_in(query: str) -> list[ArticleReference]:
    """Return the articles that `query` names, with or without diacritics, in either order of article and clause."""
    return [reference for _, reference in _asked(query)]


def asked_parts(query: str) -> list[Code]:
    """Return the parts of a law that `query` names; forms are their terms, the most specific first."""
    articles = [(span, _terms(reference)) for span, reference in _asked(query)]
    parts = [
        (match.span(), (_part(match["kind"], match["number"], match["word"]),)) for match in _ASKED_PART.finditer(query)
    ]
    return [Code(*span, terms, "article") for span, terms in articles + parts]


def _asked(query: str) -> list[tuple[tuple[int, int], ArticleReference]]:
    short = [(match.span(), _short_reference(match)) for match in _ASKED_SHORTLY.finditer(query)]
    starts = {span[0] for span, _ in short}
    return short + [
        (match.span(), _reference(match)) for match in _ASKED.finditer(query) if match.start() not in starts
    ]


def _short_reference(match: re.Match[str]) -> ArticleReference:
    article = match["article"] or match["article2"] or match["article3"] or match["article4"]
    point = (match["point"] or "").lower() or None
    return ArticleReference(article, _number(match["clause"] or match["clause2"] or match["clause3"]), point)


def _reference(match: re.Match[str]) -> ArticleReference:
    return ArticleReference(
        match["article"].lower(),
        _number(match["clause"] or match["clause_after"]),
        (match["point"] or match["point_after"] or "").lower() or None,
    )


def _terms(reference: ArticleReference) -> tuple[str, ...]:
    terms = [f"article:{reference.article}"]
    if reference.clause:
        terms.insert(0, f"{terms[0]}/clause:{reference.clause}")
    if reference.point:
        terms.insert(0, f"{terms[0]}/point:{reference.point}")
    return tuple(terms)


def _part(kind: str, number: str | None, word: str | None) -> str:
    if word:
        value = str(_WORDS.index(fold(word.lower())) + 1)
    else:
        digits = (number or "").lower()
        value = digits if digits[0].isdigit() else str(arabic(digits))
    return f"{_KINDS[' '.join(kind.lower().split())]}:{value}"


def _number(digits: str | None) -> str | None:
    return str(int(digits)) if digits else None
