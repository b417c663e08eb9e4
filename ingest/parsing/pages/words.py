"""Words on a page with their places, from the characters that pdfium reads."""

import ctypes
import math
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.pages.language import is_language
from ingest.parsing.pages.layers import hidden_texts
from ingest.parsing.scripts import raise_text

_MAX_CHARACTERS: Final = 200_000
_HYPHENS: Final = (0x02, 0xFFFE, 0xAD)  # what pdfium makes of a hyphen at the end of a line
_BLANKS: Final = frozenset({0x20, 0x0A, 0x0D, 0x09, 0xA0, 0x3000})
_NEW_WORD_GAP: Final = 0.2  # of the font size
_HINTED_GAP, _FALLBACK_GAP = 0.08, 0.12
_SAME_LINE: Final = 0.22
_SAME_PLACE: Final = 0.45
"""How much of a character's width one that is drawn again covers."""
_LONGEST_LIGATURE: Final = 3
_ASCENT: Final = 0.75
_DESCENT: Final = 0.22
_SAMPLED: Final = 4
"""Interval, in characters, at which a character's code is checked for a meaning."""
Corners = tuple[float, float, float, float]
_BOLD: Final = ("bold", "black", "heavy", "semibold", "demi")


@dataclass(frozen=True, slots=True)
class Word:
    """A word; lengths are points, from the top left corner of the page."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool = False

    @property
    def middle(self) -> float:
        """Return half its height."""
        return (self.top + self.bottom) / 2


@dataclass(slots=True)
class PageText:
    """The text layer of a page."""

    width: float
    height: float
    words: list[Word] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    """Words set upwards or downwards, in the order of the file."""
    characters: int = 0
    has_hidden: bool = False
    """Whether text of layers that are switched off is left out."""
    broken: int = 0
    """Characters that have no meaning outside the file's own font."""
    unmapped: int = 0
    """Characters whose meaning the file does not declare, so that their codes are taken for it."""

    @property
    def is_broken(self) -> bool:
        """Return whether too much of the text is not what the page shows."""
        limit = 0.15 * max(self.characters, 1)
        if self.broken + self.unmapped <= limit:
            return False
        return self.broken > limit or not is_language(word.text for word in self.words)


class _Glyph(NamedTuple):
    """A character on the page as it is shown, or a blank."""

    x0: float
    x1: float
    base: float
    """The line it is on, from the top of the page."""
    text: str
    at: int
    """Its number in the file."""
    size: float
    after_break: bool
    """Whether pdfium sees a break before it."""
    drawn: int | None
    """The address of the text object that it is part of."""


_base_of: Final = attrgetter("base")
_size_of: Final = attrgetter("size")


class _Character(NamedTuple):
    """What a code of pdfium means."""

    text: str
    is_broken: bool
    """Whether it has no meaning outside the file's own font."""
    is_mark: bool
    """Whether it belongs to the character before it."""


class _Boxes:
    """Buffers for pdfium's answers, made once a page."""

    def __init__(self, textpage: Any) -> None:
        self.address = ctypes.cast(textpage, ctypes.c_void_p)
        self.loose = pdfium_c.FS_RECTF()
        self.matrix = pdfium_c.FS_MATRIX()
        self.x, self.y = ctypes.c_double(), ctypes.c_double()
        self.name = ctypes.create_string_buffer(128)
        self.flags = ctypes.c_int()


# pypdfium2 makes an object of each pointer; the address is enough.
_text_object: Final = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(pdfium_c.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)


@lru_cache(maxsize=1 << 12)
def _character_of(code: int) -> _Character:
    """Return what a code of pdfium means."""
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    text = "-" if code in _HYPHENS else chr(code)
    is_private = 0xE000 <= code <= 0xF8FF
    is_broken = not text.isprintable() and (is_private or unicodedata.category(text) in ("Cc", "Cn"))
    if is_broken or code == 0xFFFD:
        return _Character("•" if is_private else "\ufffd", is_broken=True, is_mark=False)
    return _Character(text, is_broken=False, is_mark=unicodedata.combining(text) > 0)


_SPACE: Final = _Character(" ", is_broken=False, is_mark=False)


def read_words(page: pdfium.PdfPage) -> PageText:
    """Return the words of a page's text layer, line by line, without those of layers that are switched off."""
    left, bottom, right, top = page.get_bbox()
    rotation = page.get_rotation()
    flipped = rotation in (90, 270)
    width, height = (top - bottom, right - left) if flipped else (right - left, top - bottom)
    found = PageText(width, height)
    textpage = page.get_textpage()
    try:
        reader = _Reader(textpage, found, (left, bottom, right, top), rotation)
        reader.hidden = hidden_texts(page)
        found.has_hidden = bool(reader.hidden)
        reader.read()
    finally:
        textpage.close()
    return found


class _Reader:
    def __init__(self, textpage: pdfium.PdfTextPage, found: PageText, box: Corners, rotation: int) -> None:
        self._raw = textpage.raw
        self._found = found
        self._box = box
        self._rotation = rotation
        self._boxes = _Boxes(textpage.raw)
        self._glyphs: list[_Glyph] = []
        self._turned: list[str] = []
        self._broke = False
        self.hidden: frozenset[int] = frozenset()
        """Addresses of text objects that are not shown."""
        self._drawn: int | None = None
        """The address of the text object of the last character, whose size and angle those below are."""
        self._size = 0.1
        self._angle = 0
        self._is_level = True
        self._bold: dict[int | None, bool] = {}

    def read(self) -> None:
        raw, code_of = self._raw, pdfium_c.FPDFText_GetUnicode
        high = 0
        for at in range(min(pdfium_c.FPDFText_CountChars(raw), _MAX_CHARACTERS)):
            code = code_of(raw, at)
            if code in _BLANKS or 0x2000 <= code <= 0x200B:
                self._blank(at, code)
            elif 0xD800 <= code < 0xDC00:  # letters of formulas come in two halves
                high = code
            elif 0xDC00 <= code < 0xE000 and high:
                self._character(at, 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00)
                high = 0
            elif code:
                self._character(at, code)
        if any(text != " " for text in self._turned):
            self._found.turned.append("".join(self._turned))
        # Programs draw the letters of a fallback font after those of the line, so the order of the file is no help.
        for row in _rows(self._glyphs):
            for glyphs in _split(_once(sorted(row, key=lambda glyph: glyph.x0 + glyph.x1))):
                self._found.words.append(self._word(glyphs))

    def _blank(self, at: int, code: int) -> None:
        self._broke = True
        if self._turned and self._turned[-1] != " ":
            self._turned.append(" ")
        if code not in (0x0A, 0x0D) and pdfium_c.FPDFText_IsGenerated(self._raw, at) != 1:
            self._append(at, _SPACE)

    def _character(self, at: int, code: int) -> None:
        found, character = self._found, _character_of(code)
        found.characters += 1
        if character.is_broken:
            found.broken += 1
        elif at % _SAMPLED == 0 and pdfium_c.FPDFText_HasUnicodeMapError(self._raw, at) == 1:
            found.unmapped += _SAMPLED
        self._append(at, character)

    def _append(self, at: int, character: _Character) -> None:
        # Called for each of a hundred thousand letters: most lines are there to do little for most of them.
        raw, boxes = self._raw, self._boxes
        loose = boxes.loose
        if not pdfium_c.FPDFText_GetLooseCharBox(raw, at, loose):
            return
        drawn = _text_object(boxes.address, at)
        if drawn is None or drawn != self._drawn:
            self._drawn = drawn
            self._measure(at)
        if drawn in self.hidden:
            return
        text = character.text
        if not self._is_level:
            self._turn(text)
            return
        pdfium_c.FPDFText_GetCharOrigin(raw, at, boxes.x, boxes.y)
        if self._rotation:
            x0, x1, base = self._turned_place()
        else:  # as `place_on_page` has it
            left, _, _, top = self._box
            x0, x1, base = loose.left - left, loose.right - left, top - boxes.y.value
        glyphs = self._glyphs
        if glyphs:
            before = glyphs[-1]
            if character.is_mark and before.text != " ":
                glyphs[-1] = before._replace(text=before.text + text)
                return
        if x1 >= 0 and base >= 0 and x0 <= self._found.width and base <= self._found.height:
            glyphs.append(_Glyph(x0, x1, base, text, at, self._size, self._broke, drawn))
            self._broke = False

    def _turn(self, text: str) -> None:
        """Add a letter to the turned ones, if it is set up- or downwards: other angles are those of watermarks."""
        if self._angle % 90 in (0, 1, 89) and text != " ":
            self._turned.append(text)

    def _turned_place(self) -> tuple[float, float, float]:
        """Return left, right and line of the character in the buffers, on a page that is shown turned."""
        loose, x, y = self._boxes.loose, self._boxes.x.value, self._boxes.y.value
        x0, _, x1, _ = place_on_page(self._box, self._rotation, loose.left, loose.bottom, loose.right, loose.top)
        _, base, _, _ = place_on_page(self._box, self._rotation, x, y, x, y)
        return x0, x1, base

    def _measure(self, at: int) -> None:
        """Read a character's size on the page and its angle; those of one text object are the same."""
        scale, self._angle = self._matrix(at)
        self._size = max(pdfium_c.FPDFText_GetFontSize(self._raw, at) * scale, 0.1)
        self._is_level = not 3 < self._angle < 357

    def _matrix(self, at: int) -> tuple[float, int]:
        """Return by how much a character's size is scaled, and its angle on the page in degrees."""
        matrix = self._boxes.matrix
        if not pdfium_c.FPDFText_GetMatrix(self._raw, at, matrix):
            return 1.0, 0
        if matrix.b == 0 and matrix.c == 0 and matrix.a > 0 and not self._rotation:
            return abs(matrix.d) or 1.0, 0
        angle = math.degrees(math.atan2(-matrix.b, matrix.a)) + self._rotation
        return math.hypot(matrix.c, matrix.d) or 1.0, round(angle) % 360

    def _word(self, glyphs: list[_Glyph]) -> Word:
        text = unicodedata.normalize("NFC", "".join([glyph.text for glyph in glyphs]))
        tallest = max(glyphs, key=_size_of)
        top, bottom = tallest.base - _ASCENT * tallest.size, tallest.base + _DESCENT * tallest.size
        return Word(
            text, glyphs[0].x0, top, max([g.x1 for g in glyphs]), bottom, tallest.size, self._is_bold(glyphs[0])
        )  # fmt: skip

    def _is_bold(self, glyph: _Glyph) -> bool:
        """Whether a character is bold; those of one text object have the same font."""
        bold = self._bold.get(glyph.drawn) if glyph.drawn is not None else None
        if bold is None:
            bold = self._bold[glyph.drawn] = self._has_bold_font(glyph.at)
        return bold

    def _has_bold_font(self, at: int) -> bool:
        boxes = self._boxes
        length = pdfium_c.FPDFText_GetFontInfo(self._raw, at, boxes.name, len(boxes.name), boxes.flags)
        name = boxes.name.raw[: max(0, min(length, len(boxes.name)) - 1)].decode("utf-8", "replace").lower()
        return any(mark in name for mark in _BOLD) or pdfium_c.FPDFText_GetFontWeight(self._raw, at) >= 650


def place_on_page(box: Corners, rotation: int, x0: float, y0: float, x1: float, y1: float) -> Corners:
    """Return left, top, right and bottom on a page as it is shown, of left, bottom, right and top in the file."""
    left, bottom, right, top = box
    if rotation == 90:
        return y0 - bottom, x0 - left, y1 - bottom, x1 - left
    if rotation == 180:
        return right - x1, y0 - bottom, right - x0, y1 - bottom
    if rotation == 270:
        return top - y1, right - x1, top - y0, right - x0
    return x0 - left, top - y1, x1 - left, top - y0


def _once(row: list[_Glyph]) -> list[_Glyph]:
    """Return the glyphs of a line without those drawn again over themselves, which looks bold."""
    kept: list[_Glyph] = []
    last = second = third = ""  # a ligature has up to three letters, and is drawn again as a whole
    for glyph in row:
        text = glyph.text
        if text in (last, second, third) and any(_is_again(before, glyph) for before in kept[-_LONGEST_LIGATURE:]):
            continue
        kept.append(glyph)
        last, second, third = text, last, second
    return kept


def _is_again(before: _Glyph, glyph: _Glyph) -> bool:
    """Whether a glyph repeats another one; the letters of a ligature have one place, but are drawn at once."""
    if glyph.text != before.text or glyph.text == " ":
        return False
    if glyph.drawn == before.drawn and abs(glyph.at - before.at) == 1:
        return False
    overlap = min(before.x1, glyph.x1) - max(before.x0, glyph.x0)
    return overlap > _SAME_PLACE * (glyph.x1 - glyph.x0) and abs(glyph.base - before.base) < 0.12 * glyph.size


def _rows(glyphs: list[_Glyph]) -> list[list[_Glyph]]:
    """Return the glyphs of each line, from top to bottom; superscripts and subscripts are of the line they are at."""
    rows: list[list[_Glyph]] = []
    base = size = 0.0  # of the first glyph of the last row
    for glyph in sorted(glyphs, key=_base_of):
        if rows and glyph.base - base <= _SAME_LINE * max(glyph.size, size):
            rows[-1].append(glyph)
        else:
            rows.append([glyph])
            base, size = glyph.base, glyph.size
    joined: list[list[_Glyph]] = []
    for row in rows:
        if joined and _is_script(joined[-1], row):
            joined[-1].extend(row)
        else:
            joined.append(row)
    return joined


def _is_script(above: list[_Glyph], below: list[_Glyph]) -> bool:
    """Whether one of two rows is superscript or subscript of the other, all along it."""
    sizes = [max(glyph.size for glyph in row) for row in (above, below)]
    distance = min(glyph.base for glyph in below) - max(glyph.base for glyph in above)
    if distance > 0.5 * max(sizes) or min(sizes) > 0.8 * max(sizes):
        return False
    small, large = (above, below) if sizes[0] < sizes[1] else (below, above)
    ends = sorted(glyph.x1 for glyph in large)
    return all(ends[0] - 1 <= glyph.x0 <= ends[-1] + glyph.size for glyph in small)


def _is_raised(glyph: _Glyph, before: _Glyph) -> bool:
    return glyph.size < 0.8 * before.size and glyph.base < before.base - 0.15 * before.size


def _split(row: Iterable[_Glyph]) -> Iterator[list[_Glyph]]:
    """Yield the words of a line."""
    word: list[_Glyph] = []
    end = 0.0
    for glyph in row:
        if glyph.text == " ":
            if word:
                yield word
                word = []
            continue
        if word:
            # After a letter of a fallback font, which is drawn later, pdfium sees a break where there may be none.
            least = _HINTED_GAP if glyph.at > word[-1].at else _FALLBACK_GAP
            hinted = glyph.after_break and glyph.x0 - end > least * glyph.size
            if glyph.x0 - end > _NEW_WORD_GAP * glyph.size or hinted:
                yield word
                word = []
            elif _is_raised(glyph, word[-1]):
                raised = raise_text(glyph.text, "".join(other.text for other in word))
                if raised.startswith(" "):
                    yield word
                    word = []
                else:
                    glyph = glyph._replace(text=raised)
        end = max(end, glyph.x1) if word else glyph.x1
        word.append(glyph)
    if word:
        yield word
