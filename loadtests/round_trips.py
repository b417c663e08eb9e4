"""Documents with known words in the formats that LibreOffice writes: which words passages hold, and what they reveal.

    python -m loadtests.round_trips [--words 3000] [--json FILE]

A Word, an Excel and a PowerPoint file are made, converted to other formats by `soffice` (LibreOffice), and read by the
worker's own parsers. Each visible word is different from all others. A row has the share of visible words that are in
the text, that are in it exactly once and in order, and how many hidden words are in it (hidden text, sheets, rows,
columns, slides).
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import docx
import openpyxl
from docx.oxml.ns import qn
from pptx import Presentation
from pptx.util import Cm

from ingest.parsing.failures import ParsingFailed
from ingest.parsing.parse import parse

SYLLABLES: Final = (
    "nghỉ",
    "phép",
    "lao",
    "động",
    "quy",
    "chế",
    "thanh",
    "toán",
    "phụ",
    "cấp",
    "đăng",
    "ký",
    "hồ",
    "sơ",
)
FORMATS: Final = {
    "docx": ("docx", "odt", "doc", "rtf", "html", "epub", "pdf"),
    "xlsx": ("xlsx", "ods", "xls", "html"),
    "pptx": ("pptx", "odp", "ppt", "pdf"),
}
_WORD: Final = re.compile(r"[^\W\d_]+\d+")
_CONVERSION_S: Final = 120


class Writer:
    """Makes words and remembers which a reader sees, in order."""

    def __init__(self) -> None:
        self.visible: list[str] = []
        self.hidden: list[str] = []
        self._random = random.Random(7)  # noqa: S311 - the same words in each run

    def write(self, count: int = 0, *, hidden: bool = False) -> str:
        """Return some new words."""
        made: list[str] = []
        for _ in range(count or self._random.randint(4, 12)):
            made.append(f"{self._random.choice(SYLLABLES)}{len(self.visible) + len(self.hidden) + len(made)}")
        (self.hidden if hidden else self.visible).extend(made)
        return " ".join(made)


def write_docx(path: Path, writer: Writer, words: int) -> None:
    """Headings, paragraphs, lists, tables and hidden runs."""
    document = docx.Document()
    while len(writer.visible) < words:
        document.add_heading(writer.write(4), level=2)
        document.add_paragraph(f"{writer.write()}.")
        paragraph = document.add_paragraph(f"{writer.write()} ")
        run = paragraph.add_run(writer.write(3, hidden=True))
        run.font.hidden = True
        paragraph.add_run(f" {writer.write()}.")
        for _ in range(3):
            document.add_paragraph(writer.write(), style="List Number")
        table = document.add_table(3, 3)
        for row in table.rows:
            for cell in row.cells:
                cell.text = writer.write(2)
    assert document.element.find(qn("w:body")) is not None  # noqa: S101 - it was written
    document.save(str(path))


def write_xlsx(path: Path, writer: Writer, words: int) -> None:
    """Two sheets with hidden rows and columns, and a hidden sheet."""
    workbook = openpyxl.Workbook()
    for name in ("Một", "Hai"):
        sheet = workbook.create_sheet(name)
        most = len(writer.visible) + words // 2
        sheet.append([*(writer.write(1) for _ in range(4)), writer.write(1, hidden=True)])
        while len(writer.visible) < most:
            is_hidden = sheet.max_row % 10 == 5
            row = [writer.write(2, hidden=is_hidden) for _ in range(4)]
            sheet.append([*row, writer.write(1, hidden=True)])
            sheet.row_dimensions[sheet.max_row].hidden = is_hidden
        sheet.column_dimensions["E"].hidden = True
    del workbook["Sheet"]
    secret = workbook.create_sheet("Kín")
    secret.append([writer.write(3, hidden=True)])
    secret.sheet_state = "hidden"
    workbook.save(path)


def write_pptx(path: Path, writer: Writer, words: int) -> None:
    """Slides with a title, text and a table; each fifth slide is hidden."""
    deck = Presentation()
    while len(writer.visible) < words:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        is_hidden = len(deck.slides) % 5 == 0
        if is_hidden:
            slide._element.set("show", "0")
        slide.shapes.title.text = writer.write(4, hidden=is_hidden)
        box = slide.shapes.add_textbox(Cm(1), Cm(5), Cm(20), Cm(3))
        box.text_frame.word_wrap = True
        box.text_frame.text = writer.write(10, hidden=is_hidden)
        table = slide.shapes.add_table(3, 2, Cm(1), Cm(10), Cm(20), Cm(5)).table
        for row in range(3):
            for column in range(2):
                table.cell(row, column).text = writer.write(2, hidden=is_hidden)
    deck.save(str(path))


def compare(text: str, writer: Writer) -> dict[str, Any]:
    """Return the share of visible words that are there once and in order, and the number of hidden ones."""
    found = _WORD.findall(text)
    once = {word for word in found if found.count(word) == 1} if len(found) < 20_000 else set(found)
    matcher = SequenceMatcher(None, writer.visible, [word for word in found if word in once], autojunk=False)
    right = sum(block.size for block in matcher.get_matching_blocks())
    return {
        "visible_words": len(writer.visible),
        "there": round(len(set(writer.visible) & set(found)) / len(writer.visible), 5),
        "once_and_in_order": round(right / len(writer.visible), 5),
        "hidden_words_shown": len(set(writer.hidden) & set(found)),
    }


def convert(source: Path, suffix: str, folder: Path) -> Path:
    """Return the file as LibreOffice writes it in another format."""
    if source.suffix == f".{suffix}":
        return source
    soffice = shutil.which("soffice")
    if soffice is None:
        raise SystemExit("soffice is missing: install LibreOffice")
    command = [soffice, "--headless", "--convert-to", suffix, "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=_CONVERSION_S)  # noqa: S603 - LibreOffice
    return folder / f"{source.stem}.{suffix}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Read known words from the formats that LibreOffice writes.")
    parser.add_argument("--words", type=int, default=3000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, write in (("docx", write_docx), ("xlsx", write_xlsx), ("pptx", write_pptx)):
            writer, source = Writer(), folder / f"source-{kind}.{kind}"
            write(source, writer, arguments.words)
            for suffix in FORMATS[kind]:
                file = convert(source, suffix, folder)
                row: dict[str, Any] = {"from": kind, "format": suffix}
                try:
                    read = asyncio.run(parse(file, media_type="application/octet-stream", filename=file.name))
                    row |= compare(read.text, writer) | {"warnings": sorted({each.code for each in read.warnings})}
                except ParsingFailed as error:
                    row["error"] = str(error)
                rows.append(row)
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
                sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
