"""Scans and photographs of text (.png, .jpg, .tiff, .webp), read by OCR."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ingest.parsing.faults import TooComplex, Unreadable
from ingest.parsing.pages.columns import Column, reading_order
from ingest.parsing.pages.flow import Flow, Sizes
from ingest.parsing.recognition import MAX_PIXELS, POINTS_PER_INCH, RESOLUTION, Ocr
from ingest.parsing.tables import build_table
from phoserve.text.blocks import ParsedDocument, ParserWarning, Place

_MAX_SOURCE_PIXELS: Final = 120_000_000
_MAX_PAGES: Final = 500


def parse(path: Path, ocr: Ocr | None = None) -> ParsedDocument:
    """Read an image; a TIFF file may have several pages.

    A page that cannot be read is a warning. Raises Unreadable or TooComplex.
    """
    ocr = ocr or Ocr()
    flow = Flow(Sizes())
    without_text: list[int] = []
    for number, (image, scale) in enumerate(images_of(path), 1):
        words = ocr.read(image, scale)
        if words is None:
            without_text.append(number)
            continue
        parts = list(reading_order(words))
        flow.sizes.add(line for part in parts if isinstance(part, Column) for line in part.lines)
        flow.words.update(word.text.lower().strip(".,;:()") for word in words)
        for part in parts:
            if isinstance(part, Column):
                flow.add_column(part, number, is_last=False)
            elif table := build_table(part.cells, place=Place(page=number)):
                flow.add_table(table)
    warnings = tuple(
        ParserWarning(code="page_without_text", message=f"the image was not read: {ocr.trouble}", place=Place(page=n))
        for n in without_text
    )
    return ParsedDocument(blocks=tuple(flow.blocks), warnings=warnings, properties={"ocr": True})


def images_of(path: Path) -> Iterator[tuple[Image.Image, float]]:
    """Yield the images of a file (a TIFF file may have several) and their pixels a point.

    Raises Unreadable for what is no image, TooComplex for one that is too large.
    """
    Image.MAX_IMAGE_PIXELS = None  # checked here, before pixels are read
    try:
        with Image.open(path) as source:
            for at, frame in enumerate(ImageSequence.Iterator(source)):
                if at >= _MAX_PAGES:
                    return
                if frame.width * frame.height > _MAX_SOURCE_PIXELS:
                    raise TooComplex(f"the image has more than {_MAX_SOURCE_PIXELS // 1_000_000} million pixels")
                yield _prepared(frame)
    except (UnidentifiedImageError, OSError, SyntaxError, EOFError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("the image is damaged or incomplete") from error


def _prepared(frame: Image.Image) -> tuple[Image.Image, float]:
    """Return an image upright, on white, and large enough for its letters."""
    image = ImageOps.exif_transpose(frame)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    grey = image.convert("L")
    dpi = float(image.info.get("dpi", (0, 0))[0] or 0)
    if not 70 <= dpi <= 1200:
        dpi = max(grey.width, grey.height) / 11.7  # as if it were a page of A4
    factor = RESOLUTION / dpi if dpi < 200 else 1.0
    factor = min(factor, 3.0, (MAX_PIXELS / (grey.width * grey.height)) ** 0.5)
    if abs(factor - 1) > 0.05:
        grey = grey.resize((round(grey.width * factor), round(grey.height * factor)), Image.Resampling.LANCZOS)
    return grey, dpi * factor / POINTS_PER_INCH
