"""Styles of OpenDocument files: what they hide, which list a paragraph is in, and how lists are numbered."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name
from ingest.parsing.word.numbering import format_number

_OASIS: Final = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE: Final = f"{{{_OASIS}office:1.0}}"
TEXT: Final = f"{{{_OASIS}text:1.0}}"
TABLE: Final = f"{{{_OASIS}table:1.0}}"
DRAW: Final = f"{{{_OASIS}drawing:1.0}}"
STYLE: Final = f"{{{_OASIS}style:1.0}}"
SVG: Final = f"{{{_OASIS}svg-compatible:1.0}}"
PRESENTATION: Final = f"{{{_OASIS}presentation:1.0}}"
XLINK: Final = "{http://www.w3.org/1999/xlink}"
_LOEXT: Final = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
_KINDS: Final = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_PLACEHOLDER: Final = re.compile(r"%(\d{1,2})%")
_MAX_PARENTS: Final = 20
MAX_LEVELS: Final = 10
OUTLINE: Final = "\0outline"
"""The name under which the numbering of headings is kept."""


@dataclass(frozen=True, slots=True)
class ListLevel:
    """How items of one level of a list are numbered."""

    kind: str
    """A number format of `format_number`, "bullet", or "" for items without any mark."""
    prefix: str = ""
    suffix: str = ""
    shown: int = 1
    """How many levels a number shows."""
    start: int = 1
    pattern: str = ""
    """Such as "Điều %1%."; wins over prefix and suffix."""


@dataclass(slots=True)
class Styles:
    """The styles of a file, by family and name."""

    lists: dict[str, dict[int, ListLevel]] = field(default_factory=dict)
    _styles: dict[tuple[str, str], etree._Element] = field(default_factory=dict)

    def read(self, root: etree._Element | None) -> None:
        """Add the styles in a part; a name that is known already is replaced."""
        for element in () if root is None else root.iter(f"{STYLE}style", f"{TEXT}list-style", f"{TEXT}outline-style"):
            name = local_name(element)
            if name == "style":
                self._styles[element.get(f"{STYLE}family", ""), element.get(f"{STYLE}name", "")] = element
            else:
                self.lists[OUTLINE if name == "outline-style" else element.get(f"{STYLE}name", "")] = _levels(element)

    def property_of(self, family: str, name: str, attribute: str) -> str:
        """Return a property of a style, or of the nearest style that it is derived from; "" if none has it."""
        for style in self._chain(family, name):
            for properties in style:
                if (found := properties.get(attribute)) is not None:
                    return found
        return ""

    def names_font(self, is_meant: Callable[[str], object], attributes: Sequence[str]) -> bool:
        """Return whether a style names a font that is meant in one of the attributes."""
        found = (properties.get(name) for style in self._styles.values() for properties in style for name in attributes)
        return any(name and is_meant(name) for name in found)

    def list_of(self, paragraph: str) -> str:
        """Return the name of the list style that a paragraph's style names, "" for none."""
        chain = self._chain("paragraph", paragraph)
        return next((name for style in chain if (name := style.get(f"{STYLE}list-style-name"))), "")

    def is_named(self, paragraph: str, name: str) -> bool:
        """Return whether a paragraph's style is called `name` or is derived from it."""
        return any(style.get(f"{STYLE}name") == name for style in self._chain("paragraph", paragraph))

    def hides_text(self, family: str, name: str) -> bool:
        """Return whether text of a style is not shown."""
        return self.property_of(family, name, f"{TEXT}display") == "none"

    def _chain(self, family: str, name: str) -> Iterator[etree._Element]:
        for _ in range(_MAX_PARENTS):
            style = self._styles.get((family, name))
            if style is None:
                return
            yield style
            name = style.get(f"{STYLE}parent-style-name", "")


@dataclass(slots=True)
class Counters:
    """The numbers of lists so far; ask in the order of the items."""

    styles: Styles
    _counts: dict[str, list[int]] = field(default_factory=dict)

    def restart(self, style: str) -> None:
        """Begin a new list of a style."""
        self._counts.pop(style, None)

    def next_number(self, style: str, level: int, start: int | None = None) -> str:
        """Return the number or bullet of the next item at a level, counted from 1; "" if it has none."""
        levels = self.styles.lists.get(style, {})
        level = min(level, MAX_LEVELS)
        own = levels.get(level, ListLevel("bullet"))
        counts = self._counts.setdefault(style, [])
        for above in range(len(counts) + 1, level + 1):
            first = levels.get(above, own).start
            counts.append(first - 1 if above == level else first)
        del counts[level:]
        counts[level - 1] = start if start is not None else counts[level - 1] + 1
        if own.kind in ("", "bullet"):
            return "-" if own.kind else ""
        return _displayed(own, level, levels, counts)


def _displayed(own: ListLevel, level: int, levels: dict[int, ListLevel], counts: list[int]) -> str:
    def number(at: int) -> str:
        kind = levels[at].kind if at in levels else own.kind
        return format_number(counts[at - 1], kind) if kind not in ("", "bullet") and 0 < at <= level else ""

    if own.pattern:
        return _PLACEHOLDER.sub(lambda match: number(int(match[1])), own.pattern).strip()
    shown = [number(at) for at in range(max(1, level - own.shown + 1), level + 1)]
    return f"{own.prefix}{'.'.join(filter(None, shown))}{own.suffix}".strip()


def _levels(element: etree._Element) -> dict[int, ListLevel]:
    found: dict[int, ListLevel] = {}
    for level in element:
        name, at = local_name(level), _number(level.get(f"{TEXT}level"), 0)
        if not 0 < at <= MAX_LEVELS:
            continue
        if name not in ("list-level-style-number", "outline-level-style"):
            found[at] = ListLevel("bullet")
            continue
        written = level.get(f"{STYLE}num-format", "")
        found[at] = ListLevel(
            _KINDS.get(written, "decimal") if written.strip() else "",
            level.get(f"{STYLE}num-prefix", ""),
            level.get(f"{STYLE}num-suffix", ""),
            _number(level.get(f"{TEXT}display-levels"), 1),
            _number(level.get(f"{TEXT}start-value"), 1),
            level.get(f"{STYLE}num-list-format", level.get(f"{_LOEXT}num-list-format", "")),
        )
    return found


def _number(written: str | None, default: int) -> int:
    return int(written) if written and written.isdecimal() and len(written) < 7 else default
