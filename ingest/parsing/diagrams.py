"""The text of SmartArt, which Word, Excel and PowerPoint share: each shape once, as in its outline."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name
from ingest.parsing.word.formulas import formula
from phoserve.text.blocks import ListItem, Place

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DGM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_SHOWN: Final = ("node", "asst")
_MAX_DEPTH: Final = 20


def diagram_items(root: etree._Element, place: Place) -> Iterator[ListItem]:
    """Yield the texts of a SmartArt data part as items of nested lists."""
    points = {point.get("modelId", ""): point for point in root.iter(f"{_DGM}pt")}
    children = _children(root)
    top = next((name for name, point in points.items() if point.get("type") == "doc"), None)
    seen: set[str] = set()
    stack = [(name, 1) for name in reversed(children.get(top or "", []))]
    while stack:
        name, level = stack.pop()
        if name in seen or name not in points:
            continue
        seen.add(name)
        yield from _items(points[name], level, place)
        stack += [(child, min(level + 1, _MAX_DEPTH)) for child in reversed(children.get(name, []))]
    for name, point in points.items():  # of a damaged outline
        if name not in seen:
            yield from _items(point, 1, place)


def _children(root: etree._Element) -> dict[str, list[str]]:
    """Return the points below each point, in order."""
    placed: dict[str, list[tuple[int, str]]] = {}
    for link in root.iter(f"{_DGM}cxn"):
        if link.get("type", "parOf") == "parOf":
            order = link.get("srcOrd", "0")
            number = int(order) if order.isdecimal() and len(order) < 10 else 0
            placed.setdefault(link.get("srcId", ""), []).append((number, link.get("destId", "")))
    return {name: [child for _, child in sorted(found)] for name, found in placed.items()}


def _items(point: etree._Element, level: int, place: Place) -> Iterator[ListItem]:
    if point.get("type", "node") not in _SHOWN or _is_placeholder(point):
        return
    lines = ("".join(_texts(paragraph)).strip() for paragraph in point.iter(f"{_A}p"))
    if text := "\n".join(filter(None, lines)):
        yield ListItem(text=text, level=level, place=place)


def _is_placeholder(point: etree._Element) -> bool:
    """Whether the shape still shows what to fill in."""
    settings = point.find(f"{_DGM}prSet")
    return settings is not None and settings.get("phldr") in ("1", "true")


def _texts(paragraph: etree._Element) -> Iterator[str]:
    for child in paragraph:
        name = local_name(child)
        if name == "br":
            yield "\n"
        elif name in ("r", "fld"):
            yield child.findtext(f"{_A}t") or ""
        elif name == "m":
            yield formula(child)
