"""A story of an RTF file (the text, a note, a header, a text box): its paragraphs and tables as blocks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.legacy_fonts import LegacyFont, Run, join_runs
from ingest.parsing.outline import Outline
from ingest.parsing.rich_text.characters import WESTERN, Characters
from ingest.parsing.rich_text.tables import CellText, Row, RowShape, grid_cells, is_layout
from ingest.parsing.scripts import raise_text
from ingest.parsing.tables import build_table
from ingest.parsing.word.body import tidy
from phoserve.text.blocks import Block, Footnote, Heading, ListItem, Paragraph, Place

_PLACE: Final = Place()
_MAX_NESTED: Final = 20


@dataclass(frozen=True, slots=True)
class Setting:
    """How a paragraph is set."""

    heading: int | None = None
    """Its level by its style or outline level, 1 to 9."""
    is_title: bool = False
    level: int = 0
    """Of a list, 0 the outermost."""


@dataclass(slots=True)
class _Open:
    """A table that has not ended."""

    rows: list[Row] = field(default_factory=list)
    cells: list[CellText] = field(default_factory=list)
    shape: RowShape = field(default_factory=RowShape)
    lines: list[str] = field(default_factory=list)
    """Of the cell that is being read."""
    all_bold: bool = True


@dataclass(slots=True)
class Story:
    """Collects characters; blocks are complete after `finish`."""

    blocks: list[Block] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    """The legacy encoding of each paragraph that was converted."""
    number: str = ""
    """The automatic number of the paragraph that is being read."""
    notes: list[Footnote] = field(default_factory=list)
    _characters: Characters = field(default_factory=Characters)
    _font: LegacyFont | None = None
    _runs: list[Run] = field(default_factory=list)
    _all_bold: bool = True
    _raised: bool = False
    _outline: Outline = field(default_factory=Outline)
    _tables: list[_Open] = field(default_factory=list)
    _waiting: list[Block] = field(default_factory=list)

    # ---- characters

    def set_run(self, font: LegacyFont | None, *, raised: bool) -> None:
        """Begin another run if its font or its height differs."""
        if font != self._font or raised != self._raised:
            self._end_run()
            self._font, self._raised = font, raised

    def add(self, content: bytes, codec: str, *, is_bold: bool) -> None:
        """Append bytes of a code page."""
        # Legacy fonts draw bytes, whatever the charset that the file declares for them.
        self._characters.add_bytes(content, WESTERN if self._font else codec)
        if not is_bold and content.strip():
            self._all_bold = False

    def add_text(self, text: str, *, is_bold: bool = True) -> None:
        """Append characters."""
        self._characters.add_text(text)
        if not is_bold and text.strip():
            self._all_bold = False

    def add_code(self, number: int) -> None:
        """Append a UTF-16 code unit."""
        self._characters.add_code(number)

    def append(self, block: Block) -> None:
        """Append a block after the paragraph or table that is being read."""
        self._waiting.append(block)

    def _end_run(self) -> None:
        text = self._characters.take()
        if text and self._raised:
            before = self._runs[-1][0] if self._runs else ""
            text = raise_text(text, before)
        if text:
            self._runs.append((text, self._font))

    def _take(self) -> tuple[str, bool]:
        """Return the paragraph that ends, and whether all of it is bold."""
        self._end_run()
        text, encoding = join_runs(self._runs)
        if encoding:
            self.converted.append(encoding)
        bold, self._all_bold = self._all_bold, True
        self._runs.clear()
        return tidy(text), bold and bool(text.strip())

    # ---- paragraphs, cells and rows

    def end_paragraph(self, setting: Setting, depth: int) -> None:
        """End a paragraph, which is within `depth` tables."""
        depth = min(depth, _MAX_NESTED)
        self._end_tables(depth)
        text, is_bold = self._take()
        number, self.number = self.number, ""
        if depth:
            self._open(depth)
            self._add_line(text, number, is_bold=is_bold)
            return
        if any(map(str.isalnum, text)):
            self._append(text, number, setting, is_bold=is_bold)
        self._flush()

    def end_cell(self, depth: int) -> None:
        """End a cell of the table at a depth, with the paragraph that it ends with."""
        depth = max(1, min(depth, _MAX_NESTED))
        self._end_tables(depth)
        table = self._open(depth)
        text, is_bold = self._take()
        number, self.number = self.number, ""
        self._add_line(text, number, is_bold=is_bold)
        lines = [line for line in table.lines if line]
        table.cells.append(CellText("\n".join(lines), table.all_bold and bool(lines), len(table.lines)))
        table.lines, table.all_bold = [], True

    def end_row(self, depth: int, shape: RowShape) -> None:
        """End a row of the table at a depth."""
        depth = max(1, min(depth, _MAX_NESTED))
        self._end_tables(depth)
        table = self._open(depth)
        if table.cells:
            table.rows.append(Row(shape.copy(), table.cells))
            table.cells = []

    def finish(self) -> list[Block]:
        """Return the blocks, with what the last paragraph lacks an end for."""
        self.end_paragraph(Setting(), 0)
        return self.blocks

    def _add_line(self, text: str, number: str, *, is_bold: bool) -> None:
        table = self._tables[-1]
        table.lines.append(f"{number} {text}".strip() if number != "-" else text)
        if text and not is_bold:
            table.all_bold = False

    def _open(self, depth: int) -> _Open:
        while len(self._tables) < depth:
            self._tables.append(_Open())
        return self._tables[depth - 1]

    def _end_tables(self, depth: int) -> None:
        """End the tables that are deeper than `depth`."""
        while len(self._tables) > depth:
            table = self._tables.pop()
            if table.cells or any(table.lines):
                rest = [CellText("\n".join(filter(None, table.lines)), is_bold=False, paragraphs=1)]
                table.rows.append(Row(table.shape, [*table.cells, *(rest if any(table.lines) else [])]))
            if not table.rows:
                continue
            self._end_table(table.rows)
            if not self._tables:
                self._flush()

    def _end_table(self, rows: list[Row]) -> None:
        inner = bool(self._tables)
        if is_layout(rows) and not inner:
            for text in (line for row in rows for cell in row.cells for line in cell.text.split("\n")):
                if any(map(str.isalnum, text)):
                    self._append(text, "", Setting(), is_bold=False)
            return
        cells, header_rows = grid_cells(rows)
        built = build_table(cells, header_rows=header_rows)
        if built is None:
            return
        if inner:
            self._waiting.append(built)
        else:
            self.blocks.append(built)

    def _append(self, text: str, number: str, setting: Setting, *, is_bold: bool) -> None:
        shown = f"{number} {text}" if number and number != "-" else text
        if setting.is_title:
            self.blocks.append(Heading(text=shown, level=1))
        elif self._outline.add(self.blocks, shown, _PLACE, strong=is_bold or setting.heading is not None):
            return
        elif setting.heading is not None:
            self.blocks.append(Heading(text=shown, level=min(setting.heading, 6)))
        elif number:
            self.blocks.append(ListItem(text=text, number=number, level=setting.level + 1))
        else:
            self.blocks.append(Paragraph(text=text))

    def _flush(self) -> None:
        self.blocks.extend(self.notes)
        self.notes.clear()
        self.blocks.extend(self._waiting)
        self._waiting.clear()


def plain_lines(blocks: list[Block]) -> Iterator[str]:
    """Yield the lines of the blocks of a note or a header."""
    for block in blocks:
        match block:
            case Paragraph() | Heading() | Footnote():
                yield block.text
            case ListItem():
                yield f"{block.number} {block.text}"
            case _:
                rows = getattr(block, "rows", ())
                header = getattr(block, "header", ())
                yield from (" ".join(filter(None, row)) for row in (header, *rows) if any(row))
