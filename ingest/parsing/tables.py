"""Tables from cells with spans: which rows are the header, and every value once under the right column."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phoserve.text.blocks import Place, Table

MAX_HEADER_ROWS: Final = 4
_VALUE: Final = re.compile(r"[\s.,:/%()+−–₫$€-]*+\d[\s\d.,:/%()+−–₫$€-]*+(đ|đồng|vnđ|vnd|usd)?", re.IGNORECASE)
_LONGEST_LABEL: Final = 80


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and the rows and columns it covers; numbers count from 0."""

    row: int
    column: int
    text: str
    rows: int = 1
    columns: int = 1
    strong: bool = False
    """Whether it is set apart as headers are: bold, or on a coloured ground."""


def build_table(
    cells: Sequence[Cell],
    *,
    header_rows: int | None = None,
    caption: str = "",
    place: Place = Place(),  # noqa: B008 (frozen)
    row_numbers: Sequence[int] = (),
) -> Table | None:
    """Return the table of `cells`; None if all are empty.

    A merged cell's text is in its first row and column; a header cell's in every column it covers, joined with those
    above. `header_rows` is guessed if None. Rows and columns without text are dropped. `row_numbers` numbers all rows.
    """
    filled = [cell for cell in cells if cell.text]
    if not filled:
        return None
    if header_rows is None:
        header_rows = guess_header_rows(cells)
    body: dict[int, dict[int, str]] = {}
    for cell in filled:
        if cell.row >= header_rows:
            body.setdefault(cell.row, {})[cell.column] = cell.text
    header = _header(filled, header_rows)
    columns = _kept_columns(header, body)
    rows = sorted(body)
    return Table(
        header=tuple(header.get(column, "") for column in columns) if header else (),
        rows=tuple(tuple(body[row].get(column, "") for column in columns) for row in rows),
        caption=caption,
        place=place,
        row_numbers=tuple(row_numbers[row] for row in rows) if row_numbers else (),
    )


def guess_header_rows(cells: Sequence[Cell]) -> int:
    """Return how many of the first rows are a header, 0 if none seems to be."""
    rows = sorted({cell.row for cell in cells if cell.text})
    if len(rows) < 2 or rows[0] != 0:
        return 0
    first = [cell for cell in cells if cell.row == 0 and cell.text]
    depth = header_depth(cells)
    below = [cell for cell in cells if cell.row >= depth and cell.text]
    width = max(cell.column + cell.columns for cell in cells)
    covered = sum(cell.columns for cell in first)
    labels = [cell for cell in cells if cell.row < depth and cell.text]
    if width < 2 or len(first) < 2 or not below or not all(_is_label(cell.text) for cell in labels):
        return 0
    if all(cell.strong for cell in first) and not all(cell.strong for cell in below):
        return depth
    if covered < width - 1 or first[0].text.endswith(":"):
        return 0
    return depth if len({cell.text for cell in first}) == len(first) else 0


def header_depth(cells: Sequence[Cell]) -> int:
    """Return how many rows a header that begins in row 0 has, by its merged cells."""
    depth = row = 1
    while row <= depth < MAX_HEADER_ROWS:
        for cell in cells:
            if cell.row == row - 1 and cell.text:
                below = row + 1 if cell.columns > 1 and cell.rows == 1 else row - 1 + cell.rows
                depth = max(depth, min(below, MAX_HEADER_ROWS))
        row += 1
    return depth


def _is_label(text: str) -> bool:
    return len(text) <= _LONGEST_LABEL and not is_value(text)


def is_value(text: str) -> bool:
    """Whether a cell's text is a number, an amount, a date or a share, rather than words."""
    return _VALUE.fullmatch(text) is not None


def _header(filled: Sequence[Cell], header_rows: int) -> dict[int, str]:
    parts: dict[int, list[str]] = {}
    for cell in sorted((cell for cell in filled if cell.row < header_rows), key=lambda cell: cell.row):
        for column in range(cell.column, cell.column + cell.columns):
            above = parts.setdefault(column, [])
            if cell.text not in above:
                above.append(cell.text)
    return {column: " / ".join(texts) for column, texts in parts.items()}


def _kept_columns(header: dict[int, str], body: dict[int, dict[int, str]]) -> list[int]:
    """Return the columns with text, without those that hold but a header cell shared with the column before."""
    used = {column for row in body.values() for column in row}
    kept: list[int] = []
    for column in sorted(used | header.keys()):
        if column in used or not kept or header[column] != header.get(kept[-1]):
            kept.append(column)
    return kept
