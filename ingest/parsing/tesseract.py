"""Optical character recognition by Tesseract, page by page within limits of time."""

import csv
import io
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageFilter, ImageOps

from ingest.parsing.pages.words import Word

LANGUAGES: Final = ("vie", "eng")
PACKAGES: Final = ("tesseract-ocr", "tesseract-ocr-vie")
INSTALL: Final = f"install OCR (Debian, Ubuntu: apt-get install {' '.join(PACKAGES)}) and send the document again"
PAGE_S: Final = 30.0
TOTAL_S: Final = 240.0
RESOLUTION: Final = 300
MAX_PIXELS: Final = 25_000_000
_LEAST_CONFIDENCE: Final = 15.0
_POOR: Final = 50.0
POINTS_PER_INCH: Final = 72.0


@dataclass(slots=True)
class Ocr:
    """Reads pages one after the other within limits of time; `trouble` says why the last one was not read."""

    page_s: float = PAGE_S
    total_s: float = TOTAL_S
    binary: str | None = field(default_factory=lambda: find_tesseract())
    """The program's path; None where it is not installed."""
    trouble: str = ""
    _spent_s: float = 0.0

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
        angle = skew_of(image)
        if abs(angle) > 0.2:
            image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
        if noise_of(image) > 12.0:
            image = image.filter(ImageFilter.MedianFilter(3))
        rows = self._run(image, scale)
        words, confidence = list(_words(rows, scale)), _confidence(rows)
        if confidence >= _POOR:
            return words
        for turn in (180, 90, 270):  # upside down or on its side
            rows = self._run(image.rotate(turn, expand=True), scale)
            if _confidence(rows) > confidence + 20:
                words, confidence = list(_words(rows, scale)), _confidence(rows)
        return words

    def _run(self, image: Image.Image, scale: float) -> list[dict[str, str]]:
        content = io.BytesIO()
        image.save(content, "PNG", compress_level=1)
        languages = "+".join(language for language in LANGUAGES if language in _languages(self.binary or ""))
        command = [self.binary or "", "stdin", "stdout", "-l", languages or "eng", "--dpi", f"{scale * 72:.0f}"]
        done = subprocess.run(  # noqa: S603 (a program of this machine, no shell)
            [*command, "--psm", "3", "tsv"],
            input=content.getvalue(),
            capture_output=True,
            timeout=self.page_s,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
        table = io.StringIO(done.stdout.decode("utf-8", "replace"))
        return [row for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE) if row["level"] == "5"]


def find_tesseract() -> str | None:
    """Return the path of Tesseract if it is installed with Vietnamese, else None."""
    binary = shutil.which("tesseract", path=os.environ.get("PATH") or os.defpath)
    return binary if binary and "vie" in _languages(binary) else None


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
    """Return how much the pixels in a corner of the page differ from their neighbours, in levels of 256."""
    pixels = np.asarray(
        image.resize((min(image.width, 1200), min(image.height, 1200)), Image.Resampling.NEAREST), dtype=np.float32
    )
    smooth = np.asarray(Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.MedianFilter(3)), dtype=np.float32)
    return float(np.mean(np.abs(pixels - smooth)))


def _words(rows: list[dict[str, str]], scale: float) -> Iterator[Word]:
    heights: dict[tuple[str, str, str], float] = {}
    for row in rows:
        line = row["block_num"], row["par_num"], row["line_num"]
        heights[line] = max(heights.get(line, 0.0), float(row["height"]) / scale)
    for row in rows:
        text = row["text"].strip()
        if not text or float(row["conf"]) < _LEAST_CONFIDENCE:
            continue
        x0, top = float(row["left"]) / scale, float(row["top"]) / scale
        x1, bottom = x0 + float(row["width"]) / scale, top + float(row["height"]) / scale
        yield Word(text, x0, top, x1, bottom, 10.0)


def _confidence(rows: list[dict[str, str]]) -> float:
    scores = [float(row["conf"]) for row in rows if row["text"].strip()]
    return sum(scores) / len(scores) if len(scores) > 3 else 0.0


_KNOWN_LANGUAGES: dict[str, frozenset[str]] = {}


def _languages(binary: str) -> frozenset[str]:
    """Return the languages that Tesseract has data for."""
    if binary not in _KNOWN_LANGUAGES:
        try:
            done = subprocess.run([binary, "--list-langs"], capture_output=True, timeout=10, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return frozenset()
        _KNOWN_LANGUAGES[binary] = frozenset(done.stdout.decode("utf-8", "replace").split("\n"))
    return _KNOWN_LANGUAGES[binary]
