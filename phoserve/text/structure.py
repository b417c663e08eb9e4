"""A document as one text and the elements it is made of: what chunks, quotes and citations are cut from.

Elements come from a parser's blocks, or from the lines of plain text, in which headings, clauses and tables are
recognised. Both ways end in `outline`, which knows the path of headings to each element.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from phoserve.text.blocks import Block, Caption, Code, Footnote, Heading, ListItem, Paragraph, Place, Record, Table
from phoserve.text.clauses import ClauseCounter
from phoserve.text.headings import law_level, shorten_title
from phoserve.text.leaders import is_mostly_leaders
from phoserve.text.lines import Located, read_lines, recognise_blocks
from phoserve.text.quotations import quoted_blocks

SHORT_RECORD_CHARACTERS: Final = 80
"""Records at least this long are passages of their own; shorter ones share a passage."""
CELL_SEPARATOR: Final = " | "

NOWHERE: Final = Place()

Span = tuple[int, int]


class Break(IntEnum):
    """How good a place to begin a chunk is; larger is better."""

    WORD = 0
    CLAUSE = 1
    SENTENCE = 2
    ITEM = 3
    PARAGRAPH = 4
    SECTION = 5


class Kind(StrEnum):
    """What an element is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    TABLE_HEADER = "table_header"
    ROW = "row"
    RECORD = "record"
    CODE = "code"
    FOOTNOTE = "footnote"
    CAPTION = "caption"


@dataclass(frozen=True, slots=True)
class Element:
    """A heading, paragraph, item or row: `text[start:end]`. The elements of a text leave out only white space."""

    start: int
    end: int
    kind: Kind
    before: Break
    """What kind of place it begins at; WORD after a heading, which stays with what it is the heading of."""
    headings: tuple[str, ...]
    """Titles of the sections it is in, outermost first; a heading's own title is the last of its."""
    place: Place = NOWHERE
    context: str = ""
    """The header of the table that a row is in, as it is in the text; without it a row cannot be understood."""
    label: str = ""
    """How a law cites it: "điểm b khoản 3 Điều 9"."""

    @property
    def is_whole(self) -> bool:
        """Whether it is quoted and packed as one, however many sentences it holds."""
        return self.kind in _WHOLE


_WHOLE: Final = frozenset({Kind.HEADING, Kind.TABLE_HEADER, Kind.ROW, Kind.RECORD})


@dataclass(frozen=True, slots=True)
class StructuredText:
    """The text of a document, which spans of passages, hits and citations count in, and its elements in order."""

    text: str
    elements: tuple[Element, ...]


def structure_text(text: str) -> StructuredText:
    """Recognise the elements of plain text, which stays as it is, in time linear in its length."""
    return StructuredText(text, tuple(outline(read_lines(text))))


def render_blocks(blocks: Iterable[Block]) -> StructuredText:
    """Write a parser's blocks as one text; clauses of laws that were typed as paragraphs are recognised."""
    parts: list[str] = []
    located: list[Located] = []
    at = 0
    before: Block | None = None
    for block in map(_without_blank_rows, recognise_blocks(blocks)):
        spans: list[Span] = []
        for line in _lines_of(block):
            separator = "" if not parts else "\n" if spans or _is_close(before, block) else "\n\n"
            parts += [separator, line]
            at += len(separator)
            spans.append((at, at + len(line)))
            at += len(line)
        if spans:
            located.append(Located(block, tuple(spans)))
            before = block
    return StructuredText("".join(parts), tuple(outline(located)))


def table_line(cells: Sequence[str]) -> str:
    """Write a table row or header on one line."""
    return CELL_SEPARATOR.join(" ".join(cell.split()) for cell in cells).strip()


def outline(located: Iterable[Located]) -> Iterator[Element]:
    """Yield the elements of blocks that are in a text at the given spans."""
    path: tuple[tuple[int, str], ...] = ()
    headings: tuple[str, ...] = ()
    clauses = ClauseCounter()
    after_heading = False
    blocks = list(located)
    quoted = quoted_blocks([found.block for found in blocks])
    for number_of_block, (found, spans) in enumerate(blocks):
        block = found
        is_quoted = number_of_block in quoted
        if isinstance(block, Heading) and (is_quoted or is_mostly_leaders(block.text)):
            block = Paragraph(text=block.text, place=block.place)
        if isinstance(block, Heading):
            level = law_level(block.text.partition("\n")[0]) or law_level(block.text) or block.level
            path = (*(above for above in path if above[0] < level), (level, shorten_title(block.text)))
            headings = tuple(title for _, title in path)
        label = clauses.label_of(block, path[-1][1] if path else "", is_quoted=is_quoted)
        for number, element in enumerate(_elements(block, spans, headings, label)):
            sticks = after_heading and not isinstance(block, Heading) and number == 0
            yield _glued(element) if sticks else element
            after_heading = element.kind is Kind.HEADING


def _glued(element: Element) -> Element:
    """Copy of an element that stays with the heading before it."""
    return Element(
        element.start, element.end, element.kind, Break.WORD, element.headings, element.place, element.context,
        element.label,
    )  # fmt: skip


def _elements(block: Block, spans: Sequence[Span], headings: tuple[str, ...], label: str) -> Iterator[Element]:
    if isinstance(block, Table):
        yield from _table_elements(block, spans, headings)
        return
    [(start, end)] = spans
    kind, before = _KINDS[type(block)]
    if isinstance(block, Record) and end - start >= SHORT_RECORD_CHARACTERS:
        before = Break.SECTION
    yield Element(start, end, kind, before, headings, block.place, label=label)


def _table_elements(table: Table, spans: Sequence[Span], headings: tuple[str, ...]) -> Iterator[Element]:
    before, position = Break.PARAGRAPH, 0
    for is_there, kind in ((bool(table.caption.strip()), Kind.CAPTION), (bool(table.header), Kind.TABLE_HEADER)):
        if is_there:
            yield Element(*spans[position], kind, before, headings, table.place)
            before, position = Break.WORD, position + 1
    context = table_line(table.header)
    numbers: Sequence[int | None] = table.row_numbers or [table.place.row] * len(table.rows)
    for span, number in zip(spans[position:], numbers, strict=True):
        place = table.place if number is None else msgspec.structs.replace(table.place, row=number)
        yield Element(*span, Kind.ROW, before, headings, place, context)
        before = Break.ITEM


def _without_blank_rows(block: Block) -> Block:
    if not isinstance(block, Table):
        return block
    numbers = block.row_numbers or (0,) * len(block.rows)
    kept = [(row, number) for row, number in zip(block.rows, numbers, strict=True) if any(map(str.strip, row))]
    return msgspec.structs.replace(
        block,
        header=block.header if any(map(str.strip, block.header)) else (),
        rows=tuple(row for row, _ in kept),
        row_numbers=tuple(number for _, number in kept) if block.row_numbers else (),
    )


def _lines_of(block: Block) -> Iterator[str]:
    """The separate stretches of text of a block; white space at their ends is dropped, empty ones are left out."""
    match block:
        case Table(header=header, rows=rows, caption=caption):
            lines: Iterable[str] = (" ".join(caption.split()), table_line(header), *map(table_line, rows))
        case Record(fields=fields):
            lines = ["\n".join(f"{label}: {value}" if label else value for label, value in fields)]
        case ListItem(number=number, text=text) | Footnote(number=number, text=text):
            lines = [f"{number} {text}".strip() if text.strip() else ""]
        case Code(text=text):
            lines = [text.strip("\n")]
        case _:
            lines = [block.text]
    return (line.rstrip() if isinstance(block, Code) else line.strip() for line in lines if line.strip())


def _is_close(before: Block | None, block: Block) -> bool:
    """Whether no blank line separates the block from the one before."""
    if isinstance(block, ListItem):
        return isinstance(before, ListItem | Paragraph | Heading)
    return isinstance(block, Footnote) or (isinstance(before, Heading) and not isinstance(block, Heading | Table))


_KINDS: Final[dict[type[Block], tuple[Kind, Break]]] = {
    Heading: (Kind.HEADING, Break.SECTION),
    Paragraph: (Kind.PARAGRAPH, Break.PARAGRAPH),
    ListItem: (Kind.ITEM, Break.ITEM),
    Record: (Kind.RECORD, Break.PARAGRAPH),
    Code: (Kind.CODE, Break.PARAGRAPH),
    Footnote: (Kind.FOOTNOTE, Break.ITEM),
    Caption: (Kind.CAPTION, Break.PARAGRAPH),
}
