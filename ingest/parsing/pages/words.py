"""Words on a page with their places, from the characters that pdfium reads."""

import ctypes
import unicodedata
from dataclasses import dataclass, field
from typing import Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_MAX_CHARACTERS: Final = 200_000
_HYPHENS: Final = (0x02, 0xFFFE, 0xAD)  # what pdfium makes of a hyphen at the end of a line
_NEW_WORD_GAP: Final = 0.28  # of the font size
_BOLD: Final = ("bold", "black", "heavy", "semibold", "demi")
_LEGACY_FONTS: Final = (".vn", "vni-", "vni ", "vnhelv", "vntime")


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
    broken: int = 0
    """Characters that have no meaning outside the file's own font."""
    legacy: bool = False
    """Whether fonts from before Unicode (TCVN3, VNI) are used, in which letters have other codes."""

    @property
    def is_broken(self) -> bool:
        """Return whether too much of the text is not what the page shows."""
        return self.broken > 0.15 * max(self.characters, 1)


@dataclass(slots=True)
class _Open:
    """A word that is being read."""

    text: str = ""
    x0: float = 0.0
    bottom: float = 0.0
    x1: float = 0.0
    top: float = 0.0
    size: float = 0.0
    bold: bool = False


class _Boxes:
    """Buffers for pdfium's answers, made once a page."""

    def __init__(self) -> None:
        self.loose = pdfium_c.FS_RECTF()
        self.left, self.right, self.bottom, self.top = (ctypes.c_double() for _ in range(4))
        self.name = ctypes.create_string_buffer(128)
        self.flags = ctypes.c_int()


def read_words(page: pdfium.PdfPage) -> PageText:
    """Return the words of a page's text layer, in the order of the file."""
    left, bottom, right, top = page.get_bbox()
    rotation = page.get_rotation()
    flipped = rotation in (90, 270)
    width, height = (top - bottom, right - left) if flipped else (right - left, top - bottom)
    found = PageText(width, height)
    textpage = page.get_textpage()
    try:
        _Reader(textpage, found, (left, bottom, right, top), rotation).read()
    finally:
        textpage.close()
    return found


class _Reader:
    def __init__(
        self, textpage: pdfium.PdfTextPage, found: PageText, box: tuple[float, float, float, float], rotation: int
    ) -> None:
        self._raw = textpage.raw
        self._found = found
        self._box = box
        self._rotation = rotation
        self._boxes = _Boxes()
        self._word: _Open | None = None
        self._turned: list[str] = []

    def read(self) -> None:
        count = min(pdfium_c.FPDFText_CountChars(self._raw), _MAX_CHARACTERS)
        for at in range(count):
            code = pdfium_c.FPDFText_GetUnicode(self._raw, at)
            if code in (0x20, 0x0A, 0x0D, 0x09, 0xA0, 0x3000) or 0x2000 <= code <= 0x200B:
                self._close()
            elif code:
                self._character(at, code)
        self._close()
        if self._turned:
            self._found.turned.append("".join(self._turned))

    def _character(self, at: int, code: int) -> None:
        if 0xD800 <= code <= 0xDFFF:
            code = 0xFFFD
        text = "-" if code in _HYPHENS else chr(code)
        self._found.characters += 1
        is_broken = 0xE000 <= code <= 0xF8FF or code == 0xFFFD or unicodedata.category(text) in ("Cc", "Cn")
        if is_broken or pdfium_c.FPDFText_HasUnicodeMapError(self._raw, at) == 1:
            self._found.broken += 1
            if is_broken:
                text = "•" if 0xE000 <= code <= 0xF8FF else "\ufffd"
        angle = round(pdfium_c.FPDFText_GetCharAngle(self._raw, at) * 57.2957795 + self._rotation) % 360
        if 3 < angle < 357:
            if angle % 90 in (0, 1, 89):  # other angles are those of watermarks
                self._turned.append(text)
            return
        self._append(at, text)

    def _append(self, at: int, text: str) -> None:
        boxes = self._boxes
        if not pdfium_c.FPDFText_GetLooseCharBox(self._raw, at, boxes.loose):
            return
        x0, bottom, x1, top = boxes.loose.left, boxes.loose.bottom, boxes.loose.right, boxes.loose.top
        size = pdfium_c.FPDFText_GetFontSize(self._raw, at)
        word = self._word
        if word is not None and word.text:
            if (
                text == word.text[-1]
                and abs(x0 - word.x1 + (x1 - x0)) < 0.15 * (x1 - x0)
                and abs(bottom - word.bottom) < 1
            ):
                return  # drawn twice to look bold
            height = max(top - bottom, 1.0)
            gap = x0 - word.x1
            moved = gap > _NEW_WORD_GAP * height or gap < -height or abs(bottom - word.bottom) > 0.5 * height
            if moved and (abs(size - word.size) < 0.01 or not _is_script(word, x0, bottom, top)):
                self._close()
        word = self._word
        if word is None:
            real_size = max(size, 0.1) if size > 1.5 else max(top - bottom, 0.1)
            self._word = _Open(text, x0, bottom, x1, top, real_size, self._is_bold(at))
            return
        word.text += text
        word.x0, word.x1 = min(word.x0, x0), max(word.x1, x1)
        word.bottom, word.top = min(word.bottom, bottom), max(word.top, top)

    def _is_bold(self, at: int) -> bool:
        boxes = self._boxes
        length = pdfium_c.FPDFText_GetFontInfo(self._raw, at, boxes.name, len(boxes.name), boxes.flags)
        name = boxes.name.raw[: max(0, min(length, len(boxes.name)) - 1)].decode("utf-8", "replace").lower()
        if name.partition("+")[2].startswith(_LEGACY_FONTS) or name.startswith(_LEGACY_FONTS):
            self._found.legacy = True
        return any(mark in name for mark in _BOLD) or pdfium_c.FPDFText_GetFontWeight(self._raw, at) >= 650

    def _close(self) -> None:
        word, self._word = self._word, None
        if self._turned and self._turned[-1] != " ":
            self._turned.append(" ")
        if word is None or not word.text:
            return
        x0, top, x1, bottom = self._place(word)
        if x1 < 0 or bottom < 0 or x0 > self._found.width or top > self._found.height:
            return
        text = unicodedata.normalize("NFC", word.text)
        self._found.words.append(Word(text, x0, top, x1, bottom, word.size, word.bold))

    def _place(self, word: _Open) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom on the page as it is shown."""
        left, bottom, right, top = self._box
        if self._rotation == 90:
            return word.bottom - bottom, word.x0 - left, word.top - bottom, word.x1 - left
        if self._rotation == 180:
            return right - word.x1, word.bottom - bottom, right - word.x0, word.top - bottom
        if self._rotation == 270:
            return top - word.top, right - word.x1, top - word.bottom, right - word.x0
        return word.x0 - left, top - word.top, word.x1 - left, top - word.bottom


def _is_script(word: _Open, x0: float, bottom: float, top: float) -> bool:
    """Whether a character continues the word as superscript or subscript."""
    overlaps = min(top, word.top) - max(bottom, word.bottom) > 0.3 * (top - bottom)
    return overlaps and -1 < x0 - word.x1 < 0.15 * (word.top - word.bottom)
