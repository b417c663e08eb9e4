"""Accuracy and speed of OCR on Vietnamese pages: set in real fonts, clean, and as poor scans.

    python -m loadtests.ocr TEXT.md [--pages 12] [--dpi 200]

The text is set in each font with Vietnamese letters that the machine has, drawn, and read by Tesseract as ingestion
reads it. The character accuracy is 1 - edit distance / characters, blanks at line ends counted as one.
"""

import argparse
import re
import resource
import time
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from ingest.parsing.pages.columns import Column, reading_order
from ingest.parsing.pages.words import Word
from ingest.parsing.recognition import Ocr
from ingest.parsing.tesseract import find_tesseract
from loadtests.search import write_line
from tests.support.typeset import as_photographed, available_fonts, page_images, typeset

_MARKS: Final = re.compile(r"[*_#`|]+|^\s*-\s", re.MULTILINE)


def paragraphs_of(path: Path) -> list[str]:
    """Return the paragraphs of a Markdown or plain text file, without marks."""
    text = unicodedata.normalize("NFC", _MARKS.sub("", path.read_text(encoding="utf-8")))
    return [" ".join(block.split()) for block in text.split("\n") if len(block.split()) > 3]


def edit_distance(first: str, second: str) -> int:
    """Return how many characters to insert, delete or replace to make `second` of `first`."""
    codes = np.frombuffer(second.encode("utf-32-le"), dtype=np.uint32)
    steps = np.arange(len(codes) + 1)
    row = steps.copy()
    for number, character in enumerate(first, 1):
        best = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(character)))
        row = np.minimum.accumulate(np.concatenate(([number], best)) - steps) + steps
    return int(row[-1])


def read_text(words: Sequence[Word]) -> str:
    """Return the words of a page in reading order."""
    lines = (line.text for part in reading_order(words) if isinstance(part, Column) for line in part.lines)
    return " ".join(lines)


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it ran."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def cases(pages: Sequence[Image.Image]) -> Iterator[tuple[str, list[Image.Image]]]:
    """Yield the name and the images of each condition."""
    yield "clean", list(pages)
    yield (
        "2 degrees askew, noisy",
        [as_photographed(page, degrees=2 if n % 2 else -2, noise=14, seed=n) for n, page in enumerate(pages)],
    )
    yield (
        "4 degrees askew, very noisy",
        [as_photographed(page, degrees=4, noise=28, seed=n) for n, page in enumerate(pages)],
    )


def measure(font: str, paragraphs: Sequence[str], *, most_pages: int, dpi: int) -> None:
    """Print the accuracy and the seconds a page for one font."""
    content = typeset(paragraphs, font)
    document = pdfium.PdfDocument(content)
    truths = [" ".join(page.get_textpage().get_text_range().split()) for page in islice(document, most_pages)]
    document.close()
    pages = list(islice(page_images(content, dpi), most_pages))
    for name, images in cases(pages):
        ocr = Ocr(total_s=3600)
        wrong = characters = 0
        began, busy = time.perf_counter(), processor_seconds()
        for truth, image in zip(truths, images, strict=True):
            words = ocr.read(image, dpi / 72)
            read = unicodedata.normalize("NFC", read_text(words or []))
            wrong += edit_distance(truth, read)
            characters += len(truth)
        took, busy = time.perf_counter() - began, processor_seconds() - busy
        write_line(
            {
                "font": font, "pages": name, "count": len(images), "characters": characters,
                "accuracy": round(1 - wrong / characters, 4), "seconds_a_page": round(took / len(images), 2),
                "processor_s_a_page": round(busy / len(images), 2),
            }
        )  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure OCR on Vietnamese pages.")
    parser.add_argument("text", type=Path)
    parser.add_argument("--pages", type=int, default=12)
    parser.add_argument("--dpi", type=int, default=200)
    given = parser.parse_args()
    if find_tesseract() is None:
        raise SystemExit("install tesseract-ocr and tesseract-ocr-vie first")
    for font in available_fonts():
        measure(font, paragraphs_of(given.text), most_pages=given.pages, dpi=given.dpi)


if __name__ == "__main__":
    main()
