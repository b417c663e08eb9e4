"""The text of OpenDocument files: headings, numbered lists, tables, notes, frames and charts, as they are shown."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.alternative import alternative_text
from ingest.parsing.odf.styles import DRAW, OFFICE, OUTLINE, STYLE, SVG, TABLE, TEXT, XLINK, Counters, Styles
from ingest.parsing.opc import Package, local_name
from ingest.parsing.scripts import raise_text
from ingest.parsing.tables import Cell, build_table
from phoserve.text.blocks import Block, Caption, Footnote, Heading, ListItem, Paragraph, Place

MAX_REPEATED: Final = 1000
MAX_COLUMNS: Final = 1000
_SKIPPED: Final = frozenset(
    """tracked-changes annotation annotation-end forms sequence-decls variable-decls user-field-decls
    dde-connection-decls alphabetical-index-auto-mark-file table-of-content alphabetical-index illustration-index
    table-index object-index ruby-text event-listeners notes animations par seq scripts script decls settings number
    note-citation title desc calculation-settings content-validations named-expressions database-ranges
    label-ranges""".split()  # noqa: SIM905
)
_SHAPES: Final = frozenset(
    """frame g custom-shape rect ellipse circle line connector polygon polyline path caption measure
    regular-polygon""".split()  # noqa: SIM905
)


@dataclass(slots=True)
class _Inline:
    """The text of a paragraph, and what is anchored in it."""

    text: str = ""
    notes: list[etree._Element] = field(default_factory=list)
    shapes: list[etree._Element] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _List:
    """An open list: the style of its numbers and how deep it is nested."""

    style: str
    level: int


class Body:
    """Reads the elements of a document one after the other; asks for numbers in that order."""

    def __init__(self, package: Package, styles: Styles) -> None:
        self.hidden = 0
        """How many stretches of hidden text were left out."""
        self._package = package
        self._styles = styles
        self._counters = Counters(styles)

    def blocks(self, parent: etree._Element, place: Place) -> Iterator[Block]:
        """Yield the blocks of all children of an element."""
        for child in parent:
            yield from self.block(child, place, None, None)

    def block(self, element: etree._Element, place: Place, inside: _List | None, number: str | None) -> Iterator[Block]:
        """Yield the blocks of one element; `number` is that of the list item whose first paragraph it is."""
        name = local_name(element)
        if name in ("h", "p") and element.tag.startswith(TEXT):
            yield from self._paragraph(element, place, inside, number)
        elif element.tag == f"{TEXT}list":
            yield from self._list(element, place, inside)
        elif element.tag == f"{TABLE}table":
            yield from self._table(element, place)
        elif name in _SHAPES:
            yield from self._shape(element, place)
        elif self._is_hidden_part(element):
            self.hidden += 1
        elif name not in _SKIPPED:
            for child in element:
                yield from self.block(child, place, inside, number)

    def text_of(self, element: etree._Element) -> str:
        """Return the text of all paragraphs below an element, a line each."""
        return "\n".join(_text_of_block(block) for block in self.blocks(element, Place()))

    def _is_hidden_part(self, element: etree._Element) -> bool:
        if element.tag not in (f"{TEXT}section", f"{TEXT}hidden-paragraph"):
            return False
        return element.get(f"{TEXT}display") == "none" or element.get(f"{TEXT}is-hidden") == "true"

    def _paragraph(
        self, element: etree._Element, place: Place, inside: _List | None, number: str | None
    ) -> Iterator[Block]:
        style = element.get(f"{TEXT}style-name", "")
        inline = _Inline()
        if self._styles.hides_text("paragraph", style):
            self.hidden += bool(all_text(element).strip())
        else:
            self._read(element, inline)
        text = "\n".join(" ".join(line.split()) for line in inline.text.split("\n")).strip()
        if text:
            yield self._written(element, text, place, inside, number)
        elif number and number != "-":  # a numbered line, or cell, without text
            yield Paragraph(text=number, place=place)
        for note in inline.notes:
            yield from self._note(note, place)
        for shape in inline.shapes:
            yield from self._shape(shape, place)

    def _written(
        self, element: etree._Element, text: str, place: Place, inside: _List | None, number: str | None
    ) -> Block:
        style = element.get(f"{TEXT}style-name", "")
        if local_name(element) == "h":
            level = _positive(element.get(f"{TEXT}outline-level"), 1)
            if number is None and inside is None and element.get(f"{TEXT}is-list-header") != "true":
                own = self._styles.list_of(style)
                number = self._counters.next_number(own, level) if own else self._outline_number(level)
            mark = f"{number} " if number and number != "-" else ""
            return Heading(text=f"{mark}{text}", level=min(level, 6), place=place)
        if number:
            return ListItem(text=text, number=number, level=inside.level if inside else 1, place=place)
        if self._styles.is_named(style, "Title"):
            return Heading(text=" ".join(text.split()), level=1, place=place)
        return Paragraph(text=text, place=place)

    def _outline_number(self, level: int) -> str:
        return self._counters.next_number(OUTLINE, level) if OUTLINE in self._styles.lists else ""

    def _read(self, element: etree._Element, inline: _Inline) -> None:
        inline.text += element.text or ""
        for child in element:
            self._read_child(child, inline)
            inline.text += child.tail or ""

    def _read_child(self, child: etree._Element, inline: _Inline) -> None:
        name = local_name(child)
        if name == "s":
            inline.text += " " * min(_positive(child.get(f"{TEXT}c"), 1), 100)
        elif name == "tab":
            inline.text += " "
        elif name == "line-break":
            inline.text += "\n"
        elif name == "note":
            inline.notes.append(child)
        elif name in _SHAPES:
            inline.shapes.append(child)
        elif name == "span":
            self._span(child, inline)
        elif name == "hidden-text" and child.get(f"{TEXT}is-hidden") != "false":
            self.hidden += 1
        elif name not in _SKIPPED:
            self._read(child, inline)

    def _span(self, span: etree._Element, inline: _Inline) -> None:
        style = span.get(f"{TEXT}style-name", "")
        if self._styles.hides_text("text", style):
            self.hidden += bool(all_text(span).strip())
            return
        before = inline.text
        self._read(span, inline)
        if self._styles.property_of("text", style, f"{STYLE}text-position").startswith(("super", "1", "2", "3", "4")):
            inline.text = before + raise_text(inline.text[len(before) :], before)

    def _note(self, note: etree._Element, place: Place) -> Iterator[Block]:
        body, citation = note.find(f"{TEXT}note-body"), note.find(f"{TEXT}note-citation")
        text = "" if body is None else self.text_of(body)
        if text:
            yield Footnote(text=text, number="" if citation is None else all_text(citation), place=place)

    def _list(self, element: etree._Element, place: Place, outer: _List | None) -> Iterator[Block]:
        first = next(element.iter(f"{TEXT}p", f"{TEXT}h"), None)
        own = element.get(f"{TEXT}style-name", "") or (outer.style if outer else "")
        own = own or ("" if first is None else self._styles.list_of(first.get(f"{TEXT}style-name", "")))
        inside = _List(own, outer.level + 1 if outer else 1)
        continues = element.get(f"{TEXT}continue-numbering") == "true" or element.get(f"{TEXT}continue-list")
        if outer is None and not continues:
            self._counters.restart(own)
        for item in element:
            number: str | None = None
            is_header = local_name(item) == "list-header"
            for child in item:
                if local_name(child) in ("p", "h") and number is None and not is_header:
                    start = item.get(f"{TEXT}start-value")
                    number = self._counters.next_number(
                        inside.style, inside.level, _positive(start, 1) if start else None
                    )
                    yield from self.block(child, place, inside, number)
                else:
                    yield from self.block(child, place, inside, None)

    def _table(self, element: etree._Element, place: Place) -> Iterator[Block]:
        cells: list[Cell] = []
        header_rows = row_number = 0
        for row, is_header in table_rows(element):
            column = 0
            for cell in row:
                if local_name(cell) not in ("table-cell", "covered-table-cell") or column >= MAX_COLUMNS:
                    continue
                repeated = min(_positive(cell.get(f"{TABLE}number-columns-repeated"), 1), MAX_COLUMNS - column)
                text = self.text_of(cell) if local_name(cell) == "table-cell" else ""
                down, across = (_positive(cell.get(f"{TABLE}number-{way}-spanned"), 1) for way in ("rows", "columns"))
                cells += [
                    Cell(row_number, column + offset, text, min(down, MAX_REPEATED), across)
                    for offset in range(repeated if text else 0)
                ]
                column += repeated
            row_number += 1
            header_rows += is_header
        table = build_table(cells, header_rows=header_rows or None, place=place)
        if table is not None and (len(table.header) > 1 or any(len(row) > 1 for row in table.rows)):
            yield table
        elif table is not None:  # one column is a frame around text
            yield from (
                Paragraph(text=text, place=place) for row in (table.header, *table.rows) for text in row if text
            )

    def _shape(self, element: etree._Element, place: Place) -> Iterator[Block]:
        found = list(self._content_of(element, place))
        yield from found
        description = " ".join(all_text(e) for name in ("title", "desc") for e in element.iterfind(f"{SVG}{name}"))
        if text := alternative_text(description):
            yield Caption(text=text, place=place)

    def _content_of(self, element: etree._Element, place: Place) -> Iterator[Block]:
        for child in element:
            if child.tag == f"{DRAW}object":
                yield from self._object(child.get(f"{XLINK}href", ""), place)
                return  # what follows is a picture of it
            yield from self.block(child, place, None, None)

    def _object(self, target: str, place: Place) -> Iterator[Block]:
        """Yield what an embedded object shows: the data of a chart, the text of a formula."""
        root = self._package.xml(f"{target.removeprefix('./').rstrip('/')}/content.xml")
        if root is None:
            return
        if local_name(root) == "math":
            texts = [all_text(each) for each in root.iter("{*}annotation")]
            text = " ".join(" ".join(texts).split()) or " ".join(all_text(root).split())
            if text:
                yield Paragraph(text=text, place=place)
            return
        for title in root.iter("{*}chart"):
            for part in title.iterfind("{*}title"):
                yield from self.blocks(part, place)
        body = root.find(f"{OFFICE}body")
        for table in () if body is None else body.iter(f"{TABLE}table"):
            yield from self._table(table, place)


def table_rows(table: etree._Element, *, is_header: bool = False) -> Iterator[tuple[etree._Element, bool]]:
    """Yield the rows of a table, not of those within its cells, and whether each is marked as a header."""
    for child in table:
        name = local_name(child)
        if name == "table-row":
            yield child, is_header
        elif name in ("table-header-rows", "table-rows", "table-row-group"):
            yield from table_rows(child, is_header=is_header or name == "table-header-rows")


def all_text(element: etree._Element) -> str:
    """Return all characters below an element."""
    return "".join(map(str, element.itertext()))


def _text_of_block(block: Block) -> str:
    match block:
        case ListItem(number=number, text=text):
            return text if number == "-" else f"{number} {text}"
        case Paragraph() | Heading() | Caption() | Footnote():
            return block.text
        case _:
            rows = (getattr(block, "header", ()), *getattr(block, "rows", ()))
            return "\n".join(" ".join(filter(None, row)) for row in rows if any(row))


def _positive(written: str | None, default: int) -> int:
    return max(1, int(written)) if written and written.isdecimal() and len(written) < 8 else default
