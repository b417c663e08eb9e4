"""Text on slides in fonts that draw Vietnamese over Western letters."""

from itertools import groupby
from typing import Final

from lxml import etree

from ingest.parsing.legacy_fonts import LegacyFont, join_runs, legacy_font

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def draw_fonts(root: etree._Element) -> list[str]:
    """Replace the text of runs in such fonts by what is drawn; return the encoding of each paragraph changed."""
    if not any(legacy_font(latin.get("typeface")) for latin in root.iter(f"{_A}latin")):
        return []
    return [encoding for paragraph in root.iter(f"{_A}p") if (encoding := _draw(paragraph))]


def _draw(paragraph: etree._Element) -> str:
    used = ""
    for font, group in groupby(paragraph.iterfind(f"{_A}r"), key=_font_of):
        texts = [text for run in group if (text := run.find(f"{_A}t")) is not None]
        shown, encoding = join_runs([("".join(text.text or "" for text in texts), font)])
        if encoding:
            used = encoding
            for number, text in enumerate(texts):
                text.text = "" if number else shown
    return used


def _font_of(run: etree._Element) -> LegacyFont | None:
    latin = run.find(f"{_A}rPr/{_A}latin")
    return None if latin is None else legacy_font(latin.get("typeface"))
