"""Files of Word 6 and Word 95: text in one byte a character, with marks of tables and of hidden and deleted text.

The offsets are those of the file information block of Word 6; the tables are as in Word 97, with shorter entries. Of
the operations on characters and paragraphs, which had one byte then, only those that matter here are looked for.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.old_word.binary import PAGE, Piece, Properties, Runs, WordFile, places
from ingest.parsing.old_word.codes import BOLD, DELETED, HIDDEN, IN_TABLE, ROW_END

MAGIC: Final = 0xA5DC
_LANGUAGE, _FLAGS, _MACHINE, _FIRST, _COUNTS, _PIECES = 0x06, 0x0A, 0x12, 0x18, 0x34, 0x160
_FOOTNOTES, _HEADERS, _CHARACTERS, _PARAGRAPHS, _ENDNOTES = 0x68, 0xB0, 0xB8, 0xC0, 0x1D2
_MAC: Final = 1
_COMPLEX, _ENCRYPTED = 0x0004, 0x0100
_MAX_CHARACTERS: Final = 20_000_000
_PARAGRAPH_ENTRY: Final = 7
_CHARACTER_MARKS: Final = {b"\x5c\x01": HIDDEN, b"\x41\x01": DELETED, b"\x55\x01": BOLD}
_PARAGRAPH_MARKS: Final = {b"\x18\x01": IN_TABLE, b"\x19\x01": ROW_END}
_CODE_PAGES: Final = {
    **dict.fromkeys((0x19, 0x22, 0x02, 0x23), "cp1251"),
    **dict.fromkeys((0x05, 0x0E, 0x15, 0x18, 0x1A, 0x1B, 0x24), "cp1250"),
    **{0x08: "cp1253", 0x1F: "cp1254", 0x0D: "cp1255", 0x01: "cp1256", 0x1E: "cp874"},
}
"""By the primary language of the file. Vietnamese was written in fonts that draw it over Western letters."""


def read_word_6(main: bytes) -> WordFile:
    """Read the main stream of a file. Raises Encrypted, Unreadable, or struct.error for damage."""
    language, flags = struct.unpack_from("<H", main, _LANGUAGE)[0], struct.unpack_from("<H", main, _FLAGS)[0]
    if flags & _ENCRYPTED:
        raise Encrypted("it is protected by a password")
    lengths = struct.unpack_from("<7I", main, _COUNTS)
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    if ends[-1] > _MAX_CHARACTERS:
        raise Unreadable("it claims to be longer than documents are")
    codec = "mac_roman" if main[_MACHINE] == _MAC else _CODE_PAGES.get(language & 0x3FF, "cp1252")
    ranges = _ranges(main, ends[-1], is_complex=bool(flags & _COMPLEX))
    return WordFile(
        pieces=[Piece(first, at, 1, main[at : at + n].decode(codec, "replace")) for first, at, n in ranges],
        characters=_runs(main, _part(main, _CHARACTERS), _CHARACTER_MARKS, entry=1),
        paragraphs=_runs(main, _part(main, _PARAGRAPHS), _PARAGRAPH_MARKS, entry=_PARAGRAPH_ENTRY),
        stories=list(zip([0, *ends], ends, strict=False)),
        footnotes=places(_part(main, _FOOTNOTES), 2),
        endnotes=places(_part(main, _ENDNOTES), 2),
        headers=places(_part(main, _HEADERS), 0),
        style_sheet=b"",
        list_uses=b"",
        lists_at=0,
        table=b"",
        has_lists=False,
    )


def _part(main: bytes, at: int) -> bytes:
    offset, size = struct.unpack_from("<II", main, at)
    return main[offset : offset + size]


def _ranges(main: bytes, length: int, *, is_complex: bool) -> Iterator[tuple[int, int, int]]:
    """Yield place in the text, offset in the stream and length of the pieces of text."""
    table = _part(main, _PIECES) if is_complex else b""
    at = 0
    while at < len(table) and table[at] == 1:
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    if at >= len(table) or table[at] != 2:  # saved as a whole
        yield 0, struct.unpack_from("<I", main, _FIRST)[0], length
        return
    size = struct.unpack_from("<I", table, at + 1)[0]
    body = table[at + 5 : at + 5 + size]
    count = (len(body) - 4) // 12
    starts = struct.unpack_from(f"<{count + 1}I", body)
    for number, (first, end) in enumerate(pairwise(starts)):
        yield first, struct.unpack_from("<I", body, 4 * (count + 1) + 8 * number + 2)[0], end - first


def _runs(main: bytes, table: bytes, marks: dict[bytes, int], *, entry: int) -> Runs:
    """Read the pages of properties that a table lists."""
    runs = Runs()
    count = (len(table) - 4) // 6
    for number in struct.unpack_from(f"<{max(count, 0)}H", table, 4 * (count + 1)) if count > 0 else ():
        page = main[number * PAGE : (number + 1) * PAGE]
        if len(page) == PAGE:
            _read_page(page, runs, marks, entry)
    return runs


def _read_page(page: bytes, runs: Runs, marks: dict[bytes, int], entry: int) -> None:
    count = page[-1]
    bounds = struct.unpack_from(f"<{count + 1}I", page)
    for number, (start, end) in enumerate(pairwise(bounds)):
        at = 2 * page[4 * (count + 1) + entry * number]
        style, operations = 0, b""
        if at and entry == _PARAGRAPH_ENTRY:
            style, operations = struct.unpack_from("<H", page, at + 1)[0], page[at + 3 : at + 2 * page[at] + 1]
        elif at:
            operations = page[at + 1 : at + 1 + page[at]]
        if not runs.starts or start >= runs.starts[-1]:
            found: Properties = {code: 1 for mark, code in marks.items() if mark in operations}
            runs.starts.append(start)
            runs.ends.append(end)
            runs.properties.append(found)
            runs.styles.append(style)
