"""The paragraphs of a story of a .doc file as a reader sees them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.legacy_fonts import LegacyFont, Run, join_runs, legacy_font
from ingest.parsing.old_word.binary import Properties, WordFile
from ingest.parsing.old_word.codes import BOLD, CHARACTER_STYLE, DELETED, FONT, HIDDEN
from ingest.parsing.old_word.lists import Style

PARAGRAPH, CELL, BREAK = "\r", "\x07", "\x0c"
NOTE: Final = "\x02"
_FIELD, _RESULT, _FIELD_END = "\x13", "\x14", "\x15"
_SHOWN: Final = {"\x0b": "\n", "\t": "\t", "\x1e": "-", "\x1f": "", "\xa0": " "}
_AS_STYLE, _NOT_AS_STYLE = 0x80, 0x81
_LAST_CONTROL: Final = "\x1f"


@dataclass(slots=True)
class OldParagraph:
    """A paragraph, or a cell of a table."""

    text: str
    ends_with: str
    style: int
    properties: Properties
    is_bold: bool
    notes: list[tuple[str, int]] = field(default_factory=list)
    """Kind and number of the notes that it refers to, counted from 0."""


class StoryReader:
    """Reads stories; counts hidden passages."""

    def __init__(self, file: WordFile, styles: Sequence[Style] = ()) -> None:
        self.hidden_passages = 0
        self.converted: list[str] = []
        """The encoding of each paragraph that was converted from the font that draws it."""
        self._file = file
        self._styles = styles
        drawn = {number: legacy_font(name) for number, name in enumerate(file.fonts)}
        self._fonts = {number: font for number, font in drawn.items() if font is not None}
        self._notes = {place: ("footnote", n) for n, place in enumerate(file.footnotes)}
        self._notes |= {place: ("endnote", n) for n, place in enumerate(file.endnotes)}

    def read(self, start: int, end: int, *, keeps_marks: bool = False) -> Iterator[OldParagraph]:
        """Yield the paragraphs from one place in the text to another, with the marks at the beginning of notes."""
        parts: list[Run] = []
        notes: list[tuple[str, int]] = []
        fields: list[bool] = []
        all_bold, was_hidden = True, False
        for place, offset, width, text in self._runs(start, end):
            run = self._file.characters.at(offset)
            properties = {} if run is None else self._file.characters.properties[run]
            styles = self._styles_at(offset, properties)
            is_vanished = _is_on(properties, HIDDEN, styles)
            is_hidden = is_vanished or _is_on(properties, DELETED)
            self.hidden_passages += is_hidden and not was_hidden and is_vanished
            font = self._font(properties, styles)
            was_hidden = is_hidden
            for n, letter in enumerate(text):
                if letter in (PARAGRAPH, CELL, BREAK) and not _is_on(properties, DELETED):
                    yield self._paragraph(self._shown(parts), letter, offset + n * width, notes, is_bold=all_bold)
                    parts, notes, all_bold = [], [], True
                elif letter in (_FIELD, _RESULT, _FIELD_END):
                    _note_field(letter, fields)
                elif is_hidden or not all(fields):
                    continue
                elif place + n in self._notes and letter <= _LAST_CONTROL:
                    notes.append(self._notes[place + n])
                elif letter == NOTE and keeps_marks:
                    parts.append((NOTE, None))
                elif shown := _SHOWN.get(letter, letter if letter > _LAST_CONTROL else ""):
                    parts.append((shown, font))
                    all_bold = all_bold and (_is_on(properties, BOLD) or not shown.strip())
        if any(part.strip() for part, _ in parts):
            yield OldParagraph(self._shown(parts), PARAGRAPH, 0, {}, all_bold, notes)

    def _shown(self, parts: Sequence[Run]) -> str:
        """Return runs as they are displayed."""
        text, encoding = join_runs(parts)
        self.converted.extend([encoding] if encoding else ())
        return text

    def _styles_at(self, offset: int, properties: Properties) -> list[Properties]:
        """Return what the style of the characters gives them, and that of their paragraph."""
        found = []
        own = properties.get(CHARACTER_STYLE)
        if own is not None and own < len(self._styles):
            found.append(self._styles[own].characters)
        paragraph = self._file.paragraphs.at(offset)
        style = 0 if paragraph is None else self._file.paragraphs.styles[paragraph]
        if style < len(self._styles):
            found.append(self._styles[style].characters)
        return found

    def _font(self, properties: Properties, styles: Sequence[Properties]) -> LegacyFont | None:
        if not self._fonts:
            return None
        number = next((each[FONT] for each in (properties, *styles) if FONT in each), 0)
        return self._fonts.get(number)

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int, int, str]]:
        """Yield characters of one look and style: place, offset in the stream, bytes of each, and themselves."""
        characters = self._file.characters
        for piece in self._file.pieces:
            first, last = max(start, piece.first), min(end, piece.first + len(piece.text))
            while first < last:
                offset = piece.offset + (first - piece.first) * piece.width
                until = last
                for runs in (characters, self._file.paragraphs) if self._styles else (characters,):
                    if (run := runs.at(offset)) is not None:
                        until = min(until, first + max(1, (runs.ends[run] - offset) // piece.width))
                yield first, offset, piece.width, piece.text[first - piece.first : until - piece.first]
                first = until

    def _paragraph(
        self, text: str, letter: str, offset: int, notes: list[tuple[str, int]], *, is_bold: bool
    ) -> OldParagraph:
        runs = self._file.paragraphs
        run = runs.at(offset)
        style = 0 if run is None else runs.styles[run]
        properties = {} if run is None else runs.properties[run]
        if style < len(self._styles):
            properties = self._styles[style].paragraph | properties
        return OldParagraph(text, letter, style, properties, is_bold and bool(text.strip()), notes)


def _is_on(properties: Properties, operation: int, styles: Sequence[Properties] = ()) -> bool:
    """Whether a run has a property: its own, that of its styles, or what is not theirs (MS-DOC 2.9.327)."""
    by_style = sum(style.get(operation) == 1 for style in styles) % 2 == 1
    own = properties.get(operation, _AS_STYLE)
    return by_style if own == _AS_STYLE else not by_style if own == _NOT_AS_STYLE else own == 1


def _note_field(letter: str, fields: list[bool]) -> None:
    """Note for each open field whether its result is being read."""
    if letter == _FIELD:
        fields.append(False)
    elif letter == _RESULT and fields:
        fields[-1] = True
    elif letter == _FIELD_END and fields:
        fields.pop()
