"""Excel workbooks (.xlsx): every visible sheet as tables of values as displayed."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from ingest.parsing.embedded import embedded_parts, read_embedded
from ingest.parsing.excel.drawings import drawing_blocks
from ingest.parsing.excel.regions import sheet_blocks, used_text
from ingest.parsing.excel.sheet import MAX_CELLS, Sheet, read_sheet
from ingest.parsing.excel.workbook import S, SheetEntry, Workbook, read_workbook, rich_text
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.number_codes import Style
from ingest.parsing.number_format import style_of
from ingest.parsing.opc import Package, is_template_title
from phoserve.text.blocks import Block, Footnote, Heading, ParsedDocument, ParserWarning, Place

_MAX_NAMED_CELLS: Final = 8
_DEFAULT_NAMES: Final = ("sheet", "trang tính", "trang_tính")


def parse(path: Path, *, max_cells: int = MAX_CELLS) -> ParsedDocument:
    """Read a workbook.

    Hidden sheets, rows and columns are left out; a formula without a stored value is shown as the formula; cells beyond
    `max_cells` are cut. Each of these is a warning. Raises Unreadable, Encrypted or TooComplex.
    """
    with Package(path) as package:
        workbook = read_workbook(package)
        sheets, left = {}, max_cells
        for entry in workbook.sheets:
            if not entry.hidden and not entry.is_chart:
                sheets[entry.name] = read_sheet(package, entry.part, workbook, left)
                left -= sheets[entry.name].cells
        style = style_of(used_text(sheets))
        style = Style(style.decimal, style.group, style.vietnamese, workbook.epoch_1904)
        blocks = [
            block for entry in workbook.sheets for block in _entry_blocks(package, entry, workbook, sheets, style)
        ]
        shown = [entry.part for entry in workbook.sheets if not entry.hidden]
        embedded, warnings = read_embedded(package, list(embedded_parts(package, shown)))
        properties = package.core_properties()
        title = properties.pop("title", "")
        return ParsedDocument(
            blocks=(*blocks, *embedded),
            title="" if is_template_title(title) else title,
            warnings=(*_warnings(workbook, sheets), *warnings),
            properties=properties | sheet_properties(sheets.values()),
        )


def sheet_properties(sheets: Iterable[Sheet]) -> dict[str, str]:
    """Return the headers and footers of printed sheets, each line once."""
    headers = dict.fromkeys(line for sheet in sheets for line in sheet.header)
    footers = dict.fromkeys(line for sheet in sheets for line in sheet.footer)
    return {name: "\n".join(lines) for name, lines in (("header", headers), ("footer", footers)) if lines}


def _entry_blocks(
    package: Package, entry: SheetEntry, workbook: Workbook, sheets: dict[str, Sheet], style: Style
) -> Iterator[Block]:
    if entry.hidden:
        return
    blocks = list(sheet_blocks(sheets[entry.name], entry.name, style)) if entry.name in sheets else []
    blocks.extend(_comments(package, entry))
    for part in package.related(entry.part, "drawing"):
        blocks.extend(drawing_blocks(package, part, Place(sheet=entry.name), style))
    if blocks and not (len(workbook.sheets) == 1 and entry.name.lower().startswith(_DEFAULT_NAMES)):
        yield Heading(text=entry.name, level=1, place=Place(sheet=entry.name))
    yield from blocks


def _comments(package: Package, entry: SheetEntry) -> Iterator[Footnote]:
    """Yield the comments on a sheet's cells, each with its cell for a number."""
    threads = list(package.related(entry.part, "threadedComment"))
    for part in threads or package.related(entry.part, "comments"):
        root = package.xml(part)
        for comment in () if root is None else root.iter("{*}threadedComment", f"{S}comment"):
            body = comment.find("{*}text")
            text = "" if body is None else rich_text(body) or body.text or ""
            if text.strip():
                yield Footnote(text=text.strip(), number=comment.get("ref", ""), place=Place(sheet=entry.name))


def _warnings(workbook: Workbook, sheets: dict[str, Sheet]) -> Iterator[ParserWarning]:
    for entry in workbook.sheets:
        if entry.hidden:
            message = f'the hidden sheet "{entry.name}" was left out'
            yield ParserWarning(code="hidden_content", message=message, place=Place(sheet=entry.name))
    yield from sheet_warnings(sheets)


def sheet_warnings(sheets: Mapping[str, Sheet]) -> Iterator[ParserWarning]:
    """Yield what of each sheet was left out, converted or is not known."""
    yield from converted_warning([encoding for sheet in sheets.values() for encoding in sheet.converted])
    for name, sheet in sheets.items():
        place = Place(sheet=name)
        for count, what in ((len(sheet.hidden_rows), "row"), (len(sheet.hidden_columns), "column")):
            if count:
                message = f'{count} hidden {what}{"s" if count > 1 else ""} of sheet "{name}" left out'
                yield ParserWarning(code="hidden_content", message=message, place=place)
        if sheet.formulas:
            cells = _ranges(sheet.formulas)
            message = (
                f'sheet "{name}" holds no values for its formulas in {cells}; open and save it in Excel to fill them'
            )
            yield ParserWarning(code="formula_without_value", message=message, place=place)
        if sheet.cut_after is not None:
            message = f'sheet "{name}" was cut after row {sheet.cut_after}: the file has too many cells'
            yield ParserWarning(code="rows_cut", message=message, place=Place(sheet=name, row=sheet.cut_after))


def _ranges(addresses: list[str]) -> str:
    """Return cells as ranges down a column: "C2:C3, D5"."""

    def column(address: str) -> str:
        return address.rstrip("0123456789")

    def row(address: str) -> int:
        return int(address[len(column(address)) :])

    ordered = sorted(addresses, key=lambda address: (len(column(address)), column(address), row(address)))
    runs = [
        [address for _, address in run]
        for _, run in groupby(enumerate(ordered), key=lambda pair: (column(pair[1]), row(pair[1]) - pair[0]))
    ]
    named = [run[0] if len(run) == 1 else f"{run[0]}:{run[-1]}" for run in runs]
    more = len(named) - _MAX_NAMED_CELLS
    return ", ".join(named[:_MAX_NAMED_CELLS]) + (f" and {more} more" if more > 0 else "")
