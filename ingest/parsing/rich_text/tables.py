"""Tables of RTF: rows of cells whose right edges are given in twips."""

from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.tables import Cell

_SAME_EDGE_TWIPS: Final = 60
_MAX_CELLS: Final = 1000


@dataclass(slots=True)
class CellShape:
    """The shape of one cell in the definition of a row."""

    right: int = 0
    continues_above: bool = False
    continues_left: bool = False


@dataclass(slots=True)
class RowShape:
    """The definition of a row, which may come before or after its cells."""

    cells: list[CellShape] = field(default_factory=list)
    is_header: bool = False
    has_lines: bool = False
    _next: CellShape = field(default_factory=CellShape)

    def read(self, name: str, number: int | None) -> None:
        """Take a control word of the definition into account."""
        if name == "cellx" and len(self.cells) < _MAX_CELLS:
            self._next.right = number or 0
            self.cells.append(self._next)
            self._next = CellShape()
        elif name == "clvmrg":
            self._next.continues_above = True
        elif name == "clmrg":
            self._next.continues_left = True
        elif name == "trhdr":
            self.is_header = True
        elif name in ("brdrs", "brdrdb", "brdrth", "brdrdash", "brdrdot", "brdrhair"):
            self.has_lines = True

    def copy(self) -> "RowShape":
        """Return the definition for a row of its own."""
        return RowShape(self.cells, self.is_header, self.has_lines)


@dataclass(slots=True)
class CellText:
    """The text of a cell."""

    text: str
    is_bold: bool
    paragraphs: int


@dataclass(slots=True)
class Row:
    """A row that has ended."""

    shape: RowShape
    cells: list[CellText]


def is_layout(rows: list[Row]) -> bool:
    """Whether a table only places text: one column, or no lines and few rows or whole paragraphs in its cells."""
    if max(len(row.cells) for row in rows) == 1:
        return True
    if any(row.shape.has_lines for row in rows):
        return False
    return len(rows) <= 2 or max(cell.paragraphs for row in rows for cell in row.cells) > 2


def grid_cells(rows: list[Row]) -> tuple[list[Cell], int | None]:
    """Return the cells on a grid and how many header rows are declared; None where none is."""
    edges = _edges(rows)
    cells: list[Cell] = []
    above: dict[int, int] = {}
    for at, row in enumerate(rows):
        column = 0
        for number, cell in enumerate(row.cells):
            shape = row.shape.cells[number] if number < len(row.shape.cells) else CellShape()
            until = max(_column(edges, shape.right) + 1, column + 1) if shape.right else column + 1
            if shape.continues_left and cells and cells[-1].row == at:
                cells[-1] = _wider(cells[-1], until - column, cell.text)
            elif shape.continues_above and column in above:
                cells[above[column]] = _deeper(cells[above[column]], at, cell.text)
            else:
                above[column] = len(cells)
                cells.append(Cell(at, column, cell.text, 1, until - column, strong=cell.is_bold))
            column = until
    declared = 0
    while declared < len(rows) and rows[declared].shape.is_header:
        declared += 1
    return cells, declared if 0 < declared < len(rows) else None


def _wider(cell: Cell, columns: int, text: str) -> Cell:
    joined = "\n".join(filter(None, (cell.text, text)))
    return Cell(cell.row, cell.column, joined, cell.rows, cell.columns + columns, cell.strong)


def _deeper(cell: Cell, row: int, text: str) -> Cell:
    joined = "\n".join(filter(None, (cell.text, text)))
    return Cell(cell.row, cell.column, joined, row - cell.row + 1, cell.columns, cell.strong)


def _edges(rows: list[Row]) -> list[int]:
    """Return the right edges of the columns of all rows, edges that are next to each other once."""
    edges: list[int] = []
    for right in sorted({shape.right for row in rows for shape in row.shape.cells[: len(row.cells)]}):
        if not edges or right - edges[-1] > _SAME_EDGE_TWIPS:
            edges.append(right)
    return edges


def _column(edges: list[int], right: int) -> int:
    """Return the number of the column that ends at an edge."""
    return next((n for n, edge in enumerate(edges) if right <= edge + _SAME_EDGE_TWIPS), len(edges))
