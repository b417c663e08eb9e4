"""What all sheets of a workbook share: their names and states, cell formats and strings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.faults import TooComplex, Unreadable
from ingest.parsing.legacy_fonts import LegacyFont, Run, legacy_font
from ingest.parsing.number_format import builtin_format
from ingest.parsing.opc import Package

S: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MAX_STRING_CHARACTERS: Final = 64 << 20
_ON: Final = ("1", "true")


@dataclass(frozen=True, slots=True)
class CellFormat:
    """How a cell is shown."""

    code: str = "General"
    """Its number format."""
    strong: bool = False
    """Whether it is bold or on a coloured ground."""
    font: LegacyFont | None = None
    """Its font, if that draws Vietnamese over Western letters."""


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A sheet as the workbook lists it."""

    name: str
    part: str
    hidden: bool
    is_chart: bool


@dataclass(frozen=True, slots=True)
class Workbook:
    """An open workbook without its cells."""

    sheets: tuple[SheetEntry, ...]
    formats: tuple[CellFormat, ...]
    strings: tuple[str, ...]
    epoch_1904: bool
    runs: Mapping[int, tuple[Run, ...]] = field(default_factory=dict)
    """The runs of the strings that have such fonts of their own."""


def read_workbook(package: Package) -> Workbook:
    """Read the parts that sheets refer to. Raises Unreadable or TooComplex."""
    main = package.main_part()
    root = package.xml(main)
    if root is None:
        raise Unreadable("it has no workbook part")
    relations = package.relations(main)
    sheets = []
    for sheet in root.iter(f"{S}sheet"):
        relation = relations.get(sheet.get(f"{R}id", ""))
        if relation and relation.kind in ("worksheet", "chartsheet") and relation.target in package:
            hidden = sheet.get("state", "visible") != "visible"
            sheets.append(SheetEntry(sheet.get("name", ""), relation.target, hidden, relation.kind == "chartsheet"))
    parts = {relation.kind: relation.target for relation in relations.values()}
    properties = root.find(f"{S}workbookPr")
    runs: dict[int, tuple[Run, ...]] = {}
    return Workbook(
        sheets=tuple(sheets),
        formats=tuple(_formats(package.xml(parts.get("styles", "")))),
        strings=tuple(_strings(package, parts.get("sharedStrings", ""), runs)),
        runs=runs,
        epoch_1904=properties is not None and properties.get("date1904") in _ON,
    )


def rich_text(element: etree._Element) -> str:
    """Return the text of a string item: of its runs, without phonetic guides."""
    if element.find("{*}r") is None:
        return element.findtext("{*}t") or ""
    return "".join(run.findtext("{*}t") or "" for run in element.iterfind("{*}r"))


def bounded_iterparse(package: Package, part: str, *tags: str) -> Iterator[etree._Element]:
    """Yield the elements of a part with one of the tags as they end, freeing each afterwards. Raises Unreadable."""
    with package.open(part) as stream:
        elements = etree.iterparse(
            stream, events=("end",), tag=tags, resolve_entities=False, load_dtd=False, no_network=True,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        try:
            for _, element in elements:
                yield element
                element.clear()
                while element.getprevious() is not None:
                    parent = element.getparent()
                    if parent is None:
                        break
                    del parent[0]
        except (etree.XMLSyntaxError, OSError, ValueError, EOFError) as error:
            raise Unreadable(f"its part {part} is damaged") from error


def runs_of(item: etree._Element) -> tuple[Run, ...]:
    """Return the runs of a string item if one has a font that draws other letters."""
    runs = [
        (run.findtext("{*}t") or "", legacy_font(name.get("val")) if name is not None else None)
        for run in item.iterfind("{*}r")
        for name in [run.find("{*}rPr/{*}rFont")]
    ]
    return tuple(runs) if any(font for _, font in runs) else ()


def _strings(package: Package, part: str, found: dict[int, tuple[Run, ...]]) -> Iterator[str]:
    """Yield the shared strings; `found` gets the runs of those with fonts that draw other letters."""
    if part not in package:
        return
    characters = 0
    items = bounded_iterparse(package, part, f"{S}si", "{http://purl.oclc.org/ooxml/spreadsheetml/main}si")
    for number, item in enumerate(items):
        text = rich_text(item)
        if runs := runs_of(item):
            found[number] = runs
        characters += len(text)
        if characters > MAX_STRING_CHARACTERS:
            raise TooComplex(f"its texts are longer than {MAX_STRING_CHARACTERS >> 20} million characters")
        yield text


def _formats(root: etree._Element | None) -> Iterator[CellFormat]:
    if root is None:
        return
    codes = {one.get("numFmtId", ""): one.get("formatCode", "") for one in root.iter(f"{S}numFmt")}
    fonts = root.find(f"{S}fonts")
    bold = [_is_bold(font) for font in ([] if fonts is None else fonts)]
    names = [font.find(f"{S}name") for font in ([] if fonts is None else fonts)]
    drawn = [None if name is None else legacy_font(name.get("val")) for name in names]
    fills = root.find(f"{S}fills")
    filled = [
        fill.find(f"{S}patternFill[@patternType='solid']") is not None for fill in ([] if fills is None else fills)
    ]
    for one in root.iterfind(f"{S}cellXfs/{S}xf"):
        number = one.get("numFmtId", "0")
        code = codes.get(number) or builtin_format(_index(number))
        strong = _at(bold, _index(one.get("fontId"))) or _at(filled, _index(one.get("fillId")))
        index = _index(one.get("fontId"))
        yield CellFormat(code, strong, drawn[index] if index < len(drawn) else None)


def _is_bold(font: etree._Element) -> bool:
    bold = font.find(f"{S}b")
    return bold is not None and bold.get("val", "1") in _ON


def _index(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 8 else 0


def _at(flags: list[bool], index: int) -> bool:
    return index < len(flags) and flags[index]
