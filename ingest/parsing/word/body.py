"""The blocks of a Word document's body, in order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from lxml import etree

from ingest.parsing.charts import chart_table
from ingest.parsing.diagrams import diagram_items
from ingest.parsing.mail import Attachment, read_attachments
from ingest.parsing.opc import Package, local_name
from ingest.parsing.outline import Outline
from ingest.parsing.tables import build_table
from ingest.parsing.word.numbering import Numbering, format_number
from ingest.parsing.word.runs import Inline, InlineReader
from ingest.parsing.word.styles import Styles, W, outline_level, value
from ingest.parsing.word.tables import Row, is_layout, table_cells, table_rows
from phoserve.text.blocks import Block, Caption, Footnote, Heading, ListItem, Paragraph, Place

_MAX_DEPTH: Final = 256
"""As deep as libxml2 reads: nothing is left out."""
_MAX_TITLE_LINES: Final = 3
_PLACE: Final = Place()
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(slots=True)
class Parts:
    """What the body refers to."""

    package: Package
    styles: Styles
    numbering: Numbering
    notes: Mapping[tuple[str, str], etree._Element]
    """Footnotes and endnotes by kind and id."""
    targets: Mapping[str, str]
    """Names of related parts by relationship id."""
    with_fonts: bool = False
    """Whether some text is in fonts that draw Vietnamese over Western letters."""


@dataclass(slots=True)
class BodyReader:
    """Reads a body, once."""

    parts: Parts
    blocks: list[Block] = field(default_factory=list)
    hidden_runs: int = 0
    unread_inserts: int = 0
    """Inserted files that cannot be read."""
    converted: list[str] = field(default_factory=list)
    """The legacy encoding of each paragraph that was converted by its fonts."""
    objects: list[tuple[str, str]] = field(default_factory=list)
    """The program and the part of each embedded object."""
    title_lines: list[str] = field(default_factory=list)
    """The first centred bold lines outside of tables: what a decision or a decree is called."""
    titled: str = ""
    """The text in Word's style "Title"."""
    _inline: InlineReader = field(init=False)
    _outline: Outline = field(default_factory=Outline)
    _note_numbers: dict[str, int] = field(default_factory=dict)
    _waiting: list[Block] = field(default_factory=list)
    """What follows the paragraph or table that is being read: its notes, text boxes, charts and pictures."""
    _is_titling: bool = True
    """Whether no line has followed the title lines yet."""
    _in_layout: bool = False
    """Whether this is a table that places text, such as a letterhead, where heading styles only set it larger."""
    _in_cell: bool = False
    """Whether this is a cell, where a number alone is text."""
    _carried: str = ""
    """Text of paragraphs whose end was deleted: it joins the next one."""

    def __post_init__(self) -> None:
        self._inline = InlineReader(self.parts.styles, with_fonts=self.parts.with_fonts)

    def read(self, container: etree._Element, depth: int = 0) -> None:
        """Append the blocks of `container`."""
        if depth > _MAX_DEPTH:
            return
        for element in container:
            name = local_name(element)
            if name == "p":
                self._paragraph(element, depth)
            elif name == "tbl":
                self._table(element, depth)
            elif name == "sdt":
                content = element.find(f"{W}sdtContent")
                if content is not None and element.find(f"{W}sdtPr/{W}showingPlcHdr") is None:
                    self.read(content, depth + 1)
            elif name == "AlternateContent" and len(element):
                self.read(element[0], depth + 1)
            elif name in ("customXml", "ins", "moveTo", "smartTag"):
                self.read(element, depth + 1)
            elif name == "altChunk":
                self._insert(element)

    def _insert(self, element: etree._Element) -> None:
        """Append the blocks of an inserted file; files that cannot be read are counted."""
        target = self.parts.targets.get(element.get(_RELATION, ""), "")
        content = self.parts.package.read(target) if target in self.parts.package else b""
        blocks, _ = read_attachments([Attachment(target.rpartition("/")[2], content)])
        self.blocks.extend(msgspec.structs.replace(block, place=_PLACE) for block in blocks[1:])  # below its name
        self.unread_inserts += not blocks

    # ---- paragraphs

    def _paragraph(self, paragraph: etree._Element, depth: int) -> None:
        properties = paragraph.find(f"{W}pPr")
        style = self.parts.styles.of_paragraph(properties)
        inline = self._inline.read(paragraph, style)
        self._count(inline)
        text = tidy(self._carried + inline.text)
        if _end_is_deleted(properties):
            self._carried = f"{text} " if text else ""
            self._collect(inline, depth)
            self._flush()
            return
        self._carried = ""
        place = self.parts.numbering.place_of(properties, style)
        number = self.parts.numbering.next(*place) if place and (text or not _is_emptied(paragraph)) else None
        if any(character.isalnum() for character in text) or (self._in_cell and number not in (None, "", "-")):
            level = None if place is None else place[1]
            self._append(text, number, level, _Setting.of(properties, style, inline, self.parts.styles))
        self._collect(inline, depth)
        self._flush()

    def _count(self, inline: Inline) -> None:
        self.hidden_runs += inline.hidden_runs
        if inline.encoding:
            self.converted.append(inline.encoding)

    def _append(self, text: str, number: str | None, level: int | None, setting: "_Setting") -> None:
        shown = f"{number} {text}" if number and number != "-" else text
        self._note_title_line(shown, setting)
        if setting.name.startswith(("toc ", "table of figures")):
            self.blocks.append(ListItem(text=shown, level=1))
        elif setting.name in ("title", "document title"):
            self.titled = f"{self.titled} {shown}".strip()
            self.blocks.append(Heading(text=shown, level=1))
        elif setting.name == "caption":
            self.blocks.append(Caption(text=shown))
        elif self._outline.add(self.blocks, shown, _PLACE, strong=setting.is_strong):
            return
        elif setting.heading is not None and not self._in_layout:
            self.blocks.append(Heading(text=shown, level=min(setting.heading, 6)))
        elif number:
            self.blocks.append(ListItem(text=text, number=number, level=(level or 0) + 1))
        else:
            self.blocks.append(Paragraph(text=text))

    def _note_title_line(self, text: str, setting: "_Setting") -> None:
        if self._in_layout or not self._is_titling:
            return
        if setting.is_centred and setting.is_strong and len(self.title_lines) < _MAX_TITLE_LINES:
            self.title_lines.append(text)
        else:
            self._is_titling = not self.title_lines

    # ---- what is anchored in a paragraph

    def _collect(self, inline: Inline, depth: int) -> None:
        for box in inline.boxes:
            self._waiting.extend(self._inner_blocks(box, depth))
        for identifier in inline.charts:
            root = self._related_xml(identifier)
            if root is not None and (table := chart_table(root, _PLACE)):
                self._waiting.append(table)
        for identifier in inline.diagrams:
            root = self._related_xml(identifier)
            if root is not None:
                self._waiting.extend(diagram_items(root, _PLACE))
        self._waiting.extend(Caption(text=text) for text in inline.captions)
        self.objects.extend((program, self.parts.targets.get(identifier, "")) for program, identifier in inline.objects)
        for note in inline.notes:
            self._waiting.extend(self._note(*note))

    def _note(self, kind: str, identifier: str, mark: str | None) -> Iterator[Footnote]:
        note = self.parts.notes.get((kind, identifier))
        number = mark or ""
        if mark is None:
            self._note_numbers[kind] = self._note_numbers.get(kind, 0) + 1
            number = format_number(self._note_numbers[kind], "lowerRoman" if kind == "endnote" else "decimal")
        if note is None:
            return
        lines: list[str] = []
        for paragraph in note.iter(f"{W}p"):
            style = self.parts.styles.of_paragraph(paragraph.find(f"{W}pPr"))
            inline = InlineReader(self.parts.styles, with_fonts=self.parts.with_fonts).read(paragraph, style)
            self._count(inline)
            lines.append(tidy(inline.text))
        if text := "\n".join(filter(None, lines)):
            yield Footnote(text=text, number=number)

    def _related_xml(self, identifier: str) -> etree._Element | None:
        target = self.parts.targets.get(identifier)
        return None if target is None else self.parts.package.xml(target)

    def _flush(self) -> None:
        self.blocks.extend(self._waiting)
        self._waiting.clear()

    # ---- tables

    def _table(self, table: etree._Element, depth: int) -> None:
        rows = table_rows(table)
        if is_layout(table, rows, self.parts.styles):
            self._layout(rows, depth)
            return
        waiting: list[Block] = []

        def text_of(cell: etree._Element) -> tuple[str, bool]:
            inner = self._inner_blocks(cell, depth, in_cell=True)
            waiting.extend(block for block in inner if not isinstance(block, Paragraph | Heading | ListItem))
            lines = [_line(block) for block in inner]
            return "\n".join(filter(None, lines)), bool(inner) and all(isinstance(b, Heading) for b in inner)

        cells, header_rows = table_cells(rows, text_of, self.parts.styles)
        built = build_table(cells, header_rows=header_rows)
        if built:
            self.blocks.append(built)
        self.blocks.extend(waiting)

    def _layout(self, rows: Sequence[Row], depth: int) -> None:
        outer, self._in_layout = self._in_layout, self._in_layout or any(len(row.cells) > 1 for row in rows)
        for row in rows:
            for cell in row.cells:
                self.read(cell.element, depth + 1)
        self._in_layout = outer

    def _inner_blocks(self, container: etree._Element, depth: int, *, in_cell: bool = False) -> list[Block]:
        """Return the blocks of a cell or a text box, read apart from the flow of the body."""
        outer = self.blocks, self._waiting, self._outline, self._carried, self._in_cell
        self.blocks, self._waiting, self._outline, self._carried, self._in_cell = [], [], Outline(), "", in_cell
        self.read(container, depth + 1)
        inner = self.blocks
        self.blocks, self._waiting, self._outline, self._carried, self._in_cell = outer
        return inner


@dataclass(frozen=True, slots=True)
class _Setting:
    """How a paragraph is set."""

    name: str
    """Its style's name."""
    heading: int | None
    all_bold: bool
    is_centred: bool

    @property
    def is_strong(self) -> bool:
        return self.all_bold or self.heading is not None

    @classmethod
    def of(cls, properties: etree._Element | None, style: str, inline: Inline, styles: Styles) -> "_Setting":
        own = None if properties is None else value(properties.find(f"{W}outlineLvl"))
        heading = styles.heading_level(style)
        if own is not None:
            heading = outline_level(own)
        alignment = None if properties is None else value(properties.find(f"{W}jc"))
        is_centred = alignment == "center" if alignment is not None else styles.is_centred(style)
        return cls(styles.name(style), heading, inline.all_bold, is_centred)


def tidy(text: str) -> str:
    """Return `text` with its line breaks, single blanks within lines, and no blanks at their ends."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(lines).strip()


def _line(block: Block) -> str:
    if isinstance(block, ListItem):
        return f"{block.number} {block.text}".strip()
    return block.text if isinstance(block, Paragraph | Heading) else ""


def _end_is_deleted(properties: etree._Element | None) -> bool:
    """Whether the paragraph's end is deleted or moved away, so that the next paragraph continues it."""
    if properties is None:
        return False
    return any(properties.find(f"{W}rPr/{W}{name}") is not None for name in ("del", "moveFrom"))


def _is_emptied(paragraph: etree._Element) -> bool:
    """Whether all that the paragraph held is deleted or moved away."""
    return any(paragraph.find(f"{W}{name}") is not None for name in ("del", "moveFrom"))
