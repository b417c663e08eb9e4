"""Old Excel workbooks (.xls): the same sheets, formats and hidden parts as of new ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import xlrd
from xlrd.biffh import error_text_from_code
from xlrd.book import Book
from xlrd.sheet import Cell
from xlrd.sheet import Sheet as OldSheet

from ingest.parsing import other_office
from ingest.parsing.excel.regions import sheet_blocks, used_text
from ingest.parsing.excel.sheet import MAX_CELLS, Sheet, SheetCell
from ingest.parsing.excel.workbook import CellFormat
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.legacy_fonts import LegacyFont, Run, legacy_font
from ingest.parsing.media import XLS
from ingest.parsing.number_codes import Style
from ingest.parsing.number_format import style_of
from ingest.parsing.xlsx import sheet_warnings
from phoserve.text.blocks import Block, Footnote, Heading, ParsedDocument, ParserWarning, Place

_BOLD: Final = 600
_DEFAULT_NAMES: Final = ("sheet", "trang tính")


class _Silence:
    """Where the library writes its remarks."""

    def write(self, _text: str) -> None:
        pass


def parse(path: Path) -> ParsedDocument:
    """Read a workbook as `xlsx.parse` does, a damaged one with its values as stored. Raises Unreadable or Encrypted."""
    return other_office.read_or_extract(path, XLS, _parse)


def _parse(path: Path) -> ParsedDocument:
    try:
        book = xlrd.open_workbook(str(path), formatting_info=True, logfile=_Silence())
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise Encrypted("it is protected by a password") from error
        raise Unreadable("it is damaged, or no Excel workbook") from error
    except MemoryError:
        raise
    except Exception as error:  # the library fails in many ways on damaged files
        raise Unreadable("it is damaged") from error
    warnings: list[ParserWarning] = []
    shown: dict[str, tuple[OldSheet, Sheet]] = {}
    left = MAX_CELLS
    for old in book.sheets():
        if old.visibility:
            message = f'the hidden sheet "{old.name}" was left out'
            warnings.append(ParserWarning(code="hidden_content", message=message, place=Place(sheet=old.name)))
            continue
        sheet = _read_sheet(book, old, left)
        left -= sheet.cells
        shown[old.name] = (old, sheet)
    sheets = {name: sheet for name, (_, sheet) in shown.items()}
    style = style_of(used_text(sheets))
    style = Style(style.decimal, style.group, style.vietnamese, bool(book.datemode))
    blocks = [block for old, sheet in shown.values() for block in _blocks(old, sheet, style, alone=book.nsheets == 1)]
    return ParsedDocument(blocks=tuple(blocks), warnings=(*warnings, *sheet_warnings(sheets)))


def _blocks(old: OldSheet, sheet: Sheet, style: Style, *, alone: bool) -> Iterator[Block]:
    place = Place(sheet=old.name)
    blocks: list[Block] = list(sheet_blocks(sheet, old.name, style))
    for (row, column), note in sorted(old.cell_note_map.items()):
        if note.text.strip():
            blocks.append(Footnote(text=note.text.strip(), number=xlrd.cellname(row, column), place=place))
    if blocks and not (alone and old.name.lower().startswith(_DEFAULT_NAMES)):
        yield Heading(text=old.name, level=1, place=place)
    yield from blocks


def _read_sheet(book: Book, old: OldSheet, max_cells: int) -> Sheet:
    sheet = Sheet()
    hidden_rows = {number for number, info in old.rowinfo_map.items() if info.hidden or info.height == 0}
    hidden_columns = {number for number, info in old.colinfo_map.items() if info.hidden or info.width == 0}
    formats: dict[int | None, CellFormat] = {}
    for row in range(old.nrows):
        if sheet.cells >= max_cells:
            sheet.cut_after = row
            break
        for column, cell in enumerate(old.row(row)):
            if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK) or cell.value == "":
                continue
            sheet.cells += 1
            if row in hidden_rows:
                sheet.hidden_rows.add(row + 1)
            elif column in hidden_columns:
                sheet.hidden_columns.add(column + 1)
            else:
                if cell.xf_index not in formats:
                    formats[cell.xf_index] = _format(book, cell.xf_index)
                read = _cell(cell, formats[cell.xf_index])
                if isinstance(read.value, str):
                    runs = _runs(book, old.rich_text_runlist_map.get((row, column)), str(cell.value))
                    read = read._replace(value=sheet.drawn(read.value, runs, read.format.font))
                sheet.rows.setdefault(row + 1, {})[column + 1] = read
    sheet.merges = [(left + 1, top + 1, right, bottom) for top, bottom, left, right in old.merged_cells]
    return sheet


def _runs(book: Book, starts: Sequence[tuple[int, int]] | None, text: str) -> list[Run]:
    """Return the runs of a text if one has a font that draws other letters; the first may be of the cell's font."""
    marks = [(start, _font(book, font)) for start, font in starts or ()]
    if not any(font for _, font in marks):
        return []
    ends = [start for start, _ in marks[1:]] + [len(text)]
    return [(text[: marks[0][0]], None), *((text[at:end], font) for (at, font), end in zip(marks, ends, strict=True))]


def _font(book: Book, number: int) -> LegacyFont | None:
    return legacy_font(book.font_list[number].name) if number < len(book.font_list) else None


def _cell(cell: Cell, form: CellFormat) -> SheetCell:
    match cell.ctype:
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            return SheetCell(float(cell.value), form)
        case xlrd.XL_CELL_BOOLEAN:
            return SheetCell("TRUE" if cell.value else "FALSE", form)
        case xlrd.XL_CELL_ERROR:
            return SheetCell(error_text_from_code.get(int(cell.value), "#ERROR!"), form)
        case _:
            return SheetCell(str(cell.value), form)


def _format(book: Book, number: int | None) -> CellFormat:
    if number is None or number >= len(book.xf_list):
        return CellFormat()
    xf = book.xf_list[number]
    written = book.format_map.get(xf.format_key)
    code = written.format_str if written else "General"
    return CellFormat(code, book.font_list[xf.font_index].weight >= _BOLD, _font(book, xf.font_index))
