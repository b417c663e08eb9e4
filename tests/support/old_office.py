"""Documents in the binary formats of Office 97, made by hand: as much of them as holds a text."""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class OldSlide:
    """A slide of a presentation: kinds (0 for a title) and texts of placeholders, texts of other shapes, its notes."""

    placeholders: Sequence[tuple[int, str]] = ()
    shapes: Sequence[str] = ()
    notes: str = ""
    is_hidden: bool = False
    furniture: str = ""


def presentation(*slides: OldSlide, token: int = 0xE391C05F, changes: int = 1) -> bytes:
    """A presentation (.ppt); with more than one change, parts of former ones precede the newest."""
    stream, offset, previous = b"", 0, 0
    for change in range(changes):
        shown = slides if change == changes - 1 else [OldSlide(shapes=["cũ"])] * len(slides)
        parts = [_document(shown)]
        parts += [_slide(slide, 1000 + number) for number, slide in enumerate(shown)]
        parts += [_container(0x03F0, _drawing([_box(_text(2, slide.notes))])) for slide in shown]
        places = []
        for part in parts:
            places.append(len(stream))
            stream += part
        directory = len(stream)
        stream += _atom(0x1772, struct.pack(f"<I{len(places)}I", len(places) << 20 | 1, *places))
        previous, offset = offset, len(stream)
        stream += _atom(0x0FF5, struct.pack("<IHBBIIIIHH", 0, 0, 0, 3, previous, directory, 1, len(places), 0, 0))
    user = _atom(0x0FF6, struct.pack("<III", 20, token, offset))
    return compound("PowerPoint Document", stream, **{"Current User": user})


def _document(slides: Sequence[OldSlide]) -> bytes:
    listed = b""
    for number, slide in enumerate(slides):
        listed += _atom(0x03F3, struct.pack("<IIiII", 2 + number, 0, len(slide.placeholders), 256 + number, 0))
        listed += b"".join(_text(kind, text) for kind, text in slide.placeholders)
    notes = (struct.pack("<IIiII", 2 + len(slides) + n, 0, 0, 1000 + n, 0) for n in range(len(slides)))
    return _container(0x03E8, _list(0, listed) + _list(2, b"".join(_atom(0x03F3, one) for one in notes)))


def _list(instance: int, body: bytes) -> bytes:
    return struct.pack("<HHI", instance << 4 | 0xF, 0x0FF0, len(body)) + body


def _slide(slide: OldSlide, notes: int) -> bytes:
    boxes = [_box(_atom(0x0F9E, struct.pack("<I", number))) for number in range(len(slide.placeholders))]
    boxes += [_box(_text(4, text)) for text in slide.shapes]
    boxes.append(_box(_text(4, slide.furniture), placeholder=0x09))
    show = _atom(0x03F9, struct.pack("<IIBBHI", 0, 0, 0, 0, 0x04 * slide.is_hidden, 0))
    atom = _atom(0x03EF, struct.pack("<I8xIIHH", 0, 0, notes, 0, 0))
    return _container(0x03EE, atom + show + _drawing(boxes))


def _drawing(boxes: Sequence[bytes]) -> bytes:
    return _container(0x040C, _container(0xF002, _container(0xF003, b"".join(boxes))))


def _box(content: bytes, placeholder: int = 0) -> bytes:
    data = _container(0xF011, _atom(0x0BC3, struct.pack("<iBBH", 0, placeholder, 0, 0)))
    return _container(0xF004, data + _container(0xF00D, content))


def _text(kind: int, text: str) -> bytes:
    is_narrow = text.isascii()
    characters = _atom(0x0FA8, text.encode()) if is_narrow else _atom(0x0FA0, text.encode("utf-16-le"))
    return _atom(0x0F9F, struct.pack("<I", kind)) + characters


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


def compound(name: str, stream: bytes, **others: bytes) -> bytes:
    """A compound file: a header, a sector of the table, one of the directory, the streams."""
    streams = {name: stream, **others}
    table, entries, body = [_TABLE, _END], [_entry("Root Entry", 5, child=1, start=_END, size=0)], b""
    for number, (title, content) in enumerate(streams.items(), 1):
        content = content.ljust(_SMALLEST_STREAM, b"\0")
        content += bytes(-len(content) % _SECTOR)
        first, sectors = len(table), len(content) // _SECTOR
        following = number + 1 if number < len(streams) else _FREE
        entries.append(_entry(title, 2, child=_FREE, start=first, size=len(content), right=following))
        table += [*range(first + 1, first + sectors), _END]
        body += content
    table += [_FREE] * (_SECTOR // 4 - len(table))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, _SMALLEST_STREAM, _END, 0, _END, 0) + struct.pack("<109I", 0, *[_FREE] * 108)
    return head + struct.pack("<128I", *table) + b"".join(entries).ljust(_SECTOR, b"\0") + body


def _entry(name: str, kind: int, *, child: int, start: int, size: int, right: int = _FREE) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    return raw.ljust(64, b"\0") + struct.pack(
        "<HBBIII16xI16xIQ", len(raw), kind, 1, _FREE, right, child, 0, start, size
    )


@dataclass(frozen=True)
class OldText:
    """A story of a Word document: runs of characters, and what holds for each paragraph of it."""

    runs: Sequence[tuple[str, bytes]]
    """Characters, "\\r" or "\\x07" at the end of each paragraph, and operations on them."""
    paragraphs: Sequence[tuple[int, bytes]] = ()
    """Style and operations of each paragraph; of those after the last one, none."""


def operation(code: int, value: int, size: int = 1) -> bytes:
    """Return an operation on characters or paragraphs."""
    return struct.pack("<H", code) + value.to_bytes(size, "little")


def word(
    *stories: OldText,
    footnotes: Sequence[int] = (),
    headers: Sequence[int] = (),
    levels: Sequence[tuple[int, str]] = (),
    version: int = 0xC1,
    data: bytes = b"",
    styles: Sequence[tuple[int, bytes]] = (),
    fonts: Sequence[str] = (),
) -> bytes:
    """A Word document (.doc) of the stories given, in their order: text, footnotes, headers, and so on.

    `footnotes` are places of their marks in the text, `headers` the beginnings of headers and their end, `levels` the
    kinds and texts of numbers of its first list; its second list is the same one, which begins at 7. `styles` are kinds
    (1 of paragraphs, 2 of characters) and operations on characters.
    """
    text = "".join(run for story in stories for run, _ in story.runs)
    start = 1024
    raw = text.encode("utf-16-le")
    raw += bytes(-len(raw) % _SECTOR)
    runs = [(len(run), operations) for story in stories for run, operations in story.runs if run]
    paragraphs = [paragraph for story in stories for paragraph in _paragraph_lengths(story)]
    pages = (start + len(raw)) // _SECTOR
    body = raw + _property_page(start, [(n, struct.pack("<B", len(o)) + o) for n, o in runs], stride=1)
    body += _property_page(start, [(n, _paragraph_entry(style, o)) for n, style, o in paragraphs], stride=13)
    pieces = struct.pack("<II", 0, len(text)) + struct.pack("<HIH", 0, start, 0)
    end = start + 2 * len(text)
    parts = {
        33: b"\x02" + struct.pack("<I", len(pieces)) + pieces,
        12: struct.pack("<III", start, end, pages),
        13: struct.pack("<III", start, end, pages + 1),
        2: struct.pack(f"<{len(footnotes) + 1}I", *footnotes, len(text)) + bytes(2 * len(footnotes)),
        11: struct.pack(f"<{len(headers)}I", *headers),
    }
    if styles:
        parts[1] = _style_sheet(styles)
    if fonts:
        parts[15] = struct.pack("<HH", len(fonts), 0) + b"".join(map(_font, fonts))
    if levels:
        parts |= {73: _lists(levels), 74: _list_uses()}
    return _word_file(stories, parts, body, version, data)


def _style_sheet(styles: Sequence[tuple[int, bytes]]) -> bytes:
    head = struct.pack("<HH", len(styles), 10).ljust(18, b"\0")
    sheet = struct.pack("<H", len(head)) + head
    for kind, operations in styles:
        style = struct.pack("<5H", 0, kind | 0xFFF0, 0, 0, 0) + struct.pack("<H", 1) + "S\0".encode("utf-16-le")
        for change in [b"\0\0", operations] if kind == 1 else [operations]:
            style += struct.pack("<H", len(change)) + change + bytes(len(change) % 2)
        sheet += struct.pack("<H", len(style)) + style
    return sheet


def _font(name: str) -> bytes:
    entry = bytes(39) + f"{name}\0".encode("utf-16-le")
    return bytes([len(entry)]) + entry


def _lists(levels: Sequence[tuple[int, str]]) -> bytes:
    all_levels = [*levels, *[(255, "")] * (9 - len(levels))]
    made = struct.pack("<Hii18xBB", 1, 42, 0, 0, 0)
    for kind, text in all_levels:
        made += struct.pack("<iBB9xBiiBBBBH", 1, kind, 0, 0, 0, 0, 0, 0, 0, 0, len(text)) + text.encode("utf-16-le")
    return made


def _list_uses() -> bytes:
    uses = struct.pack("<I", 2) + struct.pack("<i8xBBH", 42, 0, 0, 0) + struct.pack("<i8xBBH", 42, 1, 0, 0)
    return uses + b"\xff" * 4 + b"\xff" * 4 + struct.pack("<iI", 7, 0x10)


def _word_file(stories: Sequence[OldText], parts: dict[int, bytes], body: bytes, version: int, data: bytes) -> bytes:
    head = bytearray(1024)
    struct.pack_into("<HH6xH", head, 0, 0xA5EC, version, 0x0200)
    lengths = [sum(len(run) for run, _ in story.runs) for story in stories]
    struct.pack_into(f"<{len(lengths)}I", head, 0x4C, *lengths)
    table = b""
    for number, part in parts.items():
        struct.pack_into("<II", head, 0x9A + 8 * number, len(table), len(part))
        table += part
    return compound("WordDocument", bytes(head) + body, **{"1Table": table}, **({"Data": data} if data else {}))


def _paragraph_lengths(story: OldText) -> Iterator[tuple[int, int, bytes]]:
    text = "".join(run for run, _ in story.runs)
    parts = [part for part in re.split(r"(?<=[\r\x07])", text) if part]
    for number, part in enumerate(parts):
        style, operations = story.paragraphs[number] if number < len(story.paragraphs) else (0, b"")
        yield len(part), style, operations


def _paragraph_entry(style: int, operations: bytes) -> bytes:
    content = struct.pack("<H", style) + operations
    return bytes([0, (len(content) + 1) // 2]) + content.ljust(len(content) + len(content) % 2, b"\0")


def _property_page(start: int, ranges: Sequence[tuple[int, bytes]], *, stride: int) -> bytes:
    """Return a page of properties: places, then offsets of their entries, which fill the page from its end."""
    page = bytearray(_SECTOR)
    page[-1] = len(ranges)
    at, place = _SECTOR - 2, start
    offsets = 4 * (len(ranges) + 1)
    for number, (length, entry) in enumerate(ranges):
        struct.pack_into("<I", page, 4 * number, place)
        place += 2 * length
        at = (at - len(entry)) // 2 * 2
        page[at : at + len(entry)] = entry
        page[offsets + stride * number] = at // 2
    struct.pack_into("<I", page, 4 * len(ranges), place)
    if offsets + stride * len(ranges) > at:
        raise ValueError("too many ranges for one page")
    return bytes(page)
