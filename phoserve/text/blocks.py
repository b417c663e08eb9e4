"""The document model: what a parser finds in a file, in reading order, with where each part came from.

Parsers yield blocks of plain text without markup. Rendering, chunking, citations and answers work on blocks, so no
later step has to guess structure from characters.
"""

from typing import Any

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a block is in its file. Numbers count from 1; a field is None where the format has no such thing."""

    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    row: int | None = None
    """The row of a sheet or CSV file, as a spreadsheet program numbers it; of a table, its first body row."""
    part: str | None = None
    """The part of a mail, archive or record file, such as an attachment's name."""


class Heading(msgspec.Struct, frozen=True, kw_only=True, tag="heading"):
    """A title of a section."""

    text: str
    """As displayed, automatic numbering included: "Điều 3. Kỷ luật lao động"."""
    level: int
    """1 (outermost) to 12; levels 7 to 12 are those of Vietnamese law (`phoserve.text.headings`)."""
    place: Place = Place()


class Paragraph(msgspec.Struct, frozen=True, kw_only=True, tag="paragraph"):
    """Running text; line breaks inside it are kept."""

    text: str
    place: Place = Place()


class ListItem(msgspec.Struct, frozen=True, kw_only=True, tag="item"):
    """An item of a list, or a numbered clause (khoản, điểm)."""

    text: str
    """Without its number or bullet."""
    number: str = "-"
    """As displayed: "1.", "a)", "-"."""
    level: int = 1
    """Depth of nesting, 1 for the outermost list."""
    place: Place = Place()


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    """A table; every row has as many cells as the header, values are as displayed."""

    header: tuple[str, ...] = ()
    """One cell a column, merged header rows joined; empty where the table has no header."""
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    place: Place = Place()
    row_numbers: tuple[int, ...] = ()
    """The number of each row in its sheet; empty where rows are not numbered."""


class Record(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """An entry of a JSON file or a form: values with their labels, quoted and retrieved as a whole."""

    fields: tuple[tuple[str, str], ...]
    """Label and value, as displayed; a value without a label has an empty one."""
    place: Place = Place()


class Code(msgspec.Struct, frozen=True, kw_only=True, tag="code"):
    """Preformatted text."""

    text: str
    place: Place = Place()


class Footnote(msgspec.Struct, frozen=True, kw_only=True, tag="footnote"):
    """A note; it follows the block that refers to it."""

    text: str
    number: str = ""
    place: Place = Place()


class Caption(msgspec.Struct, frozen=True, kw_only=True, tag="caption"):
    """The caption of a figure or table, or a picture's alternative text."""

    text: str
    place: Place = Place()


Block = Heading | Paragraph | ListItem | Table | Record | Code | Footnote | Caption


class ParserWarning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something in the file that could not be kept or was changed; programs translate by `code`."""

    code: str
    """Such as `text_repaired`, `page_without_text`, `attachment_skipped`, `hidden_content`, `rows_cut`,
    `formula_without_value`."""
    message: str
    """One English sentence for people."""
    place: Place = Place()


class ParsedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file."""

    blocks: tuple[Block, ...]
    title: str = ""
    """The file's own title; empty where it has none worth showing."""
    warnings: tuple[ParserWarning, ...] = ()
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    """Metadata of the file, such as `author`, `header`, `footer`, `sender`, `date`."""
