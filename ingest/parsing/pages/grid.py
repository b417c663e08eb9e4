"""Ruled tables on a page: cells from the lines drawn around them."""

import ctypes
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.pages.words import Word
from ingest.parsing.tables import Cell

_AMOUNT: Final = re.compile(r"-?\d{1,3}(?:(?:\.\d{3})+(?:,\d{1,2})?|(?:,\d{3})+(?:\.\d{1,2})?)")
_AMOUNT_PART: Final = re.compile(r"-?\d{1,3}(?:[.,]\d{1,3})*[.,]\d{0,3}")
_MAX_OBJECTS: Final = 20_000
_MAX_RULES: Final = 2_000
_TOLERANCE: Final = 3.0
_THIN: Final = 2.5


class Rule(NamedTuple):
    """A horizontal or vertical line: where it is on one axis, and from where to where on the other."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Box:
    """A cell of a grid with its place on the page."""

    row: int
    column: int
    rows: int
    columns: int
    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled table: at least two columns."""

    boxes: tuple[Box, ...]
    x0: float
    top: float
    x1: float
    bottom: float

    def holds(self, word: Word) -> bool:
        """Return whether the middle of a word is in the table."""
        return self.x0 <= (word.x0 + word.x1) / 2 <= self.x1 and self.top <= word.middle <= self.bottom


def find_grids(page: pdfium.PdfPage) -> list[Grid]:
    """Return the ruled tables of a page, from top to bottom; none on a rotated page."""
    if page.get_rotation():
        return []
    left, _, _, top = page.get_bbox()
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    for x0, y0, x1, y1 in _segments(page):
        x0, x1, y0, y1 = x0 - left, x1 - left, top - y0, top - y1
        if abs(y0 - y1) <= _THIN < abs(x0 - x1):
            horizontal.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x0 - x1) <= _THIN < abs(y0 - y1):
            vertical.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    if len(horizontal) > _MAX_RULES or len(vertical) > _MAX_RULES:
        return []
    return grids_of(horizontal, vertical)


def grids_of(horizontal: Sequence[Rule], vertical: Sequence[Rule]) -> list[Grid]:
    """Return the tables that rules make, from top to bottom."""
    rows, columns = _merged(horizontal), _merged(vertical)
    grids = (_grid(*part) for part in _connected(rows, columns))
    return sorted((grid for grid in grids if grid), key=lambda grid: (grid.top, grid.x0))


def table_cells(grid: Grid, words: Iterable[Word]) -> list[Cell]:
    """Return the cells of a table with the text of the words in them."""
    inside: dict[Box, list[Word]] = {box: [] for box in grid.boxes}
    for word in words:
        x, y = (word.x0 + word.x1) / 2, word.middle
        box = next((b for b in grid.boxes if b.x0 <= x <= b.x1 and b.top <= y <= b.bottom), None)
        if box is not None:
            inside[box].append(word)
    return [
        Cell(box.row, box.column, text_of(found), box.rows, box.columns, bool(found) and all(w.bold for w in found))
        for box, found in inside.items()
    ]


def text_of(words: Sequence[Word]) -> str:
    """Return words in reading order, line by line, as one text."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.middle):
        if lines and word.middle - lines[-1][0].middle < 0.5 * (word.bottom - word.top):
            lines[-1].append(word)
        else:
            lines.append([word])
    return _joined([" ".join(word.text for word in sorted(line, key=lambda word: word.x0)) for line in lines])


def _joined(lines: Sequence[str]) -> str:
    """Return lines as one text; an amount that a narrow cell breaks is whole."""
    text = ""
    for line in lines:
        broken = text.rpartition(" ")[2]
        is_amount = line[:1].isdigit() and _AMOUNT_PART.fullmatch(broken) and not _AMOUNT.fullmatch(broken)
        whole = f"{broken}{line.partition(' ')[0]}"
        text = f"{text}{line}" if is_amount and _AMOUNT.fullmatch(whole) else f"{text} {line}".strip()
    return text


def _segments(page: pdfium.PdfPage) -> Iterator[tuple[float, float, float, float]]:
    raw = page.raw
    for at in range(min(pdfium_c.FPDFPage_CountObjects(raw), _MAX_OBJECTS)):
        item = pdfium_c.FPDFPage_GetObject(raw, at)
        if pdfium_c.FPDFPageObj_GetType(item) == pdfium_c.FPDF_PAGEOBJ_PATH:
            yield from _path_segments(item)


def _path_segments(
    item: Any,
) -> Iterator[tuple[float, float, float, float]]:
    matrix = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFPageObj_GetMatrix(item, matrix):
        return
    count = pdfium_c.FPDFPath_CountSegments(item)
    if count > 200:  # a drawing
        return
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(item, fill, stroke)
    points = list(_points(item, count, matrix))
    xs, ys = [x for _, x, _ in points], [y for _, _, y in points]
    if not points or not all(map(math.isfinite, (*xs, *ys))):
        return
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    if min(x1 - x0, y1 - y0) <= _THIN:
        yield x0, y0, x1, y1
    elif stroke.value:
        start = previous = points[0][1:]
        for kind, x, y in points:
            if kind == pdfium_c.FPDF_SEGMENT_MOVETO:
                start = (x, y)
            else:
                yield (*previous, x, y)
            previous = (x, y)
        yield (*previous, *start)


def _points(item: Any, count: int, matrix: pdfium_c.FS_MATRIX) -> Iterator[tuple[int, float, float]]:
    x, y = ctypes.c_float(), ctypes.c_float()
    for at in range(count):
        segment = pdfium_c.FPDFPath_GetPathSegment(item, at)
        if pdfium_c.FPDFPathSegment_GetPoint(segment, x, y):
            yield (
                pdfium_c.FPDFPathSegment_GetType(segment),
                matrix.a * x.value + matrix.c * y.value + matrix.e,
                matrix.b * x.value + matrix.d * y.value + matrix.f,
            )


def _merged(rules: Sequence[Rule]) -> list[Rule]:
    """Return rules with those on one line that touch made one."""
    merged: list[Rule] = []
    for rule in sorted(rules):
        for n in range(len(merged) - 1, max(-1, len(merged) - 40), -1):
            other = merged[n]
            near = rule.at - other.at <= _TOLERANCE
            if near and rule.start <= other.end + _TOLERANCE and other.start <= rule.end + _TOLERANCE:
                merged[n] = Rule(other.at, min(rule.start, other.start), max(rule.end, other.end))
                break
        else:
            merged.append(rule)
    return merged


def _connected(rows: list[Rule], columns: list[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Yield sets of horizontal and vertical rules that cross one another."""
    left_rows, left_columns = set(range(len(rows))), set(range(len(columns)))
    while left_columns:
        new = [("column", left_columns.pop())]
        part_rows: list[Rule] = []
        part_columns: list[Rule] = []
        while new:
            kind, at = new.pop()
            if kind == "column":
                part_columns.append(columns[at])
                crossing = {n for n in left_rows if _cross(rows[n], columns[at])}
                left_rows -= crossing
                new.extend(("row", n) for n in crossing)
            else:
                part_rows.append(rows[at])
                crossing = {n for n in left_columns if _cross(rows[at], columns[n])}
                left_columns -= crossing
                new.extend(("column", n) for n in crossing)
        yield part_rows, part_columns


def _cross(row: Rule, column: Rule) -> bool:
    across = row.start - _TOLERANCE <= column.at <= row.end + _TOLERANCE
    return across and column.start - _TOLERANCE <= row.at <= column.end + _TOLERANCE


def _grid(rows: list[Rule], columns: list[Rule]) -> Grid | None:
    if len(rows) < 2 or len(columns) < 2:
        return None
    left, right = min(row.start for row in rows), max(row.end for row in rows)
    top, bottom = min(row.at for row in rows), max(row.at for row in rows)
    # Tables that are open at the sides: their outer columns reach as far as the lines do.
    xs = _distinct([*(column.at for column in columns), *_outer(columns, left, right)])
    ys = _distinct([row.at for row in rows])
    if len(xs) < 3 or len(ys) < 2 or len(xs) * len(ys) > 20_000:
        return None
    sides = [*columns, *(Rule(x, top, bottom) for x in _outer(columns, left, right))]
    boxes = tuple(_boxes(xs, ys, rows, sides))
    return Grid(boxes, xs[0], ys[0], xs[-1], ys[-1]) if len({box.column for box in boxes}) > 1 else None


def _outer(columns: list[Rule], left: float, right: float) -> list[float]:
    xs = [column.at for column in columns]
    return [x for x, is_open in ((left, left < min(xs) - 10), (right, right > max(xs) + 10)) if is_open]


def _distinct(values: Iterable[float]) -> list[float]:
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _TOLERANCE:
            found.append(value)
    return found


def _boxes(xs: list[float], ys: list[float], rows: list[Rule], columns: list[Rule]) -> Iterator[Box]:
    """Yield the cells: fields of the grid, joined where no rule parts them."""
    parent = {(r, c): (r, c) for r in range(len(ys) - 1) for c in range(len(xs) - 1)}

    def root(field: tuple[int, int]) -> tuple[int, int]:
        while parent[field] != field:
            field = parent[field]
        return field

    for r, c in parent:
        x, y = (xs[c] + xs[c + 1]) / 2, (ys[r] + ys[r + 1]) / 2
        if c + 2 < len(xs) and not _is_ruled(columns, xs[c + 1], y):
            parent[root((r, c + 1))] = root((r, c))
        if r + 2 < len(ys) and not _is_ruled(rows, ys[r + 1], x):
            parent[root((r + 1, c))] = root((r, c))
    joined: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for field in parent:
        joined.setdefault(root(field), []).append(field)
    for fields in joined.values():
        r0, r1 = min(r for r, _ in fields), max(r for r, _ in fields)
        c0, c1 = min(c for _, c in fields), max(c for _, c in fields)
        yield Box(r0, c0, r1 - r0 + 1, c1 - c0 + 1, xs[c0], ys[r0], xs[c1 + 1], ys[r1 + 1])


def _is_ruled(rules: list[Rule], at: float, middle: float) -> bool:
    return any(abs(rule.at - at) <= _TOLERANCE and rule.start <= middle <= rule.end for rule in rules)
