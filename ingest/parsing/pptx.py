"""PowerPoint presentations (.pptx): each visible slide's title, text, tables, charts and notes, in reading order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lxml import etree

from ingest.parsing.alternative import alternative_text
from ingest.parsing.charts import chart_table
from ingest.parsing.diagrams import diagram_items
from ingest.parsing.embedded import embedded_parts, read_embedded
from ingest.parsing.faults import Unreadable
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.number_codes import Style
from ingest.parsing.number_format import style_of
from ingest.parsing.opc import Package, Relation, is_template_title, local_name
from ingest.parsing.slides.fonts import draw_fonts
from ingest.parsing.slides.shapes import Position, Shape, number_of, position_of, reading_order, unwrapped
from ingest.parsing.slides.text import lines_of, table_cells
from ingest.parsing.tables import build_table
from phoserve.text.blocks import Block, Caption, Heading, ListItem, Paragraph, ParsedDocument, ParserWarning, Place

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES: Final = ("title", "ctrTitle")
_FURNITURE: Final = ("dt", "ftr", "sldNum", "hdr", "sldImg")
_SHAPES: Final = ("sp", "grpSp", "graphicFrame", "pic")
_LONGEST_TITLE: Final = 150
_OFF: Final = ("0", "false")
_MAX_DEPTH: Final = 256
"""As deep as libxml2 reads: nothing is left out."""


def parse(path: Path) -> ParsedDocument:
    """Read a presentation.

    Hidden slides are left out, with a warning. A slide's title is a heading, its notes are text of the slide. Embedded
    files follow the slides. Raises Unreadable, Encrypted or TooComplex.
    """
    with Package(path) as package:
        main = package.main_part()
        root = package.xml(main)
        if root is None:
            raise Unreadable("it has no presentation part")
        relations = package.relations(main)
        parts = [relations[i].target for s in root.iter(f"{_P}sldId") if (i := s.get(f"{_R}id", "")) in relations]
        slides = [(n, part, slide) for n, part in enumerate(parts, 1) if (slide := package.xml(part)) is not None]
        converted = [encoding for _, _, slide in slides if _is_shown(slide) for encoding in draw_fonts(slide)]
        style = style_of(" ".join(t.text or "" for _, _, slide in slides for t in slide.iter(f"{_A}t")))
        blocks: list[Block] = []
        hidden = []
        shown = []
        for number, part, slide in slides:
            if not _is_shown(slide):
                hidden.append(number)
                continue
            blocks.extend(_Slide(package, part, slide, number, style).blocks())
            shown.append(part)
        embedded, warnings = read_embedded(package, list(embedded_parts(package, shown)))
        properties = package.core_properties()
        own = properties.pop("title", "")
        heading = next((block.text for block in blocks if isinstance(block, Heading)), "")
        return ParsedDocument(
            blocks=(*blocks, *embedded),
            title=heading or ("" if is_template_title(own) else own),
            warnings=(*_hidden_slides(hidden), *warnings, *converted_warning(converted)),
            properties=dict(properties),
        )


def _is_shown(slide: etree._Element) -> bool:
    return slide.get("show", "1") not in _OFF


def _hidden_slides(numbers: list[int]) -> Iterator[ParserWarning]:
    for number in numbers:
        message = f"the hidden slide {number} was left out"
        yield ParserWarning(code="hidden_content", message=message, place=Place(slide=number))


class _Slide:
    """A slide that is shown."""

    def __init__(self, package: Package, part: str, root: etree._Element, number: int, style: Style) -> None:
        self._package = package
        self._part = part
        self._root = root
        self._place = Place(slide=number)
        self._style = style
        self._relations: dict[str, Relation] = package.relations(part)
        self._layout = self._placeholders_of("slideLayout")

    def blocks(self) -> Iterator[Block]:
        tree = self._root.find(f"{_P}cSld/{_P}spTree")
        shapes = [] if tree is None else list(self._shapes(tree))
        ordered = reading_order([shape for shape in shapes if shape.role not in (*_TITLES, *_FURNITURE)])
        titles = [shape for shape in shapes if shape.role in _TITLES and _title_text(shape)] or _likely_title(ordered)
        for shape in titles:
            yield Heading(text=_title_text(shape), level=1, place=self._place)
        for shape in ordered:
            if shape not in titles:
                yield from self._shape_blocks(shape.element, 0)
        yield from self._notes()

    def _shapes(self, tree: etree._Element) -> Iterator[Shape]:
        for element in unwrapped(tree):
            if local_name(element) not in _SHAPES:
                continue
            if _is_hidden(element):
                continue
            placeholder = element.find(f"./*/{_P}nvPr/{_P}ph")
            yield Shape(element, self._position(element, placeholder), placeholder)

    def _position(self, element: etree._Element, placeholder: etree._Element | None) -> Position:
        own = position_of(element)
        if own.top is not None or placeholder is None:
            return own
        for key in (f"idx {placeholder.get('idx', '')}", f"type {placeholder.get('type', 'body')}"):
            if key in self._layout:
                return self._layout[key]
        return own

    def _placeholders_of(self, kind: str) -> dict[str, Position]:
        """Return the positions of the placeholders of the slide's layout, by index and by type."""
        found: dict[str, Position] = {}
        for part in self._package.related(self._part, kind):
            root = self._package.xml(part)
            for placeholder in () if root is None else root.iter(f"{_P}ph"):
                shape = next(placeholder.iterancestors(f"{_P}sp", f"{_P}pic", f"{_P}graphicFrame"), None)
                if shape is not None and (position := position_of(shape)).top is not None:
                    found.setdefault(f"idx {placeholder.get('idx', '')}", position)
                    found.setdefault(f"type {placeholder.get('type', 'body')}", position)
        return found

    def _shape_blocks(self, element: etree._Element, depth: int) -> Iterator[Block]:
        kind = local_name(element)
        if kind == "grpSp" and depth < _MAX_DEPTH:
            inner = [child for child in unwrapped(element) if local_name(child) in _SHAPES and not _is_hidden(child)]
            for shape in reading_order([Shape(child, position_of(child), None) for child in inner]):
                yield from self._shape_blocks(shape.element, depth + 1)
        elif kind == "graphicFrame":
            yield from self._frame(element)
        elif kind == "sp":
            yield from self._text(element)
        description = element.find("./*/{*}cNvPr")
        text = "" if description is None else alternative_text(description.get("descr"))
        if text and kind in ("pic", "graphicFrame", "grpSp"):
            yield Caption(text=text, place=self._place)

    def _text(self, element: etree._Element) -> Iterator[Block]:
        for text, level, number in lines_of(element):
            if level or number:
                yield ListItem(text=text, number=number or "-", level=level + 1, place=self._place)
            else:
                yield Paragraph(text=text, place=self._place)

    def _frame(self, frame: etree._Element) -> Iterator[Block]:
        table = frame.find(f".//{_A}tbl")
        if table is not None:
            properties = table.find(f"{_A}tblPr")
            first_row = properties is not None and properties.get("firstRow") in ("1", "true")
            built = build_table(table_cells(table), header_rows=1 if first_row else None, place=self._place)
            if built:
                yield built
            return
        for element in frame.iter("{*}chart", "{*}relIds"):
            root = self._related(element.get(f"{_R}id") or element.get(f"{_R}dm") or "")
            if root is None:
                continue
            if local_name(element) == "chart" and (chart := chart_table(root, self._place, self._style)):
                yield chart
            elif local_name(element) == "relIds":
                yield from diagram_items(root, self._place)

    def _related(self, identifier: str) -> etree._Element | None:
        relation = self._relations.get(identifier)
        return None if relation is None or relation.external else self._package.xml(relation.target)

    def _notes(self) -> Iterator[Paragraph]:
        for part in self._package.related(self._part, "notesSlide"):
            root = self._package.xml(part)
            tree = None if root is None else root.find(f"{_P}cSld/{_P}spTree")
            for shape in () if tree is None else self._shapes(tree):
                if shape.role not in _FURNITURE:
                    for text, _, _ in lines_of(shape.element):
                        yield Paragraph(text=text, place=self._place)


def _is_hidden(shape: etree._Element) -> bool:
    properties = shape.find("./*/{*}cNvPr")
    return properties is not None and properties.get("hidden", "0") not in (*_OFF, "")


def _title_text(shape: Shape) -> str:
    return " ".join(" ".join(line.split()) for line, _, _ in lines_of(shape.element))


def _likely_title(shapes: list[Shape]) -> list[Shape]:
    """Return the shape that serves as title of a slide without one: the short text set largest, or else the first."""
    texts = [shape for shape in shapes if local_name(shape.element) == "sp" and _title_text(shape)]
    short = [shape for shape in texts if _is_short(shape)]
    sizes = {id(shape): _largest_size(shape) for shape in texts}
    largest = max(sizes.values(), default=0)
    if len(texts) < 2 or not short:
        return []
    if largest:
        return [shape for shape in short if sizes[id(shape)] == largest][:1]
    return short[:1] if short[0] is texts[0] else []


def _is_short(shape: Shape) -> bool:
    return len(_title_text(shape)) <= _LONGEST_TITLE and len(list(lines_of(shape.element))) <= 2


def _largest_size(shape: Shape) -> int:
    runs = shape.element.iterfind(f".//{_A}r/{_A}rPr")
    return max((number_of(run.get("sz")) for run in runs), default=0)
