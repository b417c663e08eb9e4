"""Documents in the binary formats of Office 97, made by hand: as much of them as holds a text."""

import struct
from typing import Final

_SECTOR: Final = 512
_END: Final = 0xFFFFFFFE
_FREE: Final = 0xFFFFFFFF
_TABLE: Final = 0xFFFFFFFD
_SMALLEST_STREAM: Final = 4096
"""Shorter content would be stored in the file's mini stream."""


def powerpoint(text: str) -> bytes:
    """A presentation (.ppt) of one slide."""
    characters = _atom(0x0FA0, text.encode("utf-16-le"))
    slides = _container(0x0FF0, _atom(0x03F3, bytes(20)) + _atom(0x0F9F, bytes(4)) + characters)
    return compound("PowerPoint Document", _container(0x03E8, slides) + _container(0x03EE, characters))


def excel(rows: list[list[str]]) -> bytes:
    """A workbook (.xls) of one sheet."""
    name = "Bảng".encode("utf-16-le")
    sheet = struct.pack("<IHBB", 0, 0, len(name) // 2, 1) + name
    start = sum(len(part) for part in (_begin(0x0005), _record(0x0085, sheet), _record(0x000A)))
    book = _begin(0x0005) + _record(0x0085, struct.pack("<I", start) + sheet[4:]) + _record(0x000A)
    cells = [_label(y, x, text) for y, row in enumerate(rows) for x, text in enumerate(row)]
    return compound("Workbook", book + _begin(0x0010) + b"".join(cells) + _record(0x000A))


def _atom(kind: int, body: bytes, version: int = 0) -> bytes:
    return struct.pack("<HHI", version, kind, len(body)) + body


def _container(kind: int, body: bytes) -> bytes:
    return _atom(kind, body, version=0xF)


def _record(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _begin(part: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, part, 0, 0, 0, 0))


def _label(row: int, column: int, text: str) -> bytes:
    return _record(0x0204, struct.pack("<HHHHB", row, column, 0, len(text), 1) + text.encode("utf-16-le"))


def compound(name: str, stream: bytes) -> bytes:
    """A compound file of one stream: a header, a sector of the table, one of the directory, the stream."""
    stream = stream.ljust(_SMALLEST_STREAM, b"\0")
    stream += bytes(-len(stream) % _SECTOR)
    sectors = len(stream) // _SECTOR
    table = [_TABLE, _END, *range(3, sectors + 2), _END]
    table += [_FREE] * (_SECTOR // 4 - len(table))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, _SMALLEST_STREAM, _END, 0, _END, 0) + struct.pack("<109I", 0, *[_FREE] * 108)
    directory = _entry("Root Entry", 5, child=1, start=_END, size=0)
    directory += _entry(name, 2, child=_FREE, start=2, size=len(stream))
    return head + struct.pack("<128I", *table) + directory.ljust(_SECTOR, b"\0") + stream


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    return raw.ljust(64, b"\0") + struct.pack(
        "<HBBIII16xI16xIQ", len(raw), kind, 1, _FREE, _FREE, child, 0, start, size
    )
