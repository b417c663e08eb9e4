"""Shapes on a slide: where they are, and in which order they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a shape is, in EMU; None where it takes its layout's place."""

    top: int | None
    left: int | None
    height: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of a slide."""

    element: etree._Element
    position: Position
    placeholder: etree._Element | None

    @property
    def role(self) -> str:
        """Return the kind of its placeholder; "" for a shape that is none."""
        return "" if self.placeholder is None else self.placeholder.get("type", "body")


def reading_order(shapes: list[Shape]) -> list[Shape]:
    """Return shapes from top to bottom, and from left to right where they overlap in height by more than half."""
    placed = [shape for shape in shapes if shape.position.top is not None]
    if len(placed) < len(shapes):
        return shapes  # the order in the file is all that is known
    ordered: list[Shape] = []
    rest = sorted(placed, key=lambda shape: (shape.position.top or 0, shape.position.left or 0))
    while rest:
        top = rest[0].position
        middle = (top.top or 0) + top.height / 2
        row = [s for s in rest if (s.position.top or 0) <= middle and _overlaps(top, s.position)]
        ordered.extend(sorted(row, key=lambda shape: shape.position.left or 0))
        rest = [shape for shape in rest if shape not in row]
    return ordered


def _overlaps(first: Position, other: Position) -> bool:
    begin, end = (
        max(first.top or 0, other.top or 0),
        min((first.top or 0) + first.height, (other.top or 0) + other.height),
    )
    return end - begin >= min(first.height, other.height) / 2


def position_of(element: etree._Element) -> Position:
    """Return the declared position of a shape."""
    for path in (f"{_P}spPr/{_A}xfrm", f"{_P}grpSpPr/{_A}xfrm", f"{_P}xfrm"):
        transform = element.find(path)
        offset = None if transform is None else transform.find(f"{_A}off")
        if transform is not None and offset is not None:
            extent = transform.find(f"{_A}ext")
            height = 0 if extent is None else number_of(extent.get("cy"))
            return Position(number_of(offset.get("y")), number_of(offset.get("x")), height)
    return Position(None, None)


def unwrapped(tree: etree._Element) -> Iterator[etree._Element]:
    """Yield the children of a shape tree; of alternatives, the first that this parser can read."""
    for child in tree:
        if local_name(child) != "AlternateContent":
            yield child
            continue
        for alternative in child:
            inner = list(unwrapped(alternative))
            if inner:
                yield from inner
                break


def number_of(text: str | None) -> int:
    """Return an attribute's number; 0 for none."""
    try:
        return int(text) if text and len(text) < 20 else 0
    except ValueError:
        return 0
