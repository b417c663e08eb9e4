"""The cells of a worksheet, read as a stream: values or formulas, merged ranges, what is hidden."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lxml import etree
from openpyxl.formula.translate import Translator, TranslatorError
from openpyxl.utils.cell import range_boundaries

from ingest.parsing.excel.printing import printed_lines
from ingest.parsing.excel.workbook import CellFormat, S, Workbook, bounded_iterparse, rich_text, runs_of
from ingest.parsing.legacy_fonts import LegacyFont, Run, join_runs
from ingest.parsing.opc import Package

MAX_CELLS: Final = 1_000_000
_MAX_MERGES: Final = 50_000
_LAST_COLUMN: Final = 16_384
_TAGS: Final = ("row", "mergeCell", "col", "pane", "autoFilter", "oddHeader", "oddFooter")
_ON: Final = ("1", "true")
_BOOLEANS: Final = {"1": "TRUE", "0": "FALSE"}

Range = tuple[int, int, int, int]
"""First column, first row, last column, last row; counted from 1."""


class SheetCell(NamedTuple):
    """A cell with something in it."""

    value: str | float
    """A number is shown under `format`."""
    format: CellFormat


@dataclass(slots=True)
class Sheet:
    """A worksheet's visible cells."""

    rows: dict[int, dict[int, SheetCell]] = field(default_factory=dict)
    merges: list[Range] = field(default_factory=list)
    header_ends: set[int] = field(default_factory=set)
    """Rows that end a header, by frozen panes and filters."""
    hidden_rows: set[int] = field(default_factory=set)
    """Hidden rows and columns that have cells in them."""
    hidden_columns: set[int] = field(default_factory=set)
    formulas: list[str] = field(default_factory=list)
    """Cells whose formula has no stored value."""
    header: list[str] = field(default_factory=list)
    """The texts above each printed page, and below it."""
    footer: list[str] = field(default_factory=list)
    cells: int = 0
    cut_after: int | None = None
    """The last row that was read, if there are more."""
    converted: list[str] = field(default_factory=list)
    """The encoding of each text that was converted from the font that draws it."""

    def drawn(self, text: str, runs: Sequence[Run], font: LegacyFont | None) -> str:
        """Return text as its font draws it, or the fonts of its runs, which are the cell's where they name none."""
        if font is None and not runs:
            return text
        shown, encoding = join_runs([(part, own or font) for part, own in runs] or [(text, font)])
        self.converted.extend([encoding] if encoding else ())
        return tidy_text(shown) if encoding else text


def read_sheet(package: Package, part: str, workbook: Workbook, max_cells: int = MAX_CELLS) -> Sheet:
    """Read a worksheet, up to `max_cells` cells. Raises Unreadable."""
    reader = _Reader(workbook)
    strict = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
    for element in bounded_iterparse(package, part, *(ns + tag for tag in _TAGS for ns in (S, strict))):
        kind = etree.QName(element).localname
        if kind == "row":
            if reader.sheet.cells >= max_cells:
                reader.sheet.cut_after = reader.row
                break
            reader.read_row(element)
        else:
            reader.note(kind, element)
    return reader.sheet


class _Reader:
    def __init__(self, workbook: Workbook) -> None:
        self.sheet = Sheet()
        self.row = 0
        self._workbook = workbook
        self._hidden_columns: list[tuple[int, int]] = []
        self._shared: dict[str, Translator] = {}

    def note(self, kind: str, element: etree._Element) -> None:
        """Note what a sheet has apart from its rows."""
        if kind == "mergeCell" and len(self.sheet.merges) < _MAX_MERGES:
            self.sheet.merges.extend(_range(element.get("ref")))
        elif kind == "col":
            self._note_column(element)
        elif kind == "pane" and element.get("state", "split").startswith("frozen"):
            self.sheet.header_ends.add(_number(element.get("ySplit")))
        elif kind == "autoFilter":
            self.sheet.header_ends.update(first for _, first, _, _ in _range(element.get("ref")))
        elif kind in ("oddHeader", "oddFooter"):
            lines = self.sheet.header if kind == "oddHeader" else self.sheet.footer
            lines.extend(printed_lines(element.text or ""))

    def _note_column(self, element: etree._Element) -> None:
        if element.get("hidden") in _ON or element.get("width") == "0":
            self._hidden_columns.append((_number(element.get("min")), _number(element.get("max"))))

    def read_row(self, element: etree._Element) -> None:
        self.row = _number(element.get("r")) or self.row + 1
        column, cells = 0, {}
        for child in element:
            column = _column(child.get("r")) or column + 1
            cell = self._cell(child, column)
            if cell is None or column > _LAST_COLUMN:
                continue
            if any(first <= column <= last for first, last in self._hidden_columns):
                self.sheet.hidden_columns.add(column)
            else:
                cells[column] = cell
        if not cells:
            return
        if element.get("hidden") in _ON or element.get("ht") == "0":
            self.sheet.hidden_rows.add(self.row)
            return
        self.sheet.rows[self.row] = cells
        self.sheet.cells += len(cells)

    def _cell(self, element: etree._Element, column: int) -> SheetCell | None:
        kind = element.get("t", "n")
        formula = value = inline = None
        for child in element:
            name = etree.QName(child).localname
            if name == "v":
                value = child.text
            elif name == "f":
                formula = child
            elif name == "is":
                inline = child
        style = self._format(element.get("s"))
        address = f"{_letters(column)}{self.row}"
        shared = self._formula(formula, address) if formula is not None else ""
        text = self._text(kind, value, inline)
        if isinstance(text, str):
            text = self.sheet.drawn(text, self._runs(kind, value, inline), style.font)
        if text is None and shared:
            self.sheet.formulas.append(address)
            return SheetCell(shared, style)
        return None if text is None or text == "" else SheetCell(text, style)

    def _text(self, kind: str, value: str | None, inline: etree._Element | None) -> str | float | None:
        if kind == "inlineStr":
            return None if inline is None else tidy_text(rich_text(inline))
        if value is None:
            return None
        if kind == "s":
            index = _number(value)
            return tidy_text(self._workbook.strings[index]) if index < len(self._workbook.strings) else None
        if kind == "n":
            try:
                return float(value) if "." in value or "e" in value.lower() else int(value)
            except ValueError:
                return tidy_text(value)
        return _BOOLEANS.get(value, value) if kind == "b" else tidy_text(value)

    def _runs(self, kind: str, value: str | None, inline: etree._Element | None) -> Sequence[Run]:
        if inline is not None:
            return runs_of(inline)
        return self._workbook.runs.get(_number(value), ()) if kind == "s" and self._workbook.runs else ()

    def _formula(self, element: etree._Element, address: str) -> str:
        """Return the formula as the program shows it; of a shared one, as it reads in this cell."""
        text, index = (element.text or "").strip(), element.get("si", "")
        if element.get("t") != "shared":
            return f"={text}" if text else ""
        if text:
            self._shared[index] = Translator(f"={text}", origin=address)
            return f"={text}"
        try:
            translator = self._shared.get(index)
            return str(translator.translate_formula(address)) if translator else ""
        except (TranslatorError, ValueError):
            return ""

    def _format(self, index: str | None) -> CellFormat:
        number = _number(index)
        return self._workbook.formats[number] if number < len(self._workbook.formats) else CellFormat()


def _range(reference: str | None) -> Iterable[Range]:
    try:
        bounds = range_boundaries(reference or "")
    except (ValueError, TypeError):
        return ()
    if any(bound is None for bound in bounds):
        return ()
    first_column, first_row, last_column, last_row = (int(bound or 0) for bound in bounds)
    return ((first_column, first_row, last_column, last_row),)


def tidy_text(text: str) -> str:
    """Return the lines of a text without needless white space."""
    return "\n".join(" ".join(line.split()) for line in text.replace("_x000D_", "").split("\n")).strip()


def _column(address: str | None) -> int:
    number = 0
    for letter in address or "":
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
