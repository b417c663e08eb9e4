"""Word's tables: cells on a grid, with spans; and tables that only place text on the page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name
from ingest.parsing.tables import Cell
from ingest.parsing.word.styles import Styles, W, draws_lines, is_on, value

_MAX_COLUMNS: Final = 1000
_WRAPPERS: Final = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo"})


@dataclass(frozen=True, slots=True)
class RowCell:
    """A cell of a row; `column` is where it begins on the grid."""

    element: etree._Element
    column: int
    columns: int
    merge: str | None
    """"restart" where a vertical merge begins, "continue" where it continues."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not deleted."""

    cells: Sequence[RowCell]
    is_header: bool
    """Whether it is repeated on every page."""


def table_rows(table: etree._Element) -> list[Row]:
    """Return the rows of a table, without those whose deletion is tracked."""
    rows = []
    for element in _children(table, "tr"):
        properties = element.find(f"{W}trPr")
        if properties is not None and properties.find(f"{W}del") is not None:
            continue
        rows.append(Row(list(_cells(element)), bool(is_on(properties, "tblHeader"))))
    return rows


def table_cells(
    rows: Sequence[Row], text_of: Callable[[etree._Element], tuple[str, bool]], styles: Styles
) -> tuple[list[Cell], int | None]:
    """Return the cells of a data table and how many header rows it declares; None where it declares none."""
    cells: list[Cell] = []
    open_merges: dict[int, int] = {}
    for at, row in enumerate(rows):
        for cell in row.cells:
            text, is_heading = text_of(cell.element)
            if cell.merge == "continue" and cell.column in open_merges:
                above = cells[open_merges[cell.column]]
                joined = "\n".join(filter(None, (above.text, text)))
                cells[open_merges[cell.column]] = Cell(
                    above.row, above.column, joined, at - above.row + 1, above.columns, above.strong
                )
                continue
            open_merges.pop(cell.column, None)
            if cell.merge == "restart":
                open_merges[cell.column] = len(cells)
            strong = is_heading or _is_strong(cell.element, styles)
            cells.append(Cell(at, cell.column, text, 1, cell.columns, strong))
    declared = 0
    while declared < len(rows) and rows[declared].is_header:
        declared += 1
    return cells, declared if 0 < declared < len(rows) else None


def is_layout(table: etree._Element, rows: Sequence[Row], styles: Styles) -> bool:
    """Whether a table only places text: one column, or no lines and few rows or whole paragraphs in its cells."""
    cells = [cell for row in rows for cell in row.cells]
    if not cells or max(len(row.cells) for row in rows) == 1:
        return True
    if _has_lines(table, cells, styles):
        return False
    longest = max(sum(1 for _ in _children(cell.element, "p")) for cell in cells)
    return len(rows) <= 2 or longest > 2


def _has_lines(table: etree._Element, cells: Sequence[RowCell], styles: Styles) -> bool:
    properties = table.find(f"{W}tblPr")
    if properties is not None:
        own = properties.find(f"{W}tblBorders")
        if own is not None and draws_lines(own):
            return True
        style = value(properties.find(f"{W}tblStyle"))
        if own is None and style and styles.has_borders(style):
            return True
    return any(draws_lines(cell.element.find(f"{W}tcPr/{W}tcBorders")) for cell in cells)


def _cells(row: etree._Element) -> Iterator[RowCell]:
    column = _number(row.find(f"{W}trPr/{W}gridBefore"), 0)
    for element in _children(row, "tc"):
        properties = element.find(f"{W}tcPr")
        if properties is not None and properties.find(f"{W}cellDel") is not None:
            continue
        span = merge = None
        if properties is not None:
            span = properties.find(f"{W}gridSpan")
            vertical = properties.find(f"{W}vMerge")
            merge = None if vertical is None else value(vertical) or "continue"
        columns = max(1, min(_number(span, 1), _MAX_COLUMNS))
        if column < _MAX_COLUMNS:
            yield RowCell(element, column, columns, merge)
        column += columns


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yield the children of one name, also those inside content controls and tracked insertions."""
    for child in parent:
        if local_name(child) == name:
            yield child
        elif local_name(child) in _WRAPPERS:
            yield from _children(child, name)


def _is_strong(cell: etree._Element, styles: Styles) -> bool:
    """Whether all the words of a cell are bold."""
    runs = [run for run in cell.iter(f"{W}r") if "".join(t.text or "" for t in run.iterfind(f"{W}t")).strip()]
    return bool(runs) and all(_is_bold(run, styles) for run in runs)


def _is_bold(run: etree._Element, styles: Styles) -> bool:
    own = is_on(run.find(f"{W}rPr"), "b")
    if own is not None:
        return own
    paragraph = next(run.iterancestors(f"{W}p"), None)
    style = "" if paragraph is None else styles.of_paragraph(paragraph.find(f"{W}pPr"))
    return styles.is_on(style, "b")


def _number(element: etree._Element | None, default: int) -> int:
    text = value(element) or ""
    return int(text) if text.isdecimal() and len(text) < 6 else default
