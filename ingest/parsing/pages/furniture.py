"""What pages repeat: headers, footers and page numbers."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.pages.columns import Line

_ZONE: Final = 0.15
"""How much of a page's height, at the top and at the bottom, may be header or footer."""
_MAX_LINES: Final = 4
_NUMBER: Final = re.compile(r"\d+")
_PAGE_NUMBER: Final = re.compile(
    r"[-–—\s|(\[]*+(trang|page|tr\.?|p\.?)?\s*+:?\s*+(\d{1,5}|[ivxlc]{1,7})\s*+((/|of|trên|-)\s*\d{1,5})?[-–—\s|)\].]*+",
    re.IGNORECASE,
)
_NAMED_PAGE_NUMBER: Final = re.compile(r"(trang|page)\s*:?\s*\d{1,5}\s*((/|of|trên)\s*\d{1,5})?", re.IGNORECASE)
_OUTER_NUMBER: Final = re.compile(r"^\d{1,4}(?=\s|$)|(?<=\s)\d{1,4}$")
_LONGEST: Final = 150
_MAX_NAMES: Final = 20
_NEAR: Final = 6.0
_NEXT_LINE: Final = 1.55
"""Sizes of letters between a line and the next one of its paragraph, at most."""


@dataclass(slots=True)
class Furniture:
    """Headers and footers of a document, and which lines of each page they are."""

    header: list[str] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    page: int
    line: int
    text: str
    top: float
    is_footer: bool
    is_edge: bool
    """Whether it is the first or the last line of its page."""


def find_furniture(
    pages: Sequence[tuple[int, float, Sequence[Line]]], total_pages: int, furniture: Furniture
) -> dict[int, set[int]]:
    """Return the lines to leave out of each page, by page number, and note headers and footers in `furniture`.

    `pages` are numbers, heights and lines from top to bottom. A line is furniture if it is at the same height on
    several pages with the same text, but for the page's number; or if it is a page number.
    """
    groups: dict[tuple[bool, str], list[_Candidate]] = defaultdict(list)
    for number, height, lines in pages:
        for candidate in _candidates(number, height, lines):
            groups[candidate.is_footer, _NUMBER.sub("#", candidate.text)].append(candidate)
    found: dict[int, set[int]] = defaultdict(set)
    found.update(_by_page_number([one for group in groups.values() for one in group], furniture))
    repeated = [_repeated(group, signature, total_pages) for (_, signature), group in groups.items()]
    _add_apart([one for group in repeated for one in group], {number: lines for number, _, lines in pages}, found)
    for group in repeated:
        first = next((one for one in group if one.line in found[one.page]), None)
        if first and any(map(str.isalpha, first.text)) and not _PAGE_NUMBER.fullmatch(first.text):
            names = furniture.footer if first.is_footer else furniture.header
            if first.text not in names and len(names) < _MAX_NAMES:
                names.append(first.text)
    return found


def _add_apart(repeated: list[_Candidate], lines_of: dict[int, Sequence[Line]], found: dict[int, set[int]]) -> None:
    """Add repeated lines to those left out of each page, without footers that continue the text above them.

    The notes of consolidated laws end with the same lines at the foot of many pages.
    """
    at_foot: dict[int, list[int]] = defaultdict(list)
    for one in repeated:
        if one.is_footer:
            at_foot[one.page].append(one.line)
        else:
            found[one.page].add(one.line)
    for page, numbers in at_foot.items():
        for number in sorted(numbers):
            if number - 1 in found[page] or not _continues(lines_of[page], number):
                found[page].add(number)


def _continues(lines: Sequence[Line], at: int) -> bool:
    """Whether a line is set as the next line of the paragraph above it."""
    if at == 0:
        return False
    above, line = lines[at - 1], lines[at]
    return abs(line.size - above.size) < 0.5 and 0 < line.top - above.top < _NEXT_LINE * line.size


def _by_page_number(candidates: list[_Candidate], furniture: Furniture) -> dict[int, set[int]]:
    """Return the lines that begin or end with the number printed on their page: headers that name the section."""
    numbered = [(one, number) for one in candidates if one.is_edge for number in _outer_numbers(one.text)]
    offsets = Counter({one.page: number - one.page for one, number in numbered}.values())
    offset, support = max(offsets.items(), key=lambda item: item[1], default=(0, 0))
    found: dict[int, set[int]] = defaultdict(set)
    if support < max(3, 0.3 * len({one.page for one in candidates})):
        return found
    for one, number in numbered:
        if number - one.page == offset and len(one.text) <= _LONGEST:
            found[one.page].add(one.line)
            names = furniture.footer if one.is_footer else furniture.header
            text = _OUTER_NUMBER.sub("", one.text).strip(" -–—|")
            if text and text not in names and len(names) < _MAX_NAMES:
                names.append(text)
    return found


def _outer_numbers(text: str) -> set[int]:
    return {int(number) for number in _OUTER_NUMBER.findall(text)}


def _candidates(number: int, height: float, lines: Sequence[Line]) -> list[_Candidate]:
    found = []
    for at, line in enumerate(lines):
        is_header = line.bottom < _ZONE * height and at < _MAX_LINES
        is_footer = line.top > (1 - _ZONE) * height and at >= len(lines) - _MAX_LINES
        if is_header or is_footer:
            edge = at in (0, len(lines) - 1)
            found.append(_Candidate(number, at, line.text, line.top, is_footer, edge))
    return found


def _repeated(group: list[_Candidate], signature: str, total_pages: int) -> list[_Candidate]:
    if _PAGE_NUMBER.fullmatch(group[0].text) and group[0].text.strip():
        named = _NAMED_PAGE_NUMBER.search(group[0].text) is not None
        return [one for one in group if one.is_edge and (named or _is_numbered(group))]
    heights = sorted(one.top for one in group)
    middle = heights[len(heights) // 2]
    near = [one for one in group if abs(one.top - middle) <= _NEAR]
    pages = {one.page for one in near}
    letters = sum(character.isalpha() for character in signature)
    if letters < 3 or len(pages) < 2 or (len(pages) < 3 and len(pages) < 0.5 * total_pages):
        return []
    return near if len({one.text for one in near}) == 1 or _is_numbered(near) else []


def _is_numbered(group: list[_Candidate]) -> bool:
    """Whether some number of the lines grows with the page."""
    if len(group) < 2:
        return False
    rows = [(one.page, [int(text[:9]) for text in _NUMBER.findall(one.text)]) for one in group]
    width = min(len(numbers) for _, numbers in rows)
    if not width:  # Roman numerals
        return len({one.text for one in group}) == len(group)
    for at in range(width):
        offsets = [numbers[at] - page for page, numbers in rows]
        if max(offsets.count(offset) for offset in set(offsets)) >= 0.6 * len(rows):
            return True
    return False
