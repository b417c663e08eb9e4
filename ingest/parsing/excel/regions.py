"""The tables and lines on a worksheet: blocks of cells that blank rows and columns set apart."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from ingest.parsing.excel.sheet import Sheet, SheetCell
from ingest.parsing.number_codes import Style
from ingest.parsing.number_format import display, display_text
from ingest.parsing.tables import Cell, build_table, guess_header_rows, is_value
from phoserve.text.blocks import Block, Paragraph, Place, Table

_MAX_HEADER_ROWS: Final = 6
_GUESS_FROM_ROWS: Final = 50
_LONGEST_CAPTION: Final = 300
_USED_CELLS: Final = 20_000

Region = dict[int, list[Cell]]
"""The cells of neighbouring rows, by row; rows and columns are numbered as in the sheet."""


def sheet_blocks(sheet: Sheet, name: str, style: Style) -> Iterator[Block]:
    """Yield the tables and lines of a sheet, in the order of their rows."""
    open_table: Table | None = None
    for region in _regions(sheet, style):
        continued = _extend(open_table, region) if open_table else None
        if continued is not None:
            open_table = continued
            continue
        for block in _blocks(region, name, sheet.header_ends):
            if open_table is not None:
                yield open_table
            open_table = block if isinstance(block, Table) else None
            if open_table is None:
                yield block
    if open_table is not None:
        yield open_table


def _regions(sheet: Sheet, style: Style) -> Iterator[Region]:
    """Yield runs of rows without a blank one between; apart where a blank column parts tables of different rows."""
    region: Region = {}
    end = 0
    for number, cells in sorted(_spanned(sheet, style).items()):
        if region and number > end + 1 and not all(row in sheet.hidden_rows for row in range(end + 1, number)):
            yield from _split(region)
            region = {}
        region[number] = cells
        end = max(end, number, *(cell.row + cell.rows - 1 for cell in cells))
    if region:
        yield from _split(region)


def _spanned(sheet: Sheet, style: Style) -> Region:
    """Return all cells as displayed, with the ranges that merged ones cover, without those that they hide."""
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    hidden: set[tuple[int, int]] = set()
    for first_column, first_row, last_column, last_row in sheet.merges:
        spans[first_row, first_column] = (last_row - first_row + 1, last_column - first_column + 1)
        for row in range(first_row, min(last_row, first_row + 10_000) + 1):
            hidden.update((row, column) for column in sheet.rows.get(row, ()) if first_column <= column <= last_column)
    hidden -= spans.keys()
    region: Region = {}
    for row, cells in sheet.rows.items():
        shown = [
            Cell(row, column, text, *spans.get((row, column), (1, 1)), cell.format.strong)
            for column, cell in sorted(cells.items())
            if (row, column) not in hidden and (text := _text(cell, style))
        ]
        if shown:
            region[row] = shown
    return region


def _text(cell: SheetCell, style: Style) -> str:
    if isinstance(cell.value, str):
        return cell.value if cell.format.code == "General" else display_text(cell.value, cell.format.code)
    return display(cell.value, cell.format.code, style)


def _split(region: Region) -> list[Region]:
    """Return the parts that blank columns set apart; or the region itself, one table, where all have the same rows."""
    columns: set[int] = set()
    for cells in region.values():
        for cell in cells:
            columns.update(range(cell.column, cell.column + min(cell.columns, 1000)))
    gaps = [column for column in range(min(columns), max(columns)) if column not in columns]
    if not gaps:
        return [region]
    parts: dict[int, Region] = {}
    for row, cells in region.items():
        for cell in cells:
            side = sum(gap < cell.column for gap in gaps[:50])
            parts.setdefault(side, {}).setdefault(row, []).append(cell)
    extents = {(min(part), max(part)) for part in parts.values()}
    return [parts[side] for side in sorted(parts)] if len(extents) > 1 else [region]


def _blocks(region: Region, name: str, header_ends: set[int]) -> Iterator[Block]:
    rows = sorted(region)
    width = max(len(cells) for cells in region.values())
    first = last = 0
    while width > 1 and len(region[rows[first]]) == 1:
        first += 1
    while width > 1 and len(region[rows[-1 - last]]) == 1 and not is_value(region[rows[-1 - last]][0].text):
        last += 1
    if width == 1:
        yield from (Paragraph(text=region[row][0].text, place=Place(sheet=name, row=row)) for row in rows)
        return
    captions = [region[row][0].text for row in rows[:first]]
    caption = " - ".join(captions)
    if len(caption) > _LONGEST_CAPTION:
        yield from (Paragraph(text=region[row][0].text, place=Place(sheet=name, row=row)) for row in rows[:first])
        caption = ""
    body = rows[first : len(rows) - last]
    table = _table({row: region[row] for row in body}, name, caption, header_ends)
    if table is not None:
        yield table
    for row in rows[len(rows) - last :]:
        yield Paragraph(text=region[row][0].text, place=Place(sheet=name, row=row))


def _table(region: Region, name: str, caption: str, header_ends: set[int]) -> Table | None:
    rows = sorted(region)
    index = {row: at for at, row in enumerate(rows)}
    left = min(cell.column for cells in region.values() for cell in cells)
    cells = [
        replace(cell, row=index[row], column=cell.column - left, rows=sum(r in index for r in _covered_rows(cell)))
        for row in rows
        for cell in region[row]
    ]
    header_rows = next(
        (
            sum(row <= end for row in rows)
            for end in sorted(header_ends)
            if rows[0] <= end < min(rows[0] + _MAX_HEADER_ROWS, rows[-1])
        ),
        None,
    )
    if header_rows is None:
        header_rows = guess_header_rows([cell for cell in cells if cell.row < _GUESS_FROM_ROWS])
    table = build_table(cells, header_rows=header_rows, caption=caption, row_numbers=rows)
    if table is None:
        return None
    first = table.row_numbers[0] if table.row_numbers else rows[0]
    return msgspec.structs.replace(table, place=Place(sheet=name, row=first))


def _covered_rows(cell: Cell) -> range:
    return range(cell.row, cell.row + min(cell.rows, 10_000))


def _extend(table: Table, region: Region) -> Table | None:
    """Return `table` with the rows of a region that continues it below a blank row; None if it is something else.

    It continues it if its first row reads like the table's rows: the same kinds of values in the same columns.
    """
    rows = sorted(region)
    columns = sorted({cell.column for cells in region.values() for cell in cells})
    width = len(table.header)
    if not table.header or not table.rows or len(columns) != width or any(cell.columns > 1 for cell in region[rows[0]]):
        return None
    first = {cell.column: cell for cell in region[rows[0]]}
    kinds = [column in first and is_value(first[column].text) for column in columns]
    if not any(kinds) or kinds != [is_value(text) for text in table.rows[-1]] or all(c.strong for c in first.values()):
        return None
    at = {column: n for n, column in enumerate(columns)}
    added = []
    for row in rows:
        texts = [""] * width
        for cell in region[row]:
            texts[at[cell.column]] = cell.text
        added.append(tuple(texts))
    return msgspec.structs.replace(table, rows=(*table.rows, *added), row_numbers=(*table.row_numbers, *rows))


def used_text(sheets: Mapping[str, Sheet]) -> str:
    """Return the beginning of the words in the sheets, from which the language shows."""
    parts: list[str] = list(sheets)
    for sheet in sheets.values():
        for cells in sheet.rows.values():
            parts.extend(cell.value for cell in cells.values() if isinstance(cell.value, str))
            if len(parts) > _USED_CELLS:
                return " ".join(parts)
    return " ".join(parts)
