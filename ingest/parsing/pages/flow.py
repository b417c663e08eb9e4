"""Lines of pages as paragraphs, headings and notes; a sentence that a page or column breaks is whole."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Final

import msgspec

from ingest.parsing.number_codes import ENGLISH
from ingest.parsing.number_format import style_of
from ingest.parsing.outline import Outline
from ingest.parsing.pages.columns import Column, Line
from phoserve.text.blocks import Block, Footnote, Heading, Paragraph, Place

_BULLET: Final = re.compile(r"[-–•●○◦▪■*+]\s")
_ENUMERATOR: Final = re.compile(
    r"(\d{1,3}(\.\d{1,3}){0,4}[.)]|\(?[a-zđ]\)|[ivx]{1,5}\)|[IVXLC]{1,6}[.)]|[-–—•+*●▪◦○■□✓➢❖]|"
    r"(điều|chương|mục|phần|phụ lục)\s+[\dIVXLC]+[.:]?)(\s|$)",
    re.IGNORECASE,
)
_WITH_PAGE: Final = re.compile(r".*[\s.…]\d{1,4}", re.DOTALL)
_NUMBERED_TITLE: Final = re.compile(r"(\d{1,2}(\.\d{1,2}){0,4}\.?|[IVXLC]{1,6}\.|[A-Z]\.)\s+\S")
_END: Final = re.compile(r"[.!?:;…][\"”’»)\]]*$")
_NOTE: Final = re.compile(r"(?P<number>\d{1,3}(?![\d/.,:%)-])|[*†‡]{1,3})\s*(?P<text>\S.*)", re.DOTALL)
_LETTER_HYPHEN: Final = re.compile(r"(?<![A-Za-zÀ-ỹ])([A-Za-zÀ-ỹ]+)-$")
_ENOUGH_WORDS: Final = 1000
_LARGER: Final = 1.12
_SMALLER: Final = 0.9
_LONGEST_HEADING: Final = 250
_MAX_LEVEL: Final = 6


@dataclass(slots=True)
class Sizes:
    """The sizes of letters in a document, by how many letters have them."""

    letters: Counter[float] = field(default_factory=Counter)

    def add(self, lines: Iterable[Line]) -> None:
        """Count the letters of `lines`."""
        for line in lines:
            self.letters[_rounded(line.size)] += len(line.text)

    @property
    def body(self) -> float:
        """Return the size of most letters."""
        return max(self.letters, key=lambda size: self.letters[size], default=10.0)

    def level(self, size: float) -> int | None:
        """Return the heading level of a size, 1 for the largest; None for one that is not larger than the body's."""
        if size < _LARGER * self.body:
            return None
        larger = sorted((s for s in self.letters if s >= _LARGER * self.body), reverse=True)
        return min(1 + sum(s > _rounded(size) + 0.25 for s in larger), _MAX_LEVEL)


@dataclass(slots=True)
class Flow:
    """The blocks of a document, page after page."""

    sizes: Sizes
    bookmarks: dict[str, int] = field(default_factory=dict)
    """Levels of the file's own outline, by title in lower case."""
    blocks: list[Block] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    """The words of the document, used to recognise hyphenated ones."""
    _outline: Outline = field(default_factory=Outline)
    _has_articles: bool = False
    _english: bool | None = None
    _open: int | None = None
    """The block that may continue on the next column or page."""
    _open_page: int | None = None
    """The page that its last line is on."""

    def add_table(self, block: Block) -> None:
        """Append a table. A sentence continues after it only if the table is on another page than its beginning."""
        if self._open_page == block.place.page:
            self._open = None
        self.blocks.append(block)

    def add_column(self, column: Column, page: int, *, is_last: bool) -> None:
        """Append the paragraphs of a column; `is_last` on its page, where footnotes are."""
        lines, notes = _without_notes(column.lines, self.sizes.body) if is_last else (column.lines, [])
        for paragraph in _paragraphs(lines, column, self.sizes.body):
            self._add(paragraph, column, page)
        for note in _notes(notes):
            match = _NOTE.fullmatch(self.join(note))
            if match:
                self.blocks.append(Footnote(text=match["text"], number=match["number"], place=Place(page=page)))

    def join(self, lines: Sequence[Line]) -> str:
        """Return lines as one text; a word that a hyphen breaks is whole, unless the hyphen is part of it."""
        text = ""
        for line in lines:
            text = self._joined(text, line.text)
        return text

    def _add(self, lines: list[Line], column: Column, page: int) -> None:
        text = self.join(lines)
        if not any(character.isalnum() for character in text):
            return
        place = Place(page=page)
        level = self._heading_level(lines, text)
        strong = all(line.bold for line in lines) or level is not None
        if self._continues(lines[0], text, strong=strong):
            self._open_page = page
            return
        self._open, self._open_page = None, page
        if self._outline.add(self.blocks, text, place, strong=strong):
            self._has_articles = True
        elif level is not None:
            self.blocks.append(Heading(text=text, level=level, place=place))
        else:
            self.blocks.append(Paragraph(text=text, place=place))
            full = lines[-1].x1 > column.x1 - 0.12 * (column.x1 - column.x0)
            ended = _END.search(text) is not None
            self._open = len(self.blocks) - 1 if not ended and (full or len(lines) == 1 or text[-1:] in ",-") else None

    def _continues(self, first: Line, text: str, *, strong: bool) -> bool:
        """Join `text` to the open paragraph if it continues there."""
        if self._open is None or strong or _ENUMERATOR.match(text):
            return False
        before = self.blocks[self._open]
        if not isinstance(before, Paragraph) or any(isinstance(b, Paragraph) for b in self.blocks[self._open + 1 :]):
            return False
        if text[:1].isupper() and self._looks_begun(first, before.text):
            return False
        joined = self._joined(before.text, text)
        self.blocks[self._open] = msgspec.structs.replace(before, text=joined)
        if _END.search(text):
            self._open = None
        return True

    @staticmethod
    def _looks_begun(first: Line, before: str) -> bool:
        """Whether a capital letter begins a sentence; after a comma or a small word it is a name."""
        return not before.endswith((",", "-", "(")) and len(first.words) > 0 and len(before) < 60

    def _heading_level(self, lines: Sequence[Line], text: str) -> int | None:
        if len(text) > _LONGEST_HEADING or _BULLET.match(text):
            return None
        marked = self.bookmarks.get(bookmark_key(text))
        if marked is not None:
            return marked
        level = self.sizes.level(max(line.size for line in lines))
        if level is not None:
            return level if not text.endswith((",", ";")) else None
        bold = all(line.bold for line in lines)
        plain = _END.search(text) or text.endswith(",") or _WITH_PAGE.fullmatch(text)
        if not bold or self._has_articles or len(lines) > 2 or plain:
            return None
        numbered = _NUMBERED_TITLE.match(text)
        if not numbered and not (text.isupper() and len(text) > 3):
            return None
        depth = numbered[1].rstrip(".").count(".") if numbered else 0
        return min(len([s for s in self.sizes.letters if s >= _LARGER * self.sizes.body]) + 1 + depth, _MAX_LEVEL)

    def _is_english(self) -> bool:
        """Whether the words so far are English, in which a hyphen at the end of a line is seldom part of the word."""
        if self._english is None or len(self.words) < _ENOUGH_WORDS:
            self._english = style_of(" ".join(islice(self.words, _ENOUGH_WORDS))) is ENGLISH
        return self._english

    def _joined(self, before: str, after: str) -> str:
        if not before:
            return after
        match = _LETTER_HYPHEN.search(before)
        if not match or not after[:1].isalpha():
            return f"{before} {after}"
        rest = re.match(r"\w+", after)
        whole, hyphenated = match[1] + (rest[0] if rest else ""), f"{match[1]}-{rest[0] if rest else ''}"
        if not after[0].islower() or self.words[hyphenated.lower()] or before[: match.start()].endswith("-"):
            return before + after
        if self.words[whole.lower()] or (whole.isascii() and self._is_english()):
            return before[:-1] + after
        return before + after


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def bookmark_key(title: str) -> str:
    """Return the key under which `Flow.bookmarks` holds a title: its letters and digits."""
    return "".join(character for character in title.lower() if character.isalnum())


def _without_notes(lines: Sequence[Line], body: float) -> tuple[Sequence[Line], Sequence[Line]]:
    """Return the lines of a page's last column, and apart from them its footnotes: small ones, from a number on."""
    start = len(lines)
    while start and lines[start - 1].size < _SMALLER * body:
        start -= 1
    while start < len(lines) and not _NOTE.match(lines[start].text):
        start += 1
    return (lines, []) if start == 0 else (lines[:start], lines[start:])


def _notes(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the lines of each note; a line that begins with a number is a note of its own if that is the next one."""
    notes: list[list[Line]] = []
    before = ""
    for line in lines:
        match = _NOTE.match(line.text)
        number = match["number"] if match else ""
        if not notes or (number and (not before.isdecimal() or number == str(int(before) + 1))):
            notes.append([line])
            before = number
        else:
            notes[-1].append(line)
    return notes


def _paragraphs(lines: Sequence[Line], column: Column, body: float) -> list[list[Line]]:
    paragraphs: list[list[Line]] = []
    pitches = sorted(after.top - line.top for line, after in pairwise(lines) if after.top > line.top)
    pitch = pitches[len(pitches) // 2] if pitches else 0.0
    for line in lines:
        if not paragraphs or _begins(line, paragraphs[-1], column, pitch, body):
            paragraphs.append([line])
        else:
            paragraphs[-1].append(line)
    return paragraphs


def _begins(line: Line, paragraph: Sequence[Line], column: Column, pitch: float, body: float) -> bool:
    """Whether a line begins a paragraph."""
    before = paragraph[-1]
    if abs(line.size - before.size) > 0.08 * before.size + 0.3 or line.top < before.top:
        return True
    if _LETTER_HYPHEN.search(before.text) and line.text[0].islower():
        return False
    distance = line.top - before.top
    if distance > max(1.35 * min(pitch, 2.2 * line.size), 1.5 * line.size):
        return True
    if line.size > _LARGER * body:
        return bool(_ENUMERATOR.match(line.text)) or (_room(before, line, column) and not _is_centred(line, column))
    is_next_ground = before.text.endswith(";") and line.text[:1].isupper()  # of a decision
    if is_next_ground or _is_shouted(line) != _is_shouted(before):
        return True
    centred = _is_centred(line, column) and _is_centred(before, column)
    if line.bold != before.bold and (line.bold or _room(before, line, column) or centred):
        return True
    if centred and line.bold:
        return bool(_ENUMERATOR.match(line.text))
    if _ENUMERATOR.match(line.text) and (_END.search(before.text) or _room(before, line, column)):
        return True
    hangs = len(paragraph) == 1 and _ENUMERATOR.match(before.text) is not None
    if line.x0 > before.x0 + 0.9 * line.size and not hangs:
        return True
    return _room(before, line, column)


def _is_shouted(line: Line) -> bool:
    """Whether a line is in capitals, as titles are, and not just a name."""
    return len(line.words) > 1 and line.text.isupper() and sum(map(str.isalpha, line.text)) >= 8


def _room(before: Line, line: Line, column: Column) -> bool:
    """Return whether the first word of `line` would fit on the previous line, so that the break is intended."""
    first = line.words[0]
    return before.x1 + (first.x1 - first.x0) + 0.6 * line.size < column.x1


def _is_centred(line: Line, column: Column) -> bool:
    left, right = line.x0 - column.x0, column.x1 - line.x1
    return left > 1.5 * line.size and abs(left - right) < 2 * line.size
