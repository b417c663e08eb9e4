"""The reading order of a page: lines, columns, and tables without rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from ingest.parsing.pages.words import Word
from ingest.parsing.tables import Cell, is_value

_GUTTER: Final = 1.1
"""Least width of the white space between columns, in sizes of the letters."""
_LEAST_COLUMN: Final = 0.18
"""Least width of a column of text, of the width of the text on the page."""
_LEAST_ROWS: Final = 3
_FILLED: Final = 0.8
"""Lines of running text fill more of their column than this, and their columns of the page; cells of a table less."""
_ROW_DISTANCE: Final = 1.25
"""How much further apart rows are than the lines of a cell, where cells have several lines."""
_LONG_CELL: Final = 6
"""Words of a line from which on it reads like running text."""

_BULLETS: Final = frozenset("-–—•+*●▪◦○■□✓➢❖")

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

    @cached_property
    def gaps(self) -> list[Span]:
        """Return where it is white: before, after, and between words further apart than in running text."""
        gaps = [(float("-inf"), self.x0)]
        end = self.words[0].x1
        before = self.words[0].text
        for word in self.words[1:]:
            if word.x0 - end > _GUTTER * min(word.size, 14) and before not in _BULLETS:
                gaps.append((end, word.x0))
            end, before = max(end, word.x1), word.text
        return [*gaps, (end, float("inf"))]


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
    if lines:
        left, right = min(line.x0 for line in lines), max(line.x1 for line in lines)
        for part in _without_tables(lines):
            if isinstance(part, OpenTable):
                yield part
            else:
                yield from _flowing(part, left, right)


def _without_tables(lines: Sequence[Line]) -> Iterator[OpenTable | Sequence[Line]]:
    """Yield tables of three columns or more, and the lines before, between and after them."""
    at = begin = 0
    while at < len(lines):
        end, gutters = _rows(lines, at)
        if not gutters:
            at += 1
            continue
        if at > begin:
            yield lines[begin:at]
        yield OpenTable(list(_cells(lines[at:end], _bounds(gutters))), lines[at].top)
        at = begin = end
    if begin < len(lines):
        yield lines[begin:]


def _flowing(lines: Sequence[Line], left: float, right: float) -> Iterator[Column | OpenTable]:
    """Yield lines as one column, or as several where white space parts them."""
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


def _rows(lines: Sequence[Line], start: int) -> tuple[int, list[Span]]:
    """Return the gutters of a table of three columns or more that begins with the line `start`, and where it ends."""
    end, gutters = start + 1, lines[start].gaps
    while end < len(lines) and len(gutters) > 2 and not _is_far(lines[end - 1], lines[end]):
        both = _intersect(gutters, lines[end].gaps)
        kept = _inner(both, lines[start : end + 1])
        if len(kept) < 2 or (end > start + 1 and len(kept) != len(_inner(gutters, lines[start:end]))):
            break
        gutters = both
        end += 1
    found = _inner(gutters, lines[start:end])
    end = _without_tail(lines, start, end, _bounds(found))
    if end - start < 2 or len(found) < 2:
        return start, []
    is_table = _is_table(lines[start:end], _bounds(found)) and not _prose_columns(lines[start:end], _bounds(found))
    return (end, found) if is_table else (start, [])


def _without_tail(lines: Sequence[Line], start: int, end: int, bounds: Sequence[Span]) -> int:
    """Return where a table ends: lines after it may be no wider than its first column, those of a cell are nearer."""
    rows = lines[start:end]
    apart = _row_distance(rows, [[_words_in(line, *bound) for bound in bounds] for line in rows])
    while end > start and len(lines[end - 1].gaps) < 3:
        if apart is not None and end > start + 1 and lines[end - 1].top - lines[end - 2].top < apart:
            break
        end -= 1
    return end


def _is_far(above: Line, below: Line) -> bool:
    return below.top - above.bottom > 4 * below.size


def _parted(lines: Sequence[Line], start: int, width: float) -> tuple[int, list[Span]]:
    """Return the gutters that part the most lines from `start` on, and where those lines end; none for running text."""
    gutters = lines[start].gaps
    best: tuple[int, list[Span]] = (start, [])
    for end in range(start + 1, len(lines) + 1):
        kept = _inner(gutters, lines[start:end])
        if not kept and end > start + 1:
            break
        if end - start >= _LEAST_ROWS and _is_parted(lines[start:end], kept, width):
            best = (end, kept)
        if end == len(lines) or _is_far(lines[end - 1], lines[end]):
            break
        gutters = _intersect(gutters, lines[end].gaps)
    return best


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
    if all(end - start >= _LEAST_COLUMN * width for start, end in spans):
        return True
    return not _has_leaders(lines) and _is_table(lines, bounds)


def _has_leaders(lines: Sequence[Line]) -> bool:
    """Whether dots lead from titles to page numbers, as in a table of contents."""
    return any(line.text.endswith("...") or ". . ." in line.text or "...." in line.text for line in lines)


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
        first = next((n for n, line in enumerate(lines) if len(line.gaps) > 2), 0)
        last = next((n for n in range(len(lines), 0, -1) if len(lines[n - 1].gaps) > 2), len(lines))
        if first:
            yield Column(list(lines[:first]), left, right)
        yield OpenTable(list(_cells(lines[first:last], bounds)), lines[first].top)
        if last < len(lines):
            yield Column(list(lines[last:]), left, right)
        return
    for bound in bounds:
        words = [word for line in lines for word in _words_in(line, *bound)]
        start, end = _extent(lines, *bound)
        for part in _without_tables(lines_of(words)):
            yield part if isinstance(part, OpenTable) else Column(list(part), max(start, left), min(end, right))


def _is_table(lines: Sequence[Line], bounds: Sequence[Span]) -> bool:
    """Whether parted lines are rows to be read across: short texts in most columns of most rows."""
    rows = [[_words_in(line, *bound) for bound in bounds] for line in lines]
    whole = sum(all(row) for row in rows)
    if whole < max(2, 0.6 * len(rows)):
        return False
    texts = [[" ".join(word.text for word in cell) for cell in row] for row in rows]
    values = sum(is_value(text) for row in texts for text in row[1:] if text)
    if len(bounds) == 2:
        labels = sum(row[0].endswith(":") for row in texts)
        return max(values, labels) >= 0.6 * whole or (whole > 0.8 * len(rows) and _is_sparse(rows))
    if values >= 0.3 * sum(bool(text) for row in texts for text in row[1:]):
        return True
    filled = all(_is_filled(lines, bounds, at) for at in range(len(bounds)))
    return not filled and _prose_columns(lines, bounds) <= 0.5 * len(bounds)


def _prose_columns(lines: Sequence[Line], bounds: Sequence[Span]) -> int:
    """Return how many columns read like running text."""
    found = 0
    for at, bound in enumerate(bounds):
        counts = sorted(len(cell) for line in lines if (cell := _words_in(line, *bound)))
        found += counts[len(counts) // 2] > _LONG_CELL and _is_filled(lines, bounds, at)
    return found


def _is_filled(lines: Sequence[Line], bounds: Sequence[Span], at: int) -> bool:
    """Whether most lines of a column fill it, and it reaches to the next one."""
    cells = [cell for line in lines if (cell := _words_in(line, *bounds[at]))]
    start, end = min(cell[0].x0 for cell in cells), max(cell[-1].x1 for cell in cells)
    fills = sorted((cell[-1].x1 - cell[0].x0) / max(end - start, 1) for cell in cells)
    if at + 1 < len(bounds):
        after = min(word.x0 for line in lines for word in _words_in(line, *bounds[at + 1]))
        if end - start < _FILLED * (after - start):
            return False
    return fills[len(fills) // 2] >= _FILLED


def _is_sparse(rows: Sequence[Sequence[Sequence[Word]]]) -> bool:
    """Whether the texts of two columns begin at the same places, and the first leaves much of its column white."""
    if sum(sum(map(str.isalpha, "".join(word.text for word in row[0]))) > 1 for row in rows) < 0.8 * len(rows):
        return False  # numbers or marks of a list
    starts = [sorted(row[at][0].x0 for row in rows if row[at]) for at in (0, 1)]
    aligned = all(sum(abs(x - side[len(side) // 2]) < 2 for x in side) >= 0.8 * len(side) for side in starts)
    end = max(row[0][-1].x1 for row in rows if row[0])
    return aligned and end - starts[0][0] < 0.7 * (starts[1][0] - starts[0][0])


def _cells(lines: Sequence[Line], bounds: Sequence[Span]) -> Iterator[Cell]:
    """Yield the cells of an open table; a line that does not begin a row continues the one above it."""
    parted = [[_words_in(line, *bound) for bound in bounds] for line in lines]
    apart = _row_distance(lines, parted)
    rows: list[list[list[Word]]] = []
    for at, (line, row) in enumerate(zip(lines, parted, strict=True)):
        if at and _continues_row(lines[at - 1], line, row, apart):
            for cell, more in zip(rows[-1], row, strict=True):
                cell.extend(more)
        else:
            rows.append(row)
    for at, row in enumerate(rows):
        for column, words in enumerate(row):
            if words:
                yield Cell(at, column, " ".join(w.text for w in words), strong=all(w.bold for w in words))


def _continues_row(above: Line, line: Line, row: Sequence[Sequence[Word]], apart: float | None) -> bool:
    if apart is not None:
        return line.top - above.top < apart
    near = line.top - above.bottom < 0.6 * line.size
    return near and not row[0] and sum(map(bool, row)) < len(row) - 1


def _row_distance(lines: Sequence[Line], parted: Sequence[Sequence[Sequence[Word]]]) -> float | None:
    """Return from which distance of two lines on a row begins; None if the distances are no evidence of rows.

    Cells of several lines are seldom equally long, so most lines that continue a row have an empty cell.
    """
    distances = [below.top - above.top for above, below in pairwise(lines)]
    if not distances or max(distances) < _ROW_DISTANCE * min(distances):
        return None
    apart = (min(distances) + max(distances)) / 2
    more = [all(row) for distance, row in zip(distances, parted[1:], strict=True) if distance < apart]
    return apart if sum(more) <= 0.5 * len(more) else None
