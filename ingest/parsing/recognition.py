"""Optical character recognition of pages, one after the other, within limits of time."""

import io
import subprocess
import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageFilter, ImageOps

from ingest.parsing.limits import OCR_S
from ingest.parsing.ocr_words import words_of_rows
from ingest.parsing.pages.words import Word
from ingest.parsing.tesseract import INSTALL, Row, find_tesseract, read_orientation, read_words

PAGE_S: Final = 120.0
RESOLUTION: Final = 300
MAX_PIXELS: Final = 25_000_000
_POOR: Final = 60.0
"""Mean confidence of words. Pages that are turned have 35 to 45, legible ones over 70 (`loadtests.ocr`)."""
_NOISY: Final = 2.0
_UNEVEN: Final = 20
_WHITE: Final = 225
"""Pixels at least this light are paper."""
POINTS_PER_INCH: Final = 72.0


@dataclass(slots=True)
class Ocr:
    """Reads pages one after the other within limits of time; `trouble` is the reason why the last one was not read."""

    page_s: float = PAGE_S
    total_s: float = OCR_S
    binary: str | None = field(default_factory=find_tesseract)
    """The program's path; None where it is not installed."""
    trouble: str = ""
    _spent_s: float = 0.0
    _deadline: float = 0.0

    def read_page(self, page: pdfium.PdfPage) -> list[Word] | None:
        """Return the words on a page of a PDF file, None if they cannot be read."""
        width, height = page.get_size()
        scale = min(RESOLUTION / POINTS_PER_INCH, (MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
        if not self._may_read():
            return None
        try:
            image = page.render(scale=scale, grayscale=True).to_pil()
        except (pdfium.PdfiumError, MemoryError, ValueError):
            self.trouble = "it cannot be drawn"
            return None
        return self.read(image, scale)

    def read(self, image: Image.Image, scale: float) -> list[Word] | None:
        """Return the words in an image of `scale` pixels a point, None if they cannot be read."""
        if not self._may_read():
            return None
        began = time.monotonic()
        self._deadline = began + min(self.page_s, self.total_s - self._spent_s)
        try:
            return self._read(ImageOps.autocontrast(image.convert("L"), cutoff=0.5), scale)
        except subprocess.TimeoutExpired:
            self.trouble = f"OCR took longer than {self.page_s:g} s a page"
        except (OSError, ValueError, subprocess.SubprocessError):
            self.trouble = "OCR failed"
        finally:
            self._spent_s += time.monotonic() - began
        return None

    def _may_read(self) -> bool:
        if self.binary is None:
            self.trouble = INSTALL
        elif self._spent_s >= self.total_s:
            self.trouble = f"OCR of the document took longer than {self.total_s:g} s"
        else:
            return True
        return False

    def _read(self, image: Image.Image, scale: float) -> list[Word]:
        image = cleaned(image)
        angle = skew_of(image)
        if abs(angle) > 0.2:
            image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
        rows = self._words(image, scale)
        if _confidence(rows) < _POOR and (turn := self._orientation(image, scale)):
            rows = self._words(image.rotate(-turn, expand=True), scale)
        return list(words_of_rows(rows, scale))

    def _words(self, image: Image.Image, scale: float) -> list[Row]:
        dpi = scale * POINTS_PER_INCH
        return read_words(self.binary or "", _pgm(image), dpi=dpi, timeout_s=self._left_s())

    def _orientation(self, image: Image.Image, scale: float) -> int:
        dpi = scale * POINTS_PER_INCH
        return read_orientation(self.binary or "", _pgm(image), dpi=dpi, timeout_s=self._left_s())

    def _left_s(self) -> float:
        return max(0.1, self._deadline - time.monotonic())


def cleaned(image: Image.Image) -> Image.Image:
    """Return a page with an even white background, without the specks of a camera or an old scanner."""
    if noise_of(image) >= _NOISY:
        image = image.filter(ImageFilter.MedianFilter(3))
    small = image.reduce(16) if min(image.size) > 160 else image
    paper = small.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.GaussianBlur(3))
    levels = np.asarray(paper)
    darkest, lightest = int(levels.min()), int(levels.max())
    if lightest - darkest > _UNEVEN or lightest < 255 - _UNEVEN:
        light = np.asarray(paper.resize(image.size, Image.Resampling.BILINEAR), dtype=np.float32)
        even = np.asarray(image, dtype=np.float32) * (255.0 / np.maximum(light, 32.0))
        image = Image.fromarray(np.clip(even, 0, 255).astype(np.uint8))
    return image.point([min(255, value * 255 // _WHITE) for value in range(256)])


def skew_of(image: Image.Image) -> float:
    """Return by how many degrees (counterclockwise) to turn a page so that its lines are level, up to 6."""
    small = image.copy()
    small.thumbnail((700, 700))
    ink = small.point(lambda value: 255 if value < 128 else 0)
    if not ink.getbbox():
        return 0.0

    def sharpness(angle: float) -> float:
        profile = np.asarray(ink.rotate(angle, Image.Resampling.BILINEAR), dtype=np.float32).sum(axis=1)
        return float(((profile[1:] - profile[:-1]) ** 2).sum())

    best = max((step / 2 for step in range(-12, 13)), key=sharpness)
    best = max((best + step / 10 for step in range(-4, 5)), key=sharpness)
    return best if sharpness(best) > 1.05 * sharpness(0.0) else 0.0


def noise_of(image: Image.Image) -> float:
    """Return how much most pixels in a corner of the page differ from their neighbours, in levels of 256."""
    sample = image.crop((0, 0, min(image.width, 1200), min(image.height, 1200)))
    smooth = np.asarray(sample.filter(ImageFilter.MedianFilter(3)), dtype=np.float32)
    return float(np.median(np.abs(np.asarray(sample, dtype=np.float32) - smooth)))


def _pgm(image: Image.Image) -> bytes:
    """Return the image in the format that takes the least time to write and to read."""
    content = io.BytesIO()
    image.save(content, "PPM")
    return content.getvalue()


def _confidence(rows: list[Row]) -> float:
    scores = [float(row["conf"]) for row in rows if row["text"].strip()]
    return sum(scores) / len(scores) if len(scores) > 3 else 0.0
