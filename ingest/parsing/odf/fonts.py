"""Text of OpenDocument files in fonts that draw Vietnamese over Western letters."""

from typing import Final

from lxml import etree

from ingest.parsing.legacy_fonts import LegacyFont, join_runs, legacy_font
from ingest.parsing.odf.styles import STYLE, TABLE, TEXT, Styles

_FO: Final = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_NAMES: Final = (f"{STYLE}font-name", f"{_FO}font-family")
_MAX_DEPTH: Final = 256


def draw_fonts(root: etree._Element, styles: Styles) -> list[str]:
    """Replace text in such fonts by what is drawn; return the encoding of each paragraph changed."""
    if not styles.names_font(legacy_font, _NAMES):
        return []
    converted = []
    for paragraph in root.iter(f"{TEXT}p", f"{TEXT}h"):
        cell = next(paragraph.iterancestors(f"{TABLE}table-cell"), None)
        around = _font(styles, "table-cell", cell.get(f"{TABLE}style-name", ""), None) if cell is not None else None
        used: list[str] = []
        _draw(paragraph, _font(styles, "paragraph", paragraph.get(f"{TEXT}style-name", ""), around), styles, used, 0)
        converted += used[:1]
    return converted


def _draw(element: etree._Element, font: LegacyFont | None, styles: Styles, used: list[str], depth: int) -> None:
    element.text = _drawn(element.text, font, used)
    for child in element:
        if depth < _MAX_DEPTH and child.tag not in (f"{TEXT}p", f"{TEXT}h"):
            own = child.get(f"{TEXT}style-name", "") if child.tag == f"{TEXT}span" else ""
            _draw(child, _font(styles, "text", own, font) if own else font, styles, used, depth + 1)
        child.tail = _drawn(child.tail, font, used)


def _drawn(text: str | None, font: LegacyFont | None, used: list[str]) -> str | None:
    if not text or font is None:
        return text
    shown, encoding = join_runs([(text, font)])
    used.extend([encoding] if encoding else ())
    return shown


def _font(styles: Styles, family: str, name: str, around: LegacyFont | None) -> LegacyFont | None:
    named = next((font for attribute in _NAMES if (font := styles.property_of(family, name, attribute))), "")
    return legacy_font(named) if named else around
