"""The reading order of a page: lines, columns, and tables without rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ingest.parsing.pages.words import Word
from ingest.parsing.tables import Cell, is_value

_GUTTER: Final = 1.1
"""Least width of the white space between columns, in sizes of the letters."""
_LEAST_COLUMN: Final = 0.18
"""Least width of a column of text, of the width of the text on the page."""
_LEAST_ROWS: Final = 3
_FILLED: Final = 0.55
"""Lines of running text fill more of their column than this; cells of a table less."""

Span = tuple[float, float]


@dataclass
class Line:
    """Words on one line, from left to right; they are not changed afterwards."""

    words: list[Word]

    @cached_property
    def text(self) -> str:
        """Return the words with blanks between."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def x0(self) -> float:
        """Return its left end."""
        return self.words[0].x0

    @cached_property
    def x1(self) -> float:
        """Return its right end."""
        return max(word.x1 for word in self.words)

    @cached_property
    def top(self) -> float:
        """Return the top of its tallest word."""
        return min(word.top for word in self.words)

    @cached_property
    def bottom(self) -> float:
        """Return the bottom of its deepest word."""
        return max(word.bottom for word in self.words)

    @cached_property
    def size(self) -> float:
        """Return the size of most of its letters."""
        sizes: dict[float, int] = {}
        for word in self.words:
            sizes[round(word.size, 1)] = sizes.get(round(word.size, 1), 0) + len(word.text)
        return max(sizes, key=lambda size: sizes[size])

    @cached_property
    def bold(self) -> bool:
        """Return whether all of it is bold."""
        return all(word.bold for word in self.words)


@dataclass(slots=True)
class Column:
    """Lines that are read one after the other."""

    lines: list[Line]
    x0: float
    x1: float


@dataclass(slots=True)
class OpenTable:
    """A table without rules."""

    cells: list[Cell]
    top: float


def lines_of(words: Sequence[Word]) -> list[Line]:
    """Return the lines of words at the same height, from top to bottom."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.middle):
        for row in rows[-3:]:
            first = row[0]
            height = min(first.bottom - first.top, word.bottom - word.top)
            if min(first.bottom, word.bottom) - max(first.top, word.top) > 0.5 * height:
                row.append(word)
                break
        else:
            rows.append([word])
    return [Line(sorted(row, key=lambda word: word.x0)) for row in rows]


def reading_order(words: Sequence[Word]) -> Iterator[Column | OpenTable]:
    """Yield the columns and open tables of a page, in the order they are read."""
    lines = lines_of(words)
    if not lines:
        return
    left, right = min(line.x0 for line in lines), max(line.x1 for line in lines)
    at = 0
    plain: list[Line] = []
    while at < len(lines):
        end, gutters = _parted(lines, at, right - left)
        if not gutters:
            plain.append(lines[at])
            at += 1
            continue
        if plain:
            yield Column(plain, left, right)
            plain = []
        yield from _columns(lines[at:end], gutters, left, right)
        at = end
    if plain:
        yield Column(plain, left, right)


def _parted(lines: Sequence[Line], start: int, width: float) -> tuple[int, list[Span]]:
    """Return the gutters that part the most lines from `start` on, and where those lines end; none for running text."""
    gutters = _gaps(lines[start])
    best: tuple[int, list[Span]] = (start, [])
    for end in range(start + 1, len(lines) + 1):
        kept = _inner(gutters, lines[start:end])
        if not kept and end > start + 1:
            break
        if end - start >= _LEAST_ROWS and _is_parted(lines[start:end], kept, width):
            best = (end, kept)
        if end == len(lines) or lines[end].top - lines[end - 1].bottom > 4 * lines[end].size:
            break
        gutters = _intersect(gutters, _gaps(lines[end]))
    return best


def _gaps(line: Line) -> list[Span]:
    """Return where a line is white: before, after, and between words that are further apart than in running text."""
    gaps = [(float("-inf"), line.x0)]
    end = line.words[0].x1
    for word in line.words[1:]:
        if word.x0 - end > _GUTTER * min(word.size, 14):
            gaps.append((end, word.x0))
        end = max(end, word.x1)
    return [*gaps, (end, float("inf"))]


def _intersect(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    both = ((max(a[0], b[0]), min(a[1], b[1])) for a in first for b in second)
    return [(start, end) for start, end in both if end - start > 4]


def _inner(gutters: Sequence[Span], lines: Sequence[Line]) -> list[Span]:
    left, right = min(line.x0 for line in lines), max(line.x1 for line in lines)
    return [(start, end) for start, end in gutters if start > left and end < right]


def _is_parted(lines: Sequence[Line], gutters: Sequence[Span], width: float) -> bool:
    if not gutters:
        return False
    bounds = _bounds(gutters)
    sides = [[line for line in lines if _words_in(line, *bound)] for bound in bounds]
    if any(len(side) < 2 for side in sides):
        return False
    if len(bounds) > 2:
        return True
    spans = [(_extent(lines, *bound)) for bound in bounds]
    return all(end - start >= _LEAST_COLUMN * width for start, end in spans)


def _bounds(gutters: Sequence[Span]) -> list[Span]:
    cuts = [(start + end) / 2 for start, end in sorted(gutters)]
    return list(zip([float("-inf"), *cuts], [*cuts, float("inf")], strict=True))


def _words_in(line: Line, start: float, end: float) -> list[Word]:
    return [word for word in line.words if start <= (word.x0 + word.x1) / 2 < end]


def _extent(lines: Sequence[Line], start: float, end: float) -> Span:
    words = [word for line in lines for word in _words_in(line, start, end)]
    return min(word.x0 for word in words), max(word.x1 for word in words)


def _columns(lines: Sequence[Line], gutters: Sequence[Span], left: float, right: float) -> Iterator[Column | OpenTable]:
    bounds = _bounds(gutters)
    if _is_table(lines, bounds):
        yield OpenTable(list(_cells(lines, bounds)), lines[0].top)
        return
    for bound in bounds:
        words = [word for line in lines for word in _words_in(line, *bound)]
        start, end = _extent(lines, *bound)
        yield Column(lines_of(words), max(start, left), min(end, right))


def _is_table(lines: Sequence[Line], bounds: Sequence[Span]) -> bool:
    """Whether parted lines are rows to be read across: short texts in most columns of most rows."""
    rows = [[_words_in(line, *bound) for bound in bounds] for line in lines]
    whole = sum(all(row) for row in rows)
    if whole < max(2, 0.6 * len(rows)):
        return False
    texts = [[" ".join(word.text for word in cell) for cell in row] for row in rows]
    if len(bounds) == 2:
        values = sum(is_value(row[1]) for row in texts if row[1])
        return values >= 0.6 * whole or sum(row[0].endswith(":") for row in texts) >= 0.6 * whole
    fills: list[float] = []
    for at, bound in enumerate(bounds):
        start, end = _extent(lines, *bound)
        fills.extend((row[at][-1].x1 - row[at][0].x0) / max(end - start, 1) for row in rows if row[at] and end > start)
    fills.sort()
    prose = sum(len(cell.split()) > 6 for row in texts for cell in row)
    return prose < 0.5 * len(rows) * len(bounds) or fills[len(fills) // 2] < _FILLED


def _cells(lines: Sequence[Line], bounds: Sequence[Span]) -> Iterator[Cell]:
    """Yield the cells of an open table; a line without a first column continues the row above it."""
    rows: list[list[list[Word]]] = []
    previous: Line | None = None
    for line in lines:
        row = [_words_in(line, *bound) for bound in bounds]
        near = previous is not None and line.top - previous.bottom < 0.6 * line.size
        if rows and near and not row[0] and sum(map(bool, row)) < len(row) - 1:
            for cell, more in zip(rows[-1], row, strict=True):
                cell.extend(more)
        else:
            rows.append(row)
        previous = line
    for at, row in enumerate(rows):
        for column, words in enumerate(row):
            if words:
                yield Cell(at, column, " ".join(w.text for w in words), strong=all(w.bold for w in words))
