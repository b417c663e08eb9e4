"""PowerPoint presentations of 1997 to 2003 (.ppt): each visible slide's title, text and notes (MS-PPT).

Damaged and older files are left to `other_office`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import olefile

from ingest.parsing import other_office
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.media import PPT
from ingest.parsing.word.body import tidy
from phoserve.text.blocks import Block, Heading, Paragraph, ParsedDocument, ParserWarning, Place

_STREAM, _USER = "PowerPoint Document", "Current User"
_ENCRYPTED: Final = 0xF3D1C4DF
_DOCUMENT, _SLIDE, _SLIDE_ATOM, _SLIDE_LIST, _PERSIST = 0x03E8, 0x03EE, 0x03EF, 0x0FF0, 0x03F3
_SHOW, _DRAWING, _EDIT, _DIRECTORY = 0x03F9, 0x040C, 0x0FF5, 0x1772
_TEXT_KIND, _CHARACTERS, _BYTES, _OUTLINE = 0x0F9F, 0x0FA0, 0x0FA8, 0x0F9E
_GROUP, _SHAPE, _TEXT_BOX, _SHAPE_DATA, _PLACEHOLDER, _GRAPHICS = 0xF003, 0xF004, 0xF00D, 0xF011, 0x0BC3, 0xF002
_TITLES: Final = (0, 6)
_NOTES_KIND: Final = 2
_FURNITURE: Final = range(0x07, 0x0B)
"""Placeholders of dates, slide numbers, footers and headers."""
_HIDDEN: Final = 0x04
_OF_SLIDES, _OF_NOTES = 0, 2
_MAX_DEPTH: Final = 40
_MAX_EDITS: Final = 1_000


class Record(NamedTuple):
    """A record: its kind, and where its content begins and ends."""

    kind: int
    instance: int
    start: int
    end: int


@dataclass(slots=True)
class _Listed:
    """A slide as the document lists it."""

    persist: int
    identifier: int
    texts: list[tuple[int, str]] = field(default_factory=list)
    """Kind and text of its placeholders."""


def parse(path: Path) -> ParsedDocument:
    """Read a presentation. Hidden slides are left out, with a warning. Raises Unreadable or Encrypted."""
    return other_office.read_or_extract(path, PPT, _parse)


def _parse(path: Path) -> ParsedDocument:
    with olefile.OleFileIO(str(path)) as compound:
        if not compound.exists(_USER):
            raise Unreadable("it has no list of its slides")
        stream, user = compound.openstream(_STREAM).read(), compound.openstream(_USER).read()
    token, offset = struct.unpack_from("<II", user, 12)
    if token == _ENCRYPTED:
        raise Encrypted("it is protected by a password")
    deck = _Deck(stream, offset)
    blocks = list(deck.blocks())
    if not blocks and not deck.hidden:
        raise Unreadable("there is no text in it")
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    warnings = [
        ParserWarning(code="hidden_content", message=f"the hidden slide {n} was left out", place=Place(slide=n))
        for n in deck.hidden
    ]
    return ParsedDocument(blocks=tuple(blocks), title=title, warnings=tuple(warnings))


class _Deck:
    def __init__(self, stream: bytes, offset: int) -> None:
        self.hidden: list[int] = []
        self._stream = stream
        self._places, document = self._persisted(offset)
        lists = {one.instance: one for one in self._children(self._at(document)) if one.kind == _SLIDE_LIST}
        self._slides = list(self._listed(lists.get(_OF_SLIDES)))
        self._notes = {one.identifier: one for one in self._listed(lists.get(_OF_NOTES))}

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the slides that are shown; numbers of the others are `hidden`."""
        for number, listed in enumerate(self._slides, 1):
            slide = self._at(listed.persist)
            children = {child.kind: child for child in self._children(slide)}
            show = children.get(_SHOW)
            if show and self._stream[show.start + 10] & _HIDDEN:
                self.hidden.append(number)
                continue
            place = Place(slide=number)
            texts = list(self._texts(slide, listed))
            yield from (Heading(text=tidy(text.replace("\n", " ")), place=place, level=1) for text in _titles(texts))
            for kind, text in texts:
                if kind not in _TITLES:
                    yield from (Paragraph(text=line, place=place) for line in text.split("\n"))
            yield from (Paragraph(text=line, place=place) for line in self._note_lines(children.get(_SLIDE_ATOM)))

    def _note_lines(self, atom: Record | None) -> Iterator[str]:
        identifier = struct.unpack_from("<I", self._stream, atom.start + 16)[0] if atom else 0
        listed = self._notes.get(identifier)
        if listed is None or listed.persist not in self._places:
            return
        for kind, text in self._texts(self._at(listed.persist), listed):
            if kind == _NOTES_KIND:
                yield from text.split("\n")

    def _texts(self, container: Record, listed: _Listed) -> Iterator[tuple[int, str]]:
        """Yield kind and text of the shapes on a slide, in the order of the file."""
        for drawing in (child for child in self._children(container) if child.kind == _DRAWING):
            for shape in self._shapes(drawing, 0):
                parts = {part.kind: part for part in self._children(shape)}
                box = parts.get(_TEXT_BOX)
                if box is None or self._is_furniture(parts.get(_SHAPE_DATA)):
                    continue
                for kind, text in self._box_texts(box, listed):
                    if any(map(str.isalnum, text)):
                        yield kind, text

    def _box_texts(self, box: Record, listed: _Listed) -> Iterator[tuple[int, str]]:
        kind = 4
        for part in self._children(box):
            if part.kind == _OUTLINE:
                number = struct.unpack_from("<I", self._stream, part.start)[0]
                yield from listed.texts[number : number + 1]
            elif part.kind == _TEXT_KIND:
                kind = struct.unpack_from("<I", self._stream, part.start)[0]
            elif part.kind in (_CHARACTERS, _BYTES):
                yield kind, self._text(part)

    def _shapes(self, parent: Record, depth: int) -> Iterator[Record]:
        for child in self._children(parent):
            if child.kind == _SHAPE:
                yield child
            elif child.kind in (_GROUP, _GRAPHICS) and depth < _MAX_DEPTH:
                yield from self._shapes(child, depth + 1)

    def _is_furniture(self, data: Record | None) -> bool:
        placeholders = [part for part in self._children(data) if part.kind == _PLACEHOLDER] if data else []
        return any(self._stream[part.start + 4] in _FURNITURE for part in placeholders)

    def _listed(self, container: Record | None) -> Iterator[_Listed]:
        found: _Listed | None = None
        kind = 4
        for part in self._children(container) if container else ():
            if part.kind == _PERSIST:
                if found:
                    yield found
                persist, identifier = struct.unpack_from("<I8xI", self._stream, part.start)
                found = _Listed(persist, identifier)
            elif part.kind == _TEXT_KIND and found:
                kind = struct.unpack_from("<I", self._stream, part.start)[0]
                found.texts.append((kind, ""))
            elif part.kind in (_CHARACTERS, _BYTES) and found and found.texts:
                found.texts[-1] = kind, self._text(part)
        if found:
            yield found

    def _text(self, record: Record) -> str:
        raw = self._stream[record.start : record.end]
        text = raw.decode("utf-16-le", "replace") if record.kind == _CHARACTERS else raw.decode("latin-1")
        return tidy(text.replace("\r", "\n").replace("\x0b", "\n"))

    def _persisted(self, offset: int) -> tuple[dict[int, int], int]:
        """Return where the parts of the newest version are, and the number of its document."""
        places: dict[int, int] = {}
        document = 0
        seen: set[int] = set()
        while offset not in seen and len(seen) < _MAX_EDITS:
            seen.add(offset)
            edit = self._record(offset)
            if edit.kind != _EDIT:
                raise Unreadable("its list of changes is damaged")
            offset, directory, newest = struct.unpack_from("<III", self._stream, edit.start + 8)
            document = document or newest
            self._read_directory(self._record(directory), places)
            if not offset:
                break
        return places, document

    def _read_directory(self, directory: Record, places: dict[int, int]) -> None:
        at = directory.start
        while directory.kind == _DIRECTORY and at + 4 <= directory.end:
            head = struct.unpack_from("<I", self._stream, at)[0]
            first, count = head & 0xFFFFF, head >> 20
            for number, place in enumerate(struct.unpack_from(f"<{count}I", self._stream, at + 4), first):
                places.setdefault(number, place)
            at += 4 + 4 * count

    def _at(self, persist: int) -> Record:
        return self._record(self._places[persist])

    def _children(self, parent: Record) -> Iterator[Record]:
        at = parent.start
        while at + 8 <= parent.end:
            child = self._record(at)
            yield child._replace(end=min(child.end, parent.end))
            at = child.end

    def _record(self, at: int) -> Record:
        version, kind, length = struct.unpack_from("<HHI", self._stream, at)
        return Record(kind, version >> 4, at + 8, min(at + 8 + length, len(self._stream)))


def _titles(texts: list[tuple[int, str]]) -> list[str]:
    return [text for kind, text in texts if kind in _TITLES]
