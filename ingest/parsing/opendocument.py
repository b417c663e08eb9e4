"""OpenDocument files (.odt, .ods, .odp) as they are shown: without hidden parts, deleted text and comments."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lxml import etree

from ingest.parsing.excel.regions import sheet_blocks
from ingest.parsing.excel.sheet import MAX_CELLS, Sheet
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.number_format import style_of
from ingest.parsing.odf.body import Body, all_text
from ingest.parsing.odf.fonts import draw_fonts
from ingest.parsing.odf.sheets import read_table
from ingest.parsing.odf.styles import DRAW, OFFICE, PRESENTATION, STYLE, SVG, TABLE, TEXT, Styles
from ingest.parsing.opc import Package, is_template_title, local_name
from ingest.parsing.xlsx import sheet_warnings
from phoserve.text.blocks import Block, Heading, Paragraph, ParsedDocument, ParserWarning, Place

_FURNITURE: Final = frozenset({"date-time", "footer", "header", "page-number", "page"})
_LENGTH: Final = re.compile(r"(-?\d+(?:\.\d+)?)(cm|mm|in|pt|px)?")
_POINTS: Final = {"cm": 28.35, "mm": 2.835, "in": 72.0, "pt": 1.0, "px": 0.75}
_PROPERTIES: Final = {"creator": "author", "subject": "subject", "creation-date": "created", "date": "modified"}
_SAME_HEIGHT: Final = 10.0


def parse(path: Path) -> ParsedDocument:
    """Read a text, spreadsheet or presentation. Raises Unreadable, Encrypted or TooComplex."""
    with Package(path) as package:
        if "META-INF/manifest.xml" in package and b"encryption-data" in package.read("META-INF/manifest.xml"):
            raise Encrypted("it is protected by a password")
        root = package.xml("content.xml")
        content = None if root is None else root.find(f"{OFFICE}body")
        if root is None or content is None or not len(content):
            raise Unreadable("it has no content")
        styles = Styles()
        layout = package.xml("styles.xml")
        styles.read(layout)
        styles.read(root)
        converted = draw_fonts(content[0], styles)
        reader = _Reader(package, styles)
        blocks = list(reader.read(content[0]))
        title, properties = _metadata(package)
        return ParsedDocument(
            blocks=tuple(blocks),
            title=title or reader.first_title,
            warnings=(*reader.warnings(), *converted_warning(converted)),
            properties=properties | _page_texts(layout),
        )


class _Reader:
    def __init__(self, package: Package, styles: Styles) -> None:
        self.first_title = ""
        self._styles = styles
        self._body = Body(package, styles)
        self._warnings: list[ParserWarning] = []

    def read(self, content: etree._Element) -> Iterator[Block]:
        """Yield the blocks of a document's body."""
        match local_name(content):
            case "spreadsheet":
                yield from self._sheets(content)
            case "presentation" | "drawing":
                yield from self._slides(content)
            case _:
                yield from self._body.blocks(content, Place())

    def warnings(self) -> Iterator[ParserWarning]:
        """Yield what was left out."""
        yield from self._warnings
        if self._body.hidden:
            what = "1 hidden part" if self._body.hidden == 1 else f"{self._body.hidden} hidden parts"
            message = f"{what} of the text left out"
            yield ParserWarning(code="hidden_content", message=message)

    def _sheets(self, content: etree._Element) -> Iterator[Block]:
        sheets: dict[str, Sheet] = {}
        left = MAX_CELLS
        for table in content.iterfind(f"{TABLE}table"):
            name = table.get(f"{TABLE}name", "")
            style = table.get(f"{TABLE}style-name", "")
            if self._styles.property_of("table", style, f"{TABLE}display") == "false":
                message = f'the hidden sheet "{name}" was left out'
                self._warn(message, Place(sheet=name))
                continue
            sheets[name] = read_table(table, self._body, left)
            left -= sheets[name].cells
        for name, sheet in sheets.items():
            blocks = list(sheet_blocks(sheet, name, style_of("")))
            if blocks and len(sheets) > 1:
                yield Heading(text=name, level=1, place=Place(sheet=name))
            yield from blocks
        self._warnings += sheet_warnings(sheets)

    def _slides(self, content: etree._Element) -> Iterator[Block]:
        for number, page in enumerate(content.iterfind(f"{DRAW}page"), start=1):
            style = page.get(f"{DRAW}style-name", "")
            if self._styles.property_of("drawing-page", style, f"{PRESENTATION}visibility") == "hidden":
                self._warn(f"the hidden slide {number} was left out", Place(slide=number))
            else:
                yield from self._slide(page, Place(slide=number))

    def _slide(self, page: etree._Element, place: Place) -> Iterator[Block]:
        shapes = [shape for shape in page if shape.tag.startswith(DRAW) and _role(shape) not in _FURNITURE]
        shapes.sort(key=_position)
        titles = [shape for shape in shapes if _role(shape) == "title"]
        for shape in titles:
            if text := " ".join(self._body.text_of(shape).split()):
                self.first_title = self.first_title or text
                yield Heading(text=text, level=1, place=place)
        for shape in shapes:
            if shape not in titles:
                yield from self._body.block(shape, place, None, None)
        notes = page.find(f"{PRESENTATION}notes")
        for frame in () if notes is None else notes.iterfind(f"{DRAW}frame"):
            if _role(frame) not in _FURNITURE and (text := self._body.text_of(frame)):
                yield Paragraph(text=text, place=place)

    def _warn(self, message: str, place: Place) -> None:
        self._warnings.append(ParserWarning(code="hidden_content", message=message, place=place))


def _role(shape: etree._Element) -> str:
    return shape.get(f"{PRESENTATION}class", "")


def _position(shape: etree._Element) -> tuple[float, float]:
    """Return where a shape begins, from the top and from the left; shapes at about the same height are one row."""
    top, left = (_points(shape.get(f"{SVG}{axis}", "")) for axis in ("y", "x"))
    return round(top / _SAME_HEIGHT), left


def _points(length: str) -> float:
    match = _LENGTH.fullmatch(length)
    return float(match[1]) * _POINTS[match[2] or "pt"] if match else 0.0


def _metadata(package: Package) -> tuple[str, dict[str, str]]:
    root = package.xml("meta.xml")
    title, properties = "", {}
    for element in () if root is None else root.iter():
        text = " ".join((element.text or "").split())
        if local_name(element) == "title" and not is_template_title(text):
            title = title or text
        elif text and (key := _PROPERTIES.get(local_name(element))):
            properties[key] = text
    return title, properties


def _page_texts(layout: etree._Element | None) -> dict[str, str]:
    """Return the header and footer of the first page layout that has them."""
    found: dict[str, str] = {}
    for page in () if layout is None else layout.iter(f"{STYLE}master-page"):
        for name in ("header", "footer"):
            part = page.find(f"{STYLE}{name}")
            paragraphs = [] if part is None else [all_text(p).strip() for p in part.iter(f"{TEXT}p")]
            text = " ".join(filter(None, paragraphs))
            if text and not text.isdigit():  # the page's number
                found.setdefault(name, text)
    return found
