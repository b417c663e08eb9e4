"""What is drawn on a sheet: charts, text boxes, SmartArt and alternative texts of pictures."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from ingest.parsing.alternative import alternative_text
from ingest.parsing.charts import chart_table
from ingest.parsing.diagrams import diagram_items
from ingest.parsing.number_codes import Style
from ingest.parsing.opc import Package, local_name
from phoserve.text.blocks import Block, Caption, Paragraph, Place

_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_OFF: Final = ("", "0", "false")
_MAX_DEPTH: Final = 256
"""As deep as libxml2 reads: nothing is left out."""


def drawing_blocks(package: Package, part: str, place: Place, style: Style) -> Iterator[Block]:
    """Yield the blocks of a drawing part; hidden shapes and what old programs show instead are left out."""
    for chart in (name for kind in ("chart", "chartEx") for name in package.related(part, kind)):
        chart_root = package.xml(chart)
        if chart_root is not None and (table := chart_table(chart_root, place, style)):
            yield table
    root = package.xml(part)
    if root is None:
        return
    relations = package.relations(part)
    for element in _shown(root, 0):
        name = local_name(element)
        if name == "cNvPr":
            if text := alternative_text(element.get("descr")):
                yield Caption(text=text, place=place)
        elif name == "txBody":
            lines = ["".join(t.text or "" for t in p.iter("{*}t")).strip() for p in element.iterfind("{*}p")]
            if text := "\n".join(filter(None, lines)):
                yield Paragraph(text=text, place=place)
        elif (relation := relations.get(element.get(f"{_R}dm", ""))) and not relation.external:
            data = package.xml(relation.target)
            yield from () if data is None else diagram_items(data, place)


def _shown(parent: etree._Element, depth: int) -> Iterator[etree._Element]:
    """Yield texts, names and SmartArt of the shapes that are shown, in the order of the file."""
    for child in parent:
        name = local_name(child)
        if name in ("txBody", "cNvPr", "relIds"):
            yield child
        elif name != "Fallback" and depth < _MAX_DEPTH and not _is_hidden(child):
            yield from _shown(child, depth + 1)


def _is_hidden(shape: etree._Element) -> bool:
    properties = shape.find("./*/{*}cNvPr")
    return properties is not None and properties.get("hidden", "0") not in _OFF
