"""Word documents of 1993 to 2003 (.doc): text, tables, notes and text boxes, without what is hidden or deleted.

Older or damaged files are left to `other_office`.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import olefile

from ingest.parsing import other_office
from ingest.parsing.faults import Unreadable
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.media import DOC
from ingest.parsing.old_word.binary import WordFile, read_file
from ingest.parsing.old_word.codes import IN_TABLE, INNER_ROW_END, OUTLINE, ROW_END
from ingest.parsing.old_word.lists import LEVEL, LIST, Lists, Style, read_lists, read_styles
from ingest.parsing.old_word.rows import row_shape
from ingest.parsing.old_word.text import CELL, NOTE, OldParagraph, StoryReader
from ingest.parsing.old_word.word_6 import MAGIC, read_word_6
from ingest.parsing.opc import is_template_title
from ingest.parsing.outline import Outline
from ingest.parsing.rich_text.tables import CellText, Row, RowShape, grid_cells
from ingest.parsing.tables import build_table
from ingest.parsing.word.body import tidy
from ingest.parsing.word.numbering import format_number
from phoserve.text.blocks import Block, Footnote, Heading, ListItem, Paragraph, ParsedDocument, ParserWarning, Place

_TEXT, _FOOTNOTES, _HEADERS, _ENDNOTES, _BOXES = 0, 1, 2, 5, 6
_TABLES: Final = ("0Table", "1Table")
_SEPARATORS: Final = 6
"""Stories of headers that draw lines above notes; after them six for each section."""
_HEADER_STORIES: Final = (0, 1, 4)
_MAX_HEADERS: Final = 600
_HEADING_STYLES: Final = range(1, 10)
_LAYOUT_ROWS: Final = 2
"""Tables of at most this many rows place text, such as letterheads."""
_NUMBERS: Final = ParserWarning(
    code="not_as_displayed",
    message="the automatic numbers of the file cannot be read; save it in a new format (.docx) to have them read",
)


def parse(path: Path) -> ParsedDocument:
    """Read a document. Raises Unreadable or Encrypted."""
    return other_office.read_or_extract(path, DOC, _parse)


def _parse(path: Path) -> ParsedDocument:
    with olefile.OleFileIO(str(path)) as compound:
        if not compound.exists("WordDocument"):
            raise Unreadable("it is no Word document")
        tables: dict[str, bytes] = {name: compound.openstream(name).read() for name in _TABLES if compound.exists(name)}
        main = compound.openstream("WordDocument").read()
        is_word_6 = main[:2] == struct.pack("<H", MAGIC)
        file = read_word_6(main) if is_word_6 else read_file(main, tables, _data(compound))
        title = _own_title(compound)
    reader = _Reader(file)
    blocks = reader.read()
    if not blocks:
        raise Unreadable("there is no text in it")
    warnings = [_NUMBERS] if reader.lists is None else []
    if count := reader.stories.hidden_passages:
        message = f"{count} passage{'s' * (count > 1)} of hidden text left out"
        warnings.append(ParserWarning(code="hidden_content", message=message))
    properties = dict(reader.properties())
    warnings += converted_warning(reader.stories.converted)
    return ParsedDocument(blocks=tuple(blocks), title=title, warnings=tuple(warnings), properties=properties)


def _data(compound: olefile.OleFileIO) -> bytes:
    content: bytes = compound.openstream("Data").read() if compound.exists("Data") else b""
    return content


def _own_title(compound: olefile.OleFileIO) -> str:
    metadata = compound.get_metadata()
    title = metadata.title or b""
    if not isinstance(title, bytes):
        return str(title)
    encoding = "utf-8" if metadata.codepage == 65001 else f"cp{metadata.codepage or 1252}"
    try:
        text = title.decode(encoding).strip()
    except (LookupError, UnicodeDecodeError):
        return ""
    return "" if is_template_title(text) else text


class _Reader:
    def __init__(self, file: WordFile) -> None:
        styles, self.lists = _styles_and_lists(file)
        self.stories = StoryReader(file, styles)
        self._file = file
        self._blocks: list[Block] = []
        self._outline = Outline()
        self._notes = {
            "footnote": self._note_texts(file.stories[_FOOTNOTES], len(file.footnotes)),
            "endnote": self._note_texts(file.stories[_ENDNOTES], len(file.endnotes)),
        }
        self._rows: list[list[OldParagraph]] = []
        self._shapes: list[RowShape] = []
        self._row: list[OldParagraph] = []
        self._cell: list[OldParagraph] = []

    def read(self) -> list[Block]:
        """Return the blocks of the text and of the text boxes."""
        for story in (_TEXT, _BOXES):
            for paragraph in self.stories.read(*self._file.stories[story]):
                self._add(paragraph)
            self._end_table()
        return self._blocks

    def properties(self) -> Iterator[tuple[str, str]]:
        """Yield headers and footers, each line once."""
        start, end = self._file.stories[_HEADERS]
        places = [start + place for place in self._file.headers[:_MAX_HEADERS]]
        found: dict[str, dict[str, None]] = {"header": {}, "footer": {}}
        for number, (first, last) in enumerate(zip(places, [*places[1:], end], strict=False)):
            if number < _SEPARATORS:
                continue
            kind = "header" if (number - _SEPARATORS) % _SEPARATORS in _HEADER_STORIES else "footer"
            lines = (tidy(paragraph.text) for paragraph in self.stories.read(first, last))
            found[kind] |= dict.fromkeys(line for line in lines if any(map(str.isalpha, line)))
        yield from ((kind, "\n".join(lines)) for kind, lines in found.items() if lines)

    def _note_texts(self, story: tuple[int, int], count: int) -> list[str]:
        """Return the texts of notes, in order; each begins with the mark of its number."""
        texts: list[list[str]] = []
        for paragraph in self.stories.read(*story, keeps_marks=True):
            text = tidy(paragraph.text)
            if text.startswith(NOTE) or not texts:
                texts.append([])
            texts[-1].append(text.removeprefix(NOTE).strip())
        return ["\n".join(filter(None, lines)) for lines in texts[:count]]

    def _add(self, paragraph: OldParagraph) -> None:
        if paragraph.ends_with == CELL or paragraph.properties.get(ROW_END) or paragraph.properties.get(IN_TABLE):
            self._add_to_table(paragraph)
            return
        self._end_table()
        self._append(paragraph)

    def _add_to_table(self, paragraph: OldParagraph) -> None:
        if paragraph.properties.get(ROW_END):
            if self._row:
                self._rows.append(self._row)
                self._shapes.append(row_shape(paragraph.properties))
            self._row, self._cell = [], []
            return
        if paragraph.properties.get(INNER_ROW_END):
            return
        self._cell.append(self._numbered(paragraph))
        if paragraph.ends_with == CELL:
            self._row.append(_joined(self._cell))
            self._cell = []

    def _end_table(self) -> None:
        rows = [*self._rows, self._row] if self._row else self._rows
        shapes = [*self._shapes, RowShape()]
        rest, self._rows, self._row, self._cell, self._shapes = self._cell, [], [], [], []
        if len(rows) <= _LAYOUT_ROWS or max(map(len, rows)) < 2:
            for cell in (cell for row in rows for cell in row):
                self._append(cell)
        else:
            texts = [[CellText(tidy(cell.text), cell.is_bold, 1) for cell in row] for row in rows]
            defined = all(len(shape.cells) == len(row) for shape, row in zip(shapes, rows, strict=False))
            cells, header_rows = grid_cells(
                [Row(shape if defined else RowShape(), row) for shape, row in zip(shapes, texts, strict=False)]
            )
            if table := build_table(cells, header_rows=header_rows):
                self._blocks.append(table)
            self._append_notes(cell for row in rows for cell in row)
        for paragraph in rest:
            self._append(paragraph)

    def _append(self, paragraph: OldParagraph) -> None:
        text = tidy(paragraph.text)
        number = self._number(paragraph)
        if any(map(str.isalnum, text)):
            shown = f"{number} {text}" if number and number != "-" else text
            level = _level(paragraph)
            strong = paragraph.is_bold or level is not None
            if not self._outline.add(self._blocks, shown, Place(), strong=strong):
                depth = paragraph.properties.get(LEVEL, 0) + 1
                self._blocks.append(_block(text, shown, level, number, depth))
        self._append_notes([paragraph])

    def _numbered(self, paragraph: OldParagraph) -> OldParagraph:
        """Return a paragraph of a cell with its number as text."""
        number = self._number(paragraph)
        if number is None:
            return paragraph
        text = paragraph.text if number == "-" else f"{number} {paragraph.text}"
        rest = {name: value for name, value in paragraph.properties.items() if name != LIST}
        return replace(paragraph, text=text, properties=rest)

    def _number(self, paragraph: OldParagraph) -> str | None:
        """Return the automatic number of a paragraph."""
        number = paragraph.properties.get(LIST, 0)
        return self.lists.next(number, paragraph.properties.get(LEVEL, 0)) if self.lists and number else None

    def _append_notes(self, paragraphs: Iterable[OldParagraph]) -> None:
        for kind, number in (note for paragraph in paragraphs for note in paragraph.notes):
            texts = self._notes[kind]
            if number < len(texts):
                shown = format_number(number + 1, "lowerRoman" if kind == "endnote" else "decimal")
                self._blocks.append(Footnote(text=texts[number], number=shown))


def _block(text: str, shown: str, level: int | None, number: str | None, depth: int) -> Block:
    if level is not None:
        return Heading(text=shown, level=min(level, 6))
    return ListItem(text=text, number=number, level=depth) if number else Paragraph(text=text)


def _styles_and_lists(file: WordFile) -> tuple[list[Style], Lists | None]:
    """Return the styles and lists of a file; None for lists that cannot be read."""
    if not file.has_lists:
        return [], None
    try:
        styles = read_styles(file.style_sheet) if file.style_sheet else []
        lists = read_lists(file.table, file.lists_at, file.list_uses) if file.list_uses else Lists()
    except (struct.error, IndexError, ValueError):
        return [], None
    return styles, lists


def _joined(paragraphs: list[OldParagraph]) -> OldParagraph:
    """Return the paragraphs of a cell as one."""
    if len(paragraphs) == 1:
        return paragraphs[0]
    text = "\n".join(paragraph.text for paragraph in paragraphs)
    notes = [note for paragraph in paragraphs for note in paragraph.notes]
    is_bold = all(paragraph.is_bold for paragraph in paragraphs if paragraph.text.strip())
    return OldParagraph(text, CELL, 0, {}, is_bold and bool(text.strip()), notes)


def _level(paragraph: OldParagraph) -> int | None:
    """Return the level of a heading, by its outline level or its built-in style."""
    outline = paragraph.properties.get(OUTLINE)
    if outline is not None:
        return outline + 1 if outline < len(_HEADING_STYLES) else None
    return paragraph.style if paragraph.style in _HEADING_STYLES else None
