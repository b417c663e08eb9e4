"""Articles, clauses and points of Vietnamese law (Điều, Khoản, Điểm): which a passage holds, which a query asks for.

Only headings and numbered lines count. A sentence that mentions "khoản 6 Điều 4" is not that clause.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from phoserve.text.codes import Code

_NUMBERED: Final = re.compile(
    r"^[#*_> \t]*(?:"
    r"(?:điểm\s+(?P<cited_point>[a-zđ])\s+)?(?:khoản\s+(?P<cited_clause>\d{1,3})\s+)?"
    r"điều\s+(?P<cited>\d{1,4}[a-zđ]?)[ \t]*$"
    r"|(?P<kind>điều|chương|mục|phụ lục)\s+(?P<number>\d{1,4}[a-zđ]?|[ivxlc]{1,7})\b(?![.]\d)"
    r"|(?:khoản\s+)?(?P<clause>\d{1,3})\s?[.)](?=\s)"
    r"|khoản\s+(?P<named_clause>\d{1,3})\b"
    r"|(?:điểm\s+)?(?P<point>[a-zđ])\s?\)(?=\s)"
    r"|điểm\s+(?P<named_point>[a-zđ])\b)",
    re.MULTILINE | re.IGNORECASE,
)
_HAS_PART: Final = re.compile(r"^[#*_> \t]*(?:điều|chương|mục|phụ lục)\s+(?:\d|[ivxlc])", re.MULTILINE | re.IGNORECASE)
_ASKED: Final = re.compile(
    r"(?:\b(?:điểm|diem)\s+(?P<point>[a-zđ])\b\s*,?\s*(?:(?:của|cua|thuộc|thuoc|tại|tai)\s+)?)?"
    r"(?:\b(?:khoản|khoan)\s+(?P<clause>\d{1,3})\b\s*,?\s*(?:(?:của|cua|thuộc|thuoc|tại|tai)\s+)?)?"
    r"\b(?:điều|dieu)\s+(?P<article>\d{1,4}[a-zđ]?)\b"
    r"(?:\s*,?\s*(?:khoản|khoan)\s+(?P<clause_after>\d{1,3})\b"
    r"(?:\s*,?\s*(?:điểm|diem)\s+(?P<point_after>[a-zđ])\b)?)?",
    re.IGNORECASE,
)
_ASKED_PART: Final = re.compile(
    r"\b(?P<kind>chương|chuong|mục|muc|phụ lục|phu luc)\s+(?P<number>\d{1,3}|[ivxlc]{1,7})\b", re.IGNORECASE
)
_KINDS: Final = {
    "điều": "article",
    "chương": "chapter",
    "chuong": "chapter",
    "mục": "section",
    "muc": "section",
    "phụ lục": "annex",
    "phu luc": "annex",
}
_ROMAN: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


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
            term = _part(kind, match["number"])
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
    return [_reference(match) for match in _ASKED.finditer(query)]


def asked_parts(query: str) -> list[Code]:
    """Return the parts of a law that `query` names; forms are their terms, the most specific first."""
    articles = [(match.span(), _terms(_reference(match))) for match in _ASKED.finditer(query)]
    parts = [(match.span(), (_part(match["kind"], match["number"]),)) for match in _ASKED_PART.finditer(query)]
    return [Code(*span, terms, "article") for span, terms in articles + parts]


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


def _part(kind: str, number: str) -> str:
    number = number.lower()
    return f"{_KINDS[' '.join(kind.lower().split())]}:{number if number[0].isdigit() else _arabic(number)}"


def _number(digits: str | None) -> str | None:
    return str(int(digits)) if digits else None


def _arabic(roman: str) -> int:
    values = [_ROMAN[letter] for letter in roman]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))
