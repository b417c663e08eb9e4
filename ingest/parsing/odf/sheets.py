"""Sheets of OpenDocument spreadsheets: the cells that are shown, as they are displayed."""

from typing import Final

from lxml import etree
from openpyxl.utils.cell import get_column_letter

from ingest.parsing.excel.sheet import MAX_CELLS, Sheet, SheetCell
from ingest.parsing.excel.workbook import CellFormat
from ingest.parsing.odf.body import Body, table_rows
from ingest.parsing.odf.styles import TABLE
from ingest.parsing.opc import local_name

_HIDDEN: Final = ("collapse", "filter")
_LAST_COLUMN: Final = 16_384
_LAST_ROW: Final = 1_048_576
_AS_WRITTEN: Final = CellFormat()
_FUNCTIONS: Final = ("of:", "oooc:", "msoxl:")


def read_table(table: etree._Element, body: Body, max_cells: int = MAX_CELLS) -> Sheet:
    """Return the visible cells of a sheet, up to `max_cells`; repeated cells with text are cells each."""
    sheet = Sheet()
    hidden = _hidden_columns(table)
    number = 1
    for row, is_header in table_rows(table):
        repeated = _count(row, "number-rows-repeated", _LAST_ROW)
        if sheet.cells >= max_cells:
            sheet.cut_after = number - 1
            break
        cells = _cells(row, number, body, hidden, sheet)
        if cells:
            for offset in range(repeated):
                if sheet.cells >= max_cells:
                    break
                _add(sheet, number + offset, cells, is_hidden=row.get(f"{TABLE}visibility") in _HIDDEN)
            if is_header:
                sheet.header_ends.add(number)
        number += repeated
    return sheet


def _add(sheet: Sheet, number: int, cells: dict[int, SheetCell], *, is_hidden: bool) -> None:
    sheet.cells += len(cells)
    if is_hidden:
        sheet.hidden_rows.add(number)
    else:
        sheet.rows[number] = dict(cells)


def _cells(
    row: etree._Element, number: int, body: Body, hidden: list[tuple[int, int]], sheet: Sheet
) -> dict[int, SheetCell]:
    found: dict[int, SheetCell] = {}
    column = 1
    for cell in row:
        if local_name(cell) not in ("table-cell", "covered-table-cell"):
            continue
        repeated = _count(cell, "number-columns-repeated", _LAST_COLUMN)
        text = body.text_of(cell) if len(cell) and local_name(cell) == "table-cell" else ""
        formula = cell.get(f"{TABLE}formula", "")
        if not text and formula and not cell.get("{urn:oasis:names:tc:opendocument:xmlns:office:1.0}value-type"):
            text = _shown_formula(formula)
            sheet.formulas.append(f"{get_column_letter(min(column, _LAST_COLUMN))}{number}")
        for at in range(column, column + repeated if text else column):
            if any(first <= at <= last for first, last in hidden):
                sheet.hidden_columns.add(at)
            else:
                found[at] = SheetCell(text, _AS_WRITTEN)
        down, across = _count(cell, "number-rows-spanned", _LAST_ROW), _count(cell, "number-columns-spanned", 1000)
        if text and (down > 1 or across > 1):
            sheet.merges.append((column, number, column + across - 1, number + down - 1))
        column += repeated
    return found


def _shown_formula(formula: str) -> str:
    for prefix in _FUNCTIONS:
        formula = formula.removeprefix(prefix)
    return formula.replace("[.", "").replace(":.", ":").replace("]", "")


def _hidden_columns(table: etree._Element) -> list[tuple[int, int]]:
    hidden: list[tuple[int, int]] = []
    at = 1
    for column in table.iter(f"{TABLE}table-column"):
        count = _count(column, "number-columns-repeated", _LAST_COLUMN)
        if column.get(f"{TABLE}visibility") in _HIDDEN:
            hidden.append((at, at + count - 1))
        at += count
    return hidden


def _count(element: etree._Element, name: str, most: int) -> int:
    written = element.get(f"{TABLE}{name}", "1")
    return max(1, min(int(written), most)) if written.isdecimal() and len(written) < 8 else 1
