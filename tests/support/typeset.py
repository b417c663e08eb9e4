"""Pages set in real fonts with Vietnamese letters, as PDF files and as scans of them."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageFilter
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

FONTS = {
    "DejaVuSerif": "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf",
    "DejaVuSans": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "NotoSerif": "/usr/share/fonts/truetype/noto/NotoSerif-Regular.ttf",
    "NotoSans": "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
}


def available_fonts() -> list[str]:
    """Return the names of the fonts that this machine has, registered."""
    names = [name for name, path in FONTS.items() if Path(path).exists()]
    for name in names:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, FONTS[name]))
    return names


def typeset(paragraphs: Sequence[str], font: str, *, size: float = 12.0) -> bytes:
    """Return a PDF file of A4 pages with one column of text."""
    style = ParagraphStyle("text", fontName=font, fontSize=size, leading=1.4 * size, spaceAfter=0.5 * size)
    flow: list[Flowable] = [Paragraph(escape(text), style) for text in paragraphs]
    content = io.BytesIO()
    SimpleDocTemplate(content, pagesize=A4, leftMargin=72, rightMargin=60).build(flow)
    return content.getvalue()


def page_images(content: bytes, dpi: int) -> Iterator[Image.Image]:
    """Yield the pages of a PDF file as grey images."""
    document = pdfium.PdfDocument(content)
    try:
        for page in document:
            yield page.render(scale=dpi / 72, grayscale=True).to_pil()
    finally:
        document.close()


def as_photographed(page: Image.Image, *, degrees: float, noise: float, seed: int) -> Image.Image:
    """Return a page as a poor scan has it: askew, a little blurred, unevenly lit, and noisy."""
    generator = np.random.default_rng(seed)
    turned = page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    blurred = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float32)
    light = np.linspace(0.8, 1.0, blurred.shape[1], dtype=np.float32)[None, :]
    noisy = blurred * light + generator.normal(0, noise, blurred.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def as_scan(pages: Sequence[Image.Image], dpi: int) -> bytes:
    """Return a PDF file whose pages are images."""
    content = io.BytesIO()
    pages[0].save(content, "PDF", resolution=dpi, save_all=True, append_images=pages[1:])
    return content.getvalue()
