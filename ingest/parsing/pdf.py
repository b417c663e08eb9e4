"""PDF files: text in reading order with its page, tables by cell, headings; pages without usable text by OCR."""

import ctypes
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.mail import Attachment, read_attachments
from ingest.parsing.opc import is_template_title
from ingest.parsing.pages.annotations import Written, attached_files, read_annotations, restore_fields
from ingest.parsing.pages.columns import Column, Line, OpenTable, lines_of, reading_order
from ingest.parsing.pages.flow import Flow, Sizes, bookmark_key
from ingest.parsing.pages.furniture import Furniture, find_furniture
from ingest.parsing.pages.grid import Grid, find_grids, table_cells
from ingest.parsing.pages.words import PageText, Word, read_words
from ingest.parsing.recognition import Ocr
from ingest.parsing.tables import build_table
from phoserve.text.blocks import Block, Footnote, Heading, Paragraph, ParsedDocument, ParserWarning, Place, Table

PARSE_CPU_S: Final = 30.0
_PAGES_AT_ONCE: Final = 100
_SCAN_AREA: Final = 0.4
"""A page whose pictures cover more of it, and that has little text, is taken for a scan."""
_LITTLE_TEXT: Final = 200
_MAX_OBJECTS: Final = 2_000
_XFA: Final = (pdfium_c.FORMTYPE_XFA_FULL, pdfium_c.FORMTYPE_XFA_FOREGROUND)
_NORMAL: Final = pdfium_c.FLAT_NORMALDISPLAY
_OUTLINED: Final = 150
"""Paths on a page without text from which on letters may be drawn as shapes."""


@dataclass(slots=True)
class _Page:
    number: int
    text: PageText
    grids: list[Grid]
    lines: list[Line] = field(default_factory=list)
    """Lines outside of tables, from top to bottom."""
    notes: list[str] = field(default_factory=list)
    """The texts of notes attached to it."""


def parse(path: Path, ocr: Ocr | None = None, *, cpu_s: float = PARSE_CPU_S) -> ParsedDocument:
    """Read a PDF file.

    Attached files follow the text. Pages whose text layer is missing or broken are read by `ocr`; without it, or where
    it fails, a warning names them. Reading stops after `cpu_s` seconds of processor time, with a warning. Raises
    Unreadable or Encrypted.
    """
    ocr = ocr or Ocr()
    document = _open(path)
    with closing(document):
        reader = _Reader(document, ocr, cpu_s)
        reader.read()
        own = _metadata(document)
        title = own.pop("title", "")
        attached, warnings = read_attachments([*attached_files(document), *reader.files])
        return ParsedDocument(
            blocks=(*reader.flow.blocks, *attached),
            title=_title(title, reader.flow.blocks),
            warnings=(*reader.warnings(), *warnings),
            properties=own | reader.furniture_properties(),
        )


class _Reader:
    def __init__(self, document: pdfium.PdfDocument, ocr: Ocr, cpu_s: float) -> None:
        self._document = document
        self._ocr = ocr
        self._deadline = time.process_time() + cpu_s
        self._furniture = Furniture()
        self._without_text: list[int] = []
        self._by_ocr: list[int] = []
        self._with_hidden: list[int] = []
        self._cut_after: int | None = None
        self.files: list[Attachment] = []
        self.flow = Flow(Sizes(), _bookmarks(document))

    def read(self) -> None:
        total = len(self._document)
        numbers = iter(range(total))
        while batch := list(islice(numbers, _PAGES_AT_ONCE)):
            pages = []
            for at in batch:
                if time.process_time() > self._deadline:
                    self._cut_after = at
                    break
                pages.append(self._read_page(at))
            self._add(pages, total)
            if self._cut_after is not None:
                return

    def warnings(self) -> Iterator[ParserWarning]:
        if self._without_text:
            message = f"no text could be read on {_named(self._without_text)}: {self._ocr.trouble}"
            place = Place(page=self._without_text[0])
            yield ParserWarning(code="page_without_text", message=message, place=place)
        if self._with_hidden:
            message = f"text of hidden layers was left out on {_named(self._with_hidden)}"
            yield ParserWarning(code="hidden_content", message=message, place=Place(page=self._with_hidden[0]))
        if self._document.get_formtype() in _XFA:
            message = "the file is an XFA form, of which only the plain pages are read; save it as a PDF without XFA"
            yield ParserWarning(code="not_as_displayed", message=message)
        if self._cut_after is not None:
            message = (
                f"only the first {self._cut_after} of {len(self._document)} pages were read: the file takes too long"
            )
            yield ParserWarning(code="pages_cut", message=message, place=Place(page=self._cut_after + 1))

    def furniture_properties(self) -> dict[str, Any]:
        found = {"header": self._furniture.header, "footer": self._furniture.footer}
        properties: dict[str, Any] = {name: "\n".join(lines) for name, lines in found.items() if lines}
        if self._by_ocr:
            properties["ocr_pages"] = self._by_ocr
        return properties

    def _read_page(self, at: int) -> _Page:
        try:
            page = self._document[at]
        except pdfium.PdfiumError:
            self._without_text.append(at + 1)
            return _Page(at + 1, PageText(1.0, 1.0), [])
        written = read_annotations(page)
        self.files += written.files
        with closing(_flattened(self._document, at, page, written)) as page:
            text = read_words(page)
            if text.has_hidden:
                self._with_hidden.append(at + 1)
            is_scan = _needs_ocr(page, text)
            if is_scan:
                text = self._recognise(page, at + 1, text)
            text.words = [*restore_fields(text.words, written.drawn_fields), *written.words]
            return _Page(at + 1, text, [] if is_scan else find_grids(page), notes=written.notes)

    def _recognise(self, page: pdfium.PdfPage, number: int, text: PageText) -> PageText:
        """Return what OCR reads on a page, or its text layer where that is better than nothing."""
        words = self._ocr.read_page(page)
        usable = [] if text.is_broken else text.words
        if words is None:
            self._without_text.append(number)
            return PageText(text.width, text.height, usable)
        if sum(len(word.text) for word in words) <= sum(len(word.text) for word in usable):
            return PageText(text.width, text.height, usable, text.turned)
        self._by_ocr.append(number)
        return PageText(text.width, text.height, words)

    def _add(self, pages: Sequence[_Page], total: int) -> None:
        for page in pages:
            free = [word for word in page.text.words if not any(grid.holds(word) for grid in page.grids)]
            page.lines = lines_of(free)
        left_out = find_furniture([(p.number, p.text.height, p.lines) for p in pages], total, self._furniture)
        for page in pages:
            page.lines = [line for at, line in enumerate(page.lines) if at not in left_out.get(page.number, ())]
            self.flow.sizes.add(page.lines)
            self.flow.words.update(word.text.lower().strip(".,;:()") for line in page.lines for word in line.words)
        for page in pages:
            self._add_page(page)

    def _add_page(self, page: _Page) -> None:
        """Append a page's columns and tables: a table comes after the lines above it."""
        rest = [word for line in page.lines for word in line.words]
        place = Place(page=page.number)
        parts: list[Column | OpenTable | Grid] = []
        for grid in page.grids:
            middle = (grid.top + grid.bottom) / 2
            above = [word for word in rest if word.middle < middle and not _is_next_to(word, grid)]
            parts.extend(reading_order(above))
            parts.append(grid)
            taken = set(map(id, above))
            rest = [word for word in rest if id(word) not in taken]
        parts.extend(reading_order(rest))
        last = max((n for n, part in enumerate(parts) if isinstance(part, Column)), default=-1)
        for n, part in enumerate(parts):
            if isinstance(part, Column):
                self.flow.add_column(part, page.number, is_last=n == last)
                continue
            cells = part.cells if isinstance(part, OpenTable) else table_cells(part, page.text.words)
            if table := build_table(cells, place=place):
                self.flow.add_table(_continued(table, self.flow.blocks))
        for text in page.text.turned:
            if any(character.isalnum() for character in text):
                self.flow.blocks.append(Paragraph(text=" ".join(text.split()), place=place))
        self.flow.blocks.extend(Footnote(text=note, place=place) for note in page.notes)


def _is_next_to(word: Word, grid: Grid) -> bool:
    return grid.top < word.middle < grid.bottom


def _continued(table: Table, blocks: Sequence[Block]) -> Table:
    """Return a table with the header of the one before, if it continues that on a new page."""
    before = blocks[-1] if blocks else None
    if not isinstance(before, Table) or not before.header or before.place.page == table.place.page:
        return table
    if table.header or len(before.header) != len(table.rows[0]):
        return table
    return Table(header=before.header, rows=table.rows, caption=before.caption, place=table.place)


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(path)
        document.init_forms()  # before its pages, whose fields have values with it
        if len(document) == 0:
            raise Unreadable("it has no pages")
        return document
    except pdfium.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY) or "password" in str(error).lower():
            raise Encrypted("the document is protected by a password") from error
        raise Unreadable("the file is damaged or incomplete") from error


def _flattened(document: pdfium.PdfDocument, at: int, page: pdfium.PdfPage, written: Written) -> pdfium.PdfPage:
    """Return the page with what the file draws of fields, free text and stamps as part of its text."""
    if not written.is_drawn or pdfium_c.FPDFPage_Flatten(page.raw, _NORMAL) != pdfium_c.FLATTEN_SUCCESS:
        return page
    page.close()
    return document[at]


def _needs_ocr(page: pdfium.PdfPage, text: PageText) -> bool:
    """Whether the text layer is missing, or is not what the page shows."""
    if text.is_broken:
        return True
    if text.characters > _LITTLE_TEXT:
        return False
    area, paths = 0.0, 0
    raw = page.raw
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for at in range(min(pdfium_c.FPDFPage_CountObjects(raw), _MAX_OBJECTS)):
        item = pdfium_c.FPDFPage_GetObject(raw, at)
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_FORM):
            if pdfium_c.FPDFPageObj_GetBounds(item, left, bottom, right, top):
                area += max(0.0, right.value - left.value) * max(0.0, top.value - bottom.value)
        elif kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            paths += 1
    covered = area > _SCAN_AREA * text.width * text.height
    return covered or (text.characters == 0 and (area > 0 or paths > _OUTLINED))


def _bookmarks(document: pdfium.PdfDocument) -> dict[str, int]:
    found: dict[str, int] = {}
    for bookmark in islice(document.get_toc(max_depth=6), 5000):
        title = bookmark.get_title()
        if title and len(title) > 2:
            found.setdefault(bookmark_key(title), min(bookmark.level + 1, 6))
    return found


def _metadata(document: pdfium.PdfDocument) -> dict[str, Any]:
    names = {"Title": "title", "Author": "author", "Subject": "subject", "CreationDate": "created"}
    values = ((name, " ".join(document.get_metadata_value(key).split())) for key, name in names.items())
    return {name: value for name, value in values if value}


def _title(own: str, blocks: Sequence[Block]) -> str:
    """Return the file's own title if its first page shows it, else the largest heading of the first page."""
    first = [block for block in blocks if isinstance(block, Heading | Paragraph) and block.place.page == 1]
    shown = " ".join(block.text for block in first).casefold()
    if own and not is_template_title(own) and own.casefold() in shown:
        return own
    headings = [block for block in first if isinstance(block, Heading)]
    if headings:
        return min(headings, key=lambda heading: heading.level).text
    return "" if is_template_title(own) else own


def _named(pages: Sequence[int]) -> str:
    """Return page numbers as people write them: "page 2", "pages 2, 5-8"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    shown = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:20])
    return f"page{'s' if len(pages) > 1 else ''} {shown}{' and more' if len(runs) > 20 else ''}"
