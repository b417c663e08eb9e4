"""Tesseract, the program that OCR runs: where it is, which languages it has, and what it reads."""

import csv
import io
import os
import re
import shutil
import subprocess
from typing import Final

from ingest.parsing.programs import run

LANGUAGES: Final = ("vie",)
"""With "eng" in addition, Tesseract loses diacritics ("và" as "va") and reads English no better."""
PACKAGES: Final = ("tesseract-ocr", "tesseract-ocr-vie")
INSTALL: Final = f"install OCR (Debian, Ubuntu: apt-get install {' '.join(PACKAGES)}) and send the document again"
_ROTATE: Final = re.compile(r"Rotate: (90|180|270)\b")
Row = dict[str, str]
"""A word: `text`, `conf`, `left`, `top`, `width` and `height` in pixels, and the numbers of its block and line."""


def find_tesseract() -> str | None:
    """Return the path of Tesseract if it is installed with Vietnamese, else None."""
    binary = shutil.which("tesseract", path=os.environ.get("PATH") or os.defpath)
    return binary if binary and "vie" in _languages(binary) else None


def read_words(binary: str, image: bytes, *, dpi: float, timeout_s: float) -> list[Row]:
    """Return the words that Tesseract reads in an image. Raises OSError or subprocess.SubprocessError."""
    output = _run(binary, image, "-l", "+".join(LANGUAGES), "--psm", "3", "tsv", dpi=dpi, timeout_s=timeout_s)
    rows = csv.DictReader(io.StringIO(output), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [row for row in rows if row["level"] == "5"]


def read_orientation(binary: str, image: bytes, *, dpi: float, timeout_s: float) -> int:
    """Return by how many degrees (0, 90, 180, 270; clockwise) to turn an image to have it upright; 0 if unknown."""
    try:
        output = _run(binary, image, "--psm", "0", dpi=dpi, timeout_s=timeout_s)
    except (subprocess.CalledProcessError, OSError):  # too little text, or no data for it
        return 0
    match = _ROTATE.search(output)
    return int(match[1]) if match else 0


def _run(binary: str, image: bytes, *arguments: str, dpi: float, timeout_s: float) -> str:
    output = run(binary, ["stdin", "stdout", "--dpi", f"{dpi:.0f}", *arguments], image, timeout_s=timeout_s)
    return output.decode("utf-8", "replace")


_KNOWN_LANGUAGES: dict[str, frozenset[str]] = {}


def _languages(binary: str) -> frozenset[str]:
    """Return the languages that Tesseract has data for."""
    if binary not in _KNOWN_LANGUAGES:
        try:
            output = run(binary, ["--list-langs"], b"", timeout_s=10)
        except (OSError, subprocess.SubprocessError):
            return frozenset()
        _KNOWN_LANGUAGES[binary] = frozenset(output.decode("utf-8", "replace").split("\n"))
    return _KNOWN_LANGUAGES[binary]
