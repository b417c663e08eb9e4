"""Text on layers of a PDF page that are switched off, which pdfium reads like any other."""

import ctypes
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

_MAX_OBJECTS: Final = 5_000
_MAX_MARKS: Final = 20
_LAYER: Final = "OC"
_SCALE: Final = 1.5
_LARGEST_SIDE: Final = 3_000.0
"""Pixels."""
_EVEN: Final = 8
"""Levels of 256 by which the pixels of an area without text differ at most."""
_NAME_BYTES: Final = 16


def hidden_texts(page: pdfium.PdfPage) -> frozenset[int]:
    """Return the addresses of the text objects of layers that the page does not show, none on a rotated page.

    pdfium has no call for the state of a layer, so the page is drawn where it has layers: text that leaves its place
    even is not shown.
    """
    texts = [] if page.get_rotation() else list(_texts_of_layers(page))
    if not texts:
        return frozenset()
    left, _, _, top = page.get_bbox()
    scale = min(_SCALE, _LARGEST_SIDE / max(page.get_size()))
    pixels = np.asarray(page.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil())
    return frozenset(_address(text) for text in texts if _is_even(pixels, _bounds(text, left, top), scale))


def _texts_of_layers(page: pdfium.PdfPage) -> Iterator[Any]:
    for number in range(min(pdfium_c.FPDFPage_CountObjects(page.raw), _MAX_OBJECTS)):
        item = pdfium_c.FPDFPage_GetObject(page.raw, number)
        if pdfium_c.FPDFPageObj_GetType(item) == pdfium_c.FPDF_PAGEOBJ_TEXT and _is_on_layer(item):
            yield item


def _is_on_layer(item: Any) -> bool:
    count = min(pdfium_c.FPDFPageObj_CountMarks(item), _MAX_MARKS)
    return any(_mark_name(pdfium_c.FPDFPageObj_GetMark(item, number)) == _LAYER for number in range(count))


def _mark_name(mark: Any) -> str:
    """Return the name of a mark, "" for one that is longer than that of a layer."""
    name, length = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_ulong()
    buffer = ctypes.cast(name, ctypes.POINTER(pdfium_c.FPDF_WCHAR))
    if not pdfium_c.FPDFPageObjMark_GetName(mark, buffer, _NAME_BYTES, length) or length.value > _NAME_BYTES:
        return ""
    return name.raw[: length.value].decode("utf-16-le").rstrip("\0")


def _address(item: Any) -> int:
    return ctypes.cast(item, ctypes.c_void_p).value or 0


def _bounds(item: Any, left: float, top: float) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of an object from the page's top left corner."""
    sides = [ctypes.c_float() for _ in range(4)]
    pdfium_c.FPDFPageObj_GetBounds(item, *sides)
    x0, y0, x1, y1 = (side.value for side in sides)
    return x0 - left, top - y1, x1 - left, top - y0


def _is_even(pixels: NDArray[np.uint8], bounds: tuple[float, float, float, float], scale: float) -> bool:
    x0, y0, x1, y1 = (max(0, round(side * scale)) for side in bounds)
    area = pixels[y0 : y1 + 1, x0 : x1 + 1]
    return area.size > 0 and int(area.max()) - int(area.min()) <= _EVEN
