"""The parts of a .doc file: its stories, pieces of text, and properties of characters and paragraphs (MS-DOC)."""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from ingest.parsing.faults import Encrypted, Unreadable

_MAGIC: Final = 0xA5EC
_WORD_97: Final = 0xC1
_ENCRYPTED: Final = 0x0100
_TABLE_1: Final = 0x0200
_COUNTS: Final = 0x4C
"""Where the lengths of stories are: text, footnotes, headers, macros, comments, endnotes, text boxes."""
_PLACES: Final = 0x9A
"""Where the places of other parts are, 8 bytes each."""
_STYLES, _FOOTNOTES, _HEADERS, _CHARACTERS, _PARAGRAPHS = 1, 2, 11, 12, 13
_FONTS, _PIECES, _ENDNOTES, _LISTS, _LIST_USES = 15, 33, 46, 73, 74
_FONT_NAME: Final = 40
"""Where the name of a font begins in its entry."""
PAGE: Final = 512
_COMPRESSED: Final = 1 << 30
_MAX_CHARACTERS: Final = 20_000_000
_OPERAND_BYTES: Final = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}
"""By the three highest bits of an operation; 6 has a length of its own."""

TABLE_SHAPE: Final = 0xD608
"""The operation that defines the cells of a row; its operand is kept as one number, the first byte the lowest."""
_HUGE: Final = (0x6646, 0x6645)
"""Operations whose operand is where more of them are in the data stream."""

Properties = dict[int, int]
"""Operands of the operations (sprm) on a run or a paragraph, as far as they are numbers."""


class Piece(NamedTuple):
    """Characters that are next to each other in the file."""

    first: int
    """The place in the text of its first character."""
    offset: int
    """In the stream, in bytes."""
    width: int
    """Bytes a character."""
    text: str


@dataclass(slots=True)
class Runs:
    """Properties of the ranges of a stream."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    properties: list[Properties] = field(default_factory=list)
    styles: list[int] = field(default_factory=list)

    def at(self, offset: int) -> int | None:
        """Return the number of the range that an offset is in."""
        number = bisect_right(self.starts, offset) - 1
        return number if number >= 0 and offset < self.ends[number] else None


@dataclass(slots=True)
class WordFile:
    """An open .doc file."""

    pieces: list[Piece]
    characters: Runs
    paragraphs: Runs
    stories: list[tuple[int, int]]
    """Where text, footnotes, headers, macros, comments, endnotes and text boxes begin and end."""
    footnotes: list[int]
    """Where the text refers to footnotes."""
    endnotes: list[int]
    headers: list[int]
    """Where headers and footers begin, within their story."""
    style_sheet: bytes
    list_uses: bytes
    """How paragraphs refer to lists."""
    lists_at: int
    """Where the lists begin in `table`, beyond the end of their part."""
    table: bytes
    fonts: list[str] = field(default_factory=list)
    """The names of fonts, as operations number them."""
    has_lists: bool = True
    """Whether its automatic numbers can be read."""


def read_file(main: bytes, tables: dict[str, bytes], data: bytes = b"") -> WordFile:
    """Read the streams of a file. Raises Encrypted, Unreadable for older formats, struct.error for damage."""
    magic, version, flags = struct.unpack_from("<HH6xH", main)
    if magic != _MAGIC or version < _WORD_97:
        raise Unreadable("it is not of Word 97 or later")
    if flags & _ENCRYPTED:
        raise Encrypted("it is protected by a password")
    table = tables.get("1Table" if flags & _TABLE_1 else "0Table")
    if table is None:
        raise Unreadable("it has no table of its pieces")

    def part(number: int) -> bytes:
        offset, size = struct.unpack_from("<II", main, _PLACES + 8 * number)
        return table[offset : offset + size]

    lengths = struct.unpack_from("<7I", main, _COUNTS)
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    if ends[-1] > _MAX_CHARACTERS:
        raise Unreadable("it claims to be longer than documents are")
    return WordFile(
        pieces=list(_pieces(part(_PIECES), main)),
        characters=_runs(part(_CHARACTERS), main, is_paragraph=False),
        paragraphs=_with_huge(_runs(part(_PARAGRAPHS), main, is_paragraph=True), data),
        stories=list(zip([0, *ends], ends, strict=False)),
        footnotes=places(part(_FOOTNOTES), 2),
        endnotes=places(part(_ENDNOTES), 2),
        headers=places(part(_HEADERS), 0),
        style_sheet=part(_STYLES),
        list_uses=part(_LIST_USES),
        lists_at=struct.unpack_from("<I", main, _PLACES + 8 * _LISTS)[0],
        table=table,
        fonts=list(_font_names(part(_FONTS))),
    )


def _pieces(table: bytes, main: bytes) -> Iterator[Piece]:
    at = 0
    while table[at] == 1:
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    size = struct.unpack_from("<I", table, at + 1)[0]
    body = table[at + 5 : at + 5 + size]
    count = (size - 4) // 12
    places = struct.unpack_from(f"<{count + 1}I", body)
    for number, (first, end) in enumerate(pairwise(places)):
        offset = struct.unpack_from("<I", body, 4 * (count + 1) + 8 * number + 2)[0]
        width = 1 if offset & _COMPRESSED else 2
        offset = (offset & ~_COMPRESSED) // 2 if width == 1 else offset
        raw = main[offset : offset + width * (end - first)]
        text = raw.decode("cp1252" if width == 1 else "utf-16-le", "replace" if width == 1 else "surrogatepass")
        yield Piece(first, offset, width, text)


def _font_names(table: bytes) -> Iterator[str]:
    """Yield the names in a table of fonts (2.9.286)."""
    at = 4
    while at < len(table):
        size = table[at] + 1
        name = table[at + _FONT_NAME : at + size].decode("utf-16-le", "replace")
        yield name.partition("\0")[0]
        at += size


def places(table: bytes, data_bytes: int) -> list[int]:
    """Return the places in a table of n + 1 of them and n data, without the last one."""
    count = (len(table) - 4) // (4 + data_bytes) if len(table) >= 4 else 0
    return list(struct.unpack_from(f"<{count}I", table))


def _runs(table: bytes, main: bytes, *, is_paragraph: bool) -> Runs:
    """Read the pages of properties that a table lists (2.9.33 and 2.9.175)."""
    runs = Runs()
    count = (len(table) - 4) // 8
    for number in struct.unpack_from(f"<{max(count, 0)}I", table, 4 * (count + 1)) if count > 0 else ():
        page = main[(number & 0x3FFFFF) * PAGE :][:PAGE]
        if len(page) == PAGE:
            _read_page(page, runs, is_paragraph=is_paragraph)
    return runs


def _with_huge(runs: Runs, data: bytes) -> Runs:
    """Add the operations that are stored in the data stream, as those of rows with many cells are (2.9.176)."""
    for properties in runs.properties:
        offset = next((properties[code] for code in _HUGE if code in properties), None)
        if offset is not None and offset + 2 <= len(data):
            size = struct.unpack_from("<H", data, offset)[0]
            properties |= read_properties(data[offset + 2 : offset + 2 + size])
    return runs


def _read_page(page: bytes, runs: Runs, *, is_paragraph: bool) -> None:
    count = page[-1]
    places = struct.unpack_from(f"<{count + 1}I", page)
    stride = 13 if is_paragraph else 1
    for number, (start, end) in enumerate(pairwise(places)):
        at = 2 * page[4 * (count + 1) + stride * number]
        style, operations = 0, b""
        if at and is_paragraph:
            style, operations = _paragraph_operations(page, at)
        elif at:
            operations = page[at + 1 : at + 1 + page[at]]
        if not runs.starts or start >= runs.starts[-1]:
            runs.starts.append(start)
            runs.ends.append(end)
            runs.properties.append(read_properties(operations))
            runs.styles.append(style)


def _paragraph_operations(page: bytes, at: int) -> tuple[int, bytes]:
    size = 2 * page[at] - 1 if page[at] else 2 * page[at + 1]
    at += 1 if page[at] else 2
    style = struct.unpack_from("<H", page, at)[0]
    return style, page[at + 2 : at + size]


def read_properties(operations: bytes) -> Properties:
    """Return the operands of operations."""
    found: Properties = {}
    at = 0
    while at + 2 < len(operations):
        operation = struct.unpack_from("<H", operations, at)[0]
        at += 2
        size = _OPERAND_BYTES.get(operation >> 13)
        if operation == TABLE_SHAPE and at + 2 <= len(operations):
            size = 1 + struct.unpack_from("<H", operations, at)[0]
            found[operation] = int.from_bytes(operations[at + 2 : at + size], "little")
        elif size is None:
            size = 1 + operations[at]
        else:
            found[operation] = int.from_bytes(operations[at : at + size], "little")
        at += size
    return found
