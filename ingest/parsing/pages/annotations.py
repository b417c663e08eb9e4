"""What people wrote onto a page of a PDF file: values of form fields, free text, stamps and notes."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.mail import Attachment
from ingest.parsing.pages.words import Corners, Word, place_on_page

_MAX_ANNOTATIONS: Final = 2_000
_LONGEST: Final = 100_000
_UNSEEN: Final = pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | pdfium_c.FPDF_ANNOT_FLAG_NOVIEW
_DRAWN: Final = (pdfium_c.FPDF_ANNOT_WIDGET, pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_STAMP)
_PASSWORD: Final = 1 << 13
_SHOWING: Final = ("Tj", "TJ", "'", '"', " Do")
"""Operators of an appearance that shows text or another appearance."""
_SIZE: Final = 10.0
_WIDTH: Final = 0.5
"""Of a letter, in sizes."""
_PITCH: Final = 1.2
_Read = Callable[[Any, int], int]


@dataclass(frozen=True, slots=True)
class Field:
    """A field with its value, set where it is on the page."""

    x0: float
    top: float
    x1: float
    bottom: float
    words: list[Word]

    def holds(self, word: Word) -> bool:
        """Return whether the middle of a word is in the field."""
        return self.x0 <= (word.x0 + word.x1) / 2 <= self.x1 and self.top <= word.middle <= self.bottom


@dataclass(slots=True)
class Written:
    """What is written onto a page."""

    words: list[Word] = field(default_factory=list)
    """Of fields and free text that the file does not draw."""
    drawn_fields: list[Field] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    is_drawn: bool = False
    """Whether the file draws some of it, so that it becomes text of the page by flattening it."""


def read_annotations(page: pdfium.PdfPage) -> Written:
    """Return what is written onto a page; what is not displayed is removed from the page in memory."""
    written = Written()
    unseen: list[int] = []
    for number in range(min(pdfium_c.FPDFPage_GetAnnotCount(page.raw), _MAX_ANNOTATIONS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, number)
        try:
            if pdfium_c.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                unseen.append(number)
            else:
                _add(page, annotation, written)
        finally:
            pdfium_c.FPDFPage_CloseAnnot(annotation)
    for number in reversed(unseen):
        pdfium_c.FPDFPage_RemoveAnnot(page.raw, number)
    return written


def _add(page: pdfium.PdfPage, annotation: Any, written: Written) -> None:
    kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium_c.FPDF_ANNOT_FILEATTACHMENT:
        if file := pdfium_c.FPDFAnnot_GetFileAttachment(annotation):
            written.files.append(_file(pdfium.PdfAttachment(file, page.pdf)))
    elif kind == pdfium_c.FPDF_ANNOT_TEXT:
        if note := _string(annotation, "Contents").strip():
            written.notes.append(note)
    elif kind in _DRAWN:
        _add_drawn(page, annotation, kind, written)


def _add_drawn(page: pdfium.PdfPage, annotation: Any, kind: int, written: Written) -> None:
    is_drawn = _shows_text(annotation)
    written.is_drawn = written.is_drawn or is_drawn
    text = _value(page, annotation) if kind == pdfium_c.FPDF_ANNOT_WIDGET else _string(annotation, "Contents")
    if text.strip() and (corners := _corners(page, annotation)):
        words = list(_placed(text, *corners))
        if not is_drawn:
            written.words += words
        elif kind == pdfium_c.FPDF_ANNOT_WIDGET:
            written.drawn_fields.append(Field(*corners, words))


def attached_files(document: pdfium.PdfDocument) -> Iterator[Attachment]:
    """Yield the files attached to a document or collected in a portfolio."""
    for number in range(document.count_attachments()):
        yield _file(document.get_attachment(number))


def _file(attached: pdfium.PdfAttachment) -> Attachment:
    """Return a file; one that is damaged is empty, which is reported as any file without text."""
    try:
        return Attachment(attached.get_name() or "file", bytes(attached.get_data()))
    except pdfium.PdfiumError:
        return Attachment("file", b"")


def restore_fields(words: list[Word], fields: Sequence[Field]) -> list[Word]:
    """Return the words of a page with the values of fields whose font lacks some of their letters.

    A field without an appearance of its own is drawn by pdfium, in a font of Western European letters.
    """
    for one in fields:
        inside = [word for word in words if one.holds(word)]
        drawn, value = (list("".join(word.text for word in found)) for found in (inside, one.words))
        letters = iter(value)
        if len(drawn) < len(value) and all(letter in letters for letter in drawn):
            taken = set(map(id, inside))
            words = [word for word in words if id(word) not in taken] + one.words
    return words


def _shows_text(annotation: Any) -> bool:
    """Whether the file draws the annotation, with text or a picture in it."""
    drawn = _read(partial(pdfium_c.FPDFAnnot_GetAP, annotation, pdfium_c.FPDF_ANNOT_APPEARANCEMODE_NORMAL))
    return any(operator in drawn for operator in _SHOWING)


def _value(page: pdfium.PdfPage, annotation: Any) -> str:
    """Return what a text field or a choice displays."""
    form = page.formenv
    if form is None or pdfium_c.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
        return ""
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (pdfium_c.FPDF_FORMFIELD_COMBOBOX, pdfium_c.FPDF_FORMFIELD_LISTBOX):
        chosen = [
            _read(partial(pdfium_c.FPDFAnnot_GetOptionLabel, form, annotation, n))
            for n in range(min(max(pdfium_c.FPDFAnnot_GetOptionCount(form, annotation), 0), _MAX_ANNOTATIONS))
            if pdfium_c.FPDFAnnot_IsOptionSelected(form, annotation, n)
        ]
        if chosen:
            return "\n".join(chosen)
    elif kind != pdfium_c.FPDF_FORMFIELD_TEXTFIELD:
        return ""
    return _read(partial(pdfium_c.FPDFAnnot_GetFormFieldValue, form, annotation))


def _string(annotation: Any, key: str) -> str:
    return _read(partial(pdfium_c.FPDFAnnot_GetStringValue, annotation, key.encode()))


def _read(read: _Read) -> str:
    """Return a text that pdfium writes into a buffer, its length in bytes first asked for."""
    length = min(read(None, 0), 2 * _LONGEST)
    if length <= 2:
        return ""
    buffer = (pdfium_c.FPDF_WCHAR * (length // 2 + 1))()
    read(buffer, length)
    return bytes(buffer)[: length - 2].decode("utf-16-le", "replace")


def _corners(page: pdfium.PdfPage, annotation: Any) -> Corners | None:
    rectangle = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFAnnot_GetRect(annotation, ctypes.byref(rectangle)):
        return None
    sides = rectangle.left, rectangle.bottom, rectangle.right, rectangle.top
    return place_on_page(page.get_bbox(), page.get_rotation(), *sides)


def _placed(text: str, left: float, top: float, right: float, bottom: float) -> Iterator[Word]:
    """Yield the words of a text, set into a rectangle."""
    size = max(4.0, min(_SIZE, 0.8 * (bottom - top)))
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        x = left
        for word in line.split():
            width = _WIDTH * size * len(word)
            if x > left and x + width > right:
                x, top = left, top + _PITCH * size
            yield Word(word, x, top, x + width, top + size, size)
            x += width + _WIDTH * size
        top += _PITCH * size
