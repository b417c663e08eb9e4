"""Cut a passage into what a person would quote: a sentence with its list, a clause with its points, a table's row.

The parts that ingestion recorded mark rows, items and headings; in passages of version 0.1, which have none,
the lines of the text do.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from phoserve.documents.records import Passage, PassageUnit
from phoserve.text import sentences

Span = tuple[int, int]

MAX_LIST_CHARACTERS: Final = 600
"""A longer list is quoted by its items, each behind the sentence that introduces the list."""
MAX_ITEM_CHARACTERS: Final = 240
"""A longer item of a list is quoted by its sentences."""
MAX_ANSWER_CHARACTERS: Final = 400
"""Of the paragraph behind a question that a document asks itself."""
MIN_LETTERS: Final = 3

_BULLET: Final = re.compile(r"[ \t]*[-*•+–‣▪●○][ \t]+")
_NUMBER: Final = re.compile(r"[ \t]*\(?\d{1,3}(?:\.\d{1,3})*[.)][ \t]+")
_LETTER: Final = re.compile(r"[ \t]*\(?[a-zđ]{1,2}[.)][ \t]+", re.IGNORECASE)
_ROW: Final = re.compile(r"[ \t]*\|.*\|[ \t]*\Z|[^|\n]+(?: \| [^|\n]*)+\Z|[^\t\n]+(?:\t[^\t\n]*)+\Z")
_RULE: Final = re.compile(r"[|:\- \t]++\Z")
_HEADING: Final = re.compile(r"[ \t]*#{1,6}[ \t]")
_LEAD: Final = re.compile(r"\*\*[^*\n]{2,120}\*\*[ \t]*")
_ENDS: Final = (".", "!", "?", "…", ",", ".”", '."')
_QUESTION: Final = re.compile(r"\?[*_\"”’)]*\Z")


class Kind(IntEnum):
    """Kinds of lines; of items, a greater kind is nested in a smaller one."""

    BLANK = 0
    HEADING = 1
    TEXT = 2
    ROW = 3
    NUMBER = 4
    LETTER = 5
    BULLET = 6
    RECORD = 7
    HEADER = 8


ITEMS: Final = (Kind.NUMBER, Kind.LETTER, Kind.BULLET)
_RECORDED: Final = {
    "heading": Kind.HEADING,
    "row": Kind.ROW,
    "table_header": Kind.HEADER,
    "record": Kind.RECORD,
}


@dataclass(frozen=True, slots=True)
class Unit:
    """What may be quoted of a passage: `spans` of its text, in order and without overlap."""

    spans: tuple[Span, ...]
    lead: str = ""
    """The heading above the unit and the bold label before it, which give it its sense without being quoted."""

    def text(self, passage: str) -> str:
        """Return the quoted text, one line a span."""
        return "\n".join(passage[start:end] for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Kind
    start: int
    end: int
    content: int
    """Where the text after the bullet or number begins."""


def units(passage: Passage) -> list[Unit]:
    """Return what may be quoted of a passage's text, in order; a heading or a lone number is never a unit.

    Spans begin behind the bullet or number of an item that is quoted alone. Time is linear in the length.
    """
    text = passage.text
    found: list[Unit] = []
    lines = _lines(text, frozenset((passage.title, *passage.headings)), passage.units)
    heading = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.kind in (Kind.ROW, Kind.HEADER):
            end = _run_end(lines, at, lambda each: each.kind in (Kind.ROW, Kind.HEADER))
            found += _table(lines[at:end], text, heading, passage)
        elif line.kind is Kind.RECORD:
            end = at + 1
            found.append(Unit(((line.start, line.end),), heading))
        elif line.kind in (Kind.TEXT, *ITEMS):
            end = _paragraph_end(lines, at)
            items_end = _items_end(text, lines, at, end)
            found += _paragraph(text, lines[at:end], lines[end:items_end], heading)
            end = items_end
        else:
            end = at + 1
            if line.kind is Kind.HEADING:
                heading = text[line.start : line.end].lstrip("# \t")
        at = end
    return [unit for unit in found if sum(map(str.isalpha, unit.text(text))) >= MIN_LETTERS]


def _lines(text: str, headings: frozenset[str], parts: Sequence[PassageUnit]) -> list[_Line]:
    lines: list[_Line] = []
    starts = [part.start for part in parts]
    start = 0
    for raw in text.split("\n"):
        end = start + len(raw.rstrip())
        first = start + len(raw) - len(raw.lstrip())
        kind, length = _kind(raw, headings)
        content = start + length
        if kind is not Kind.BLANK and (at := bisect_right(starts, first) - 1) >= 0 and first < parts[at].end:
            kind, content = _recorded(parts[at].kind, kind, first, content)
            if kind is Kind.RECORD:
                if first > parts[at].start:
                    start += len(raw) + 1
                    continue
                end = parts[at].end
        lines.append(_Line(kind, first, end, content))
        start += len(raw) + 1
    return lines


def _recorded(recorded: str, seen: Kind, first: int, content: int) -> tuple[Kind, int]:
    """Return the kind of a line that ingestion recorded, and where its text begins."""
    if recorded in _RECORDED:
        return _RECORDED[recorded], first
    if recorded == "item":
        return (seen, content) if seen in ITEMS else (Kind.TEXT, first)
    return Kind.TEXT, first


def _kind(line: str, headings: frozenset[str]) -> tuple[Kind, int]:
    """Return the kind of a line and where its text begins."""
    stripped = line.strip()
    indent = len(line) - len(line.lstrip())
    if not stripped:
        return Kind.BLANK, indent
    if _HEADING.match(line) or stripped in headings:
        return Kind.HEADING, indent
    if _ROW.match(line):
        return Kind.ROW, indent
    for kind, pattern in ((Kind.BULLET, _BULLET), (Kind.NUMBER, _NUMBER), (Kind.LETTER, _LETTER)):
        if marker := pattern.match(line):
            return kind, marker.end()
    return Kind.TEXT, indent


def _run_end(lines: Sequence[_Line], at: int, belongs: Callable[[_Line], bool]) -> int:
    end = at
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _paragraph_end(lines: Sequence[_Line], at: int) -> int:
    """Return where the paragraph or item that begins at `at` ends: text lines directly below continue it."""
    return _run_end(lines, at + 1, lambda line: line.kind is Kind.TEXT)


def _items_end(text: str, lines: Sequence[_Line], at: int, end: int) -> int:
    """Return where the list ends that the paragraph before `end` introduces; `end` where it introduces none.

    A colon introduces a list. So does a line that no mark ends, if the list is nested in it or directly below.
    """
    introduces = text.endswith((":", ":**", ";"), 0, lines[end - 1].end)
    if not introduces and text.endswith(_ENDS, 0, lines[end - 1].end):
        return end
    if not introduces and not (end < len(lines) and lines[end].kind in ITEMS and lines[end].kind > lines[at].kind):
        return end
    following = end
    while following < len(lines) and lines[following].kind is Kind.BLANK:
        following += 1
    own = lines[at].kind
    last = end
    while following < len(lines):
        kind = lines[following].kind
        nested = kind in ITEMS and (own not in ITEMS or kind > own)
        continued = kind is Kind.TEXT and following > end and lines[following - 1].kind in (*ITEMS, Kind.TEXT)
        if nested or (continued and last > end):
            last = following + 1
        elif kind is not Kind.BLANK:
            break
        following += 1
    return last


def _paragraph(text: str, lines: Sequence[_Line], items: Sequence[_Line], heading: str) -> Iterator[Unit]:
    """Yield the sentences of a paragraph or item, the last one with the list that follows it."""
    start, end = lines[0].content, lines[-1].end
    label = heading
    if marked := _LEAD.match(text, start, end):
        label = f"{heading}\n{text[start : marked.end()].strip('*: ')}".strip()
        start = marked.end()
    spans = [(start + first, start + last) for first, last in sentences(text[start:end])]
    if not spans:
        return
    if len(spans) > 1 and _QUESTION.search(text[slice(*spans[0])]):
        # The document asks and answers: neither is of use alone.
        yield Unit(((spans[0][0], _cut(spans, MAX_ANSWER_CHARACTERS)),))
        return
    if lines[0].kind in ITEMS and not items and end - start <= MAX_ITEM_CHARACTERS:
        # "Chi nhánh Vinh: 9 Lê Lợi. Quản lý: anh Bách.": the first sentence names what the others are about.
        yield Unit(((spans[0][0], spans[-1][1]),), label)
        return
    *before, last_span = spans
    for span in before:
        yield Unit((span,), label)
    yield from _with_list(last_span, items, label) if items else iter([Unit((last_span,), label)])


def _cut(spans: Sequence[Span], most: int) -> int:
    """Return the end of as many sentences as `most` characters hold, and of the first two at least."""
    start = spans[0][0]
    return max(end for position, (_, end) in enumerate(spans) if position < 2 or end - start <= most)


def _with_list(intro: Span, items: Sequence[_Line], label: str) -> Iterator[Unit]:
    last = max(line.end for line in items if line.kind is not Kind.BLANK)
    if last - intro[0] <= MAX_LIST_CHARACTERS:
        yield Unit(((intro[0], last),), label)
        return
    outermost = min(line.kind for line in items if line.kind in ITEMS)
    starts = [position for position, line in enumerate(items) if line.kind is outermost]
    for first, after in zip(starts, [*starts[1:], len(items)], strict=True):
        lines = [line for line in items[first:after] if line.kind is not Kind.BLANK]
        yield Unit((intro, (lines[0].content, lines[-1].end)), label)


def _table(rows: Sequence[_Line], text: str, lead: str, passage: Passage) -> Iterator[Unit]:
    """Yield each row behind its header; where the header is in an earlier passage, it is the row's lead."""
    kept = [row for row in rows if not _RULE.match(text[row.start : row.end])]
    header: _Line | None = None
    if not passage.units and len(kept) > 1:
        header, *kept = kept
    for row in kept:
        if row.kind is Kind.HEADER:
            header = row
        elif header is not None:
            yield Unit(((header.start, header.end), (row.start, row.end)), lead)
        else:
            yield Unit(((row.start, row.end),), f"{lead}\n{passage.context}".strip())
