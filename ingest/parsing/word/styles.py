"""Word's styles: what a paragraph or run inherits."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree

from ingest.parsing.legacy_fonts import legacy_font

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OFF: Final = ("0", "false", "off", "none")
_HEADING: Final = re.compile(r"heading ([1-9])")
_LONGEST_CHAIN: Final = 20


def value(element: etree._Element | None, name: str = "val") -> str | None:
    """Return an attribute of Word's namespace; None if there is no such element or attribute."""
    return None if element is None else element.get(f"{W}{name}")


def is_on(properties: etree._Element | None, name: str) -> bool | None:
    """Return a switch such as "b" or "vanish" of a properties element; None where it does not set it."""
    element = None if properties is None else properties.find(f"{W}{name}")
    return None if element is None else value(element) not in _OFF


def font_of(properties: etree._Element | None) -> str:
    """Return the font that a properties element sets Western letters in, "" if it sets none."""
    fonts = None if properties is None else properties.find(f"{W}rFonts")
    return value(fonts, "hAnsi") or value(fonts, "ascii") or ""


def uses_legacy_fonts(root: etree._Element | None) -> bool:
    """Whether anything in a part is set in a font that draws Vietnamese over Western letters."""
    fonts = () if root is None else root.iter(f"{W}rFonts")
    return any(legacy_font(value(font, "hAnsi") or value(font, "ascii")) for font in fonts)


def outline_level(text: str | None) -> int | None:
    """Return the heading level that an outline level gives, 1 to 9; None for body text."""
    return int(text) + 1 if text and len(text) == 1 and text in "012345678" else None


class Styles:
    """The styles of a document, each with those it is based on."""

    def __init__(self, root: etree._Element | None) -> None:
        self._styles: dict[str, etree._Element] = {}
        self._default_paragraph = ""
        defaults = None if root is None else root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self._default_font = font_of(defaults)
        self.has_legacy_fonts = uses_legacy_fonts(root)
        """Whether a style sets its text in a font that draws Vietnamese over Western letters."""
        for style in () if root is None else root.iterfind(f"{W}style"):
            identifier = value(style, "styleId") or ""
            self._styles[identifier] = style
            if value(style, "type") == "paragraph" and value(style, "default") not in (None, *_OFF):
                self._default_paragraph = identifier

    def of_paragraph(self, properties: etree._Element | None) -> str:
        """Return the id of the style of a paragraph with these properties."""
        style = None if properties is None else value(properties.find(f"{W}pStyle"))
        return style or self._default_paragraph

    def name(self, identifier: str) -> str:
        """Return a style's name in lower case; built-in ones have English names whatever the language of Word."""
        style = self._styles.get(identifier)
        return (value(style.find(f"{W}name")) or "").lower() if style is not None else ""

    def heading_level(self, identifier: str) -> int | None:
        """Return the level that a style gives its paragraphs, 1 to 9; None if they are no headings."""
        for style in self._chain(identifier):
            if match := _HEADING.fullmatch((value(style.find(f"{W}name")) or "").lower()):
                return int(match[1])
            outline = value(style.find(f"{W}pPr/{W}outlineLvl"))
            if outline is not None:
                return outline_level(outline)
        return None

    def numbering(self, identifier: str) -> tuple[str | None, int | None]:
        """Return the number id and the level of the list that a style puts its paragraphs into."""
        number: str | None = None
        level: int | None = None
        for style in self._chain(identifier):
            properties = style.find(f"{W}pPr/{W}numPr")
            if properties is None:
                continue
            number = number if number is not None else value(properties.find(f"{W}numId"))
            found = value(properties.find(f"{W}ilvl"))
            if level is None and found and found.isdecimal():
                level = int(found)
        return number, level

    def is_on(self, identifier: str | None, name: str) -> bool:
        """Whether a style switches a property of its runs on, such as "vanish" or "b"."""
        for style in self._chain(identifier or ""):
            switch = is_on(style.find(f"{W}rPr"), name)
            if switch is not None:
                return switch
        return False

    def font(self, identifiers: Iterable[str | None]) -> str:
        """Return the font that the first of the styles with one sets its runs in; else that of the document."""
        chains = (style for identifier in identifiers for style in self._chain(identifier or ""))
        fonts = (font_of(style.find(f"{W}rPr")) for style in chains)
        return next(filter(None, fonts), self._default_font)

    def is_centred(self, identifier: str) -> bool:
        """Whether a style centres its paragraphs."""
        for style in self._chain(identifier):
            alignment = value(style.find(f"{W}pPr/{W}jc"))
            if alignment is not None:
                return alignment == "center"
        return False

    def has_borders(self, identifier: str) -> bool:
        """Whether a table style draws lines."""
        return any(
            draws_lines(borders) for style in self._chain(identifier) for borders in style.iter(f"{W}tblBorders")
        )

    def _chain(self, identifier: str) -> Iterator[etree._Element]:
        for _ in range(_LONGEST_CHAIN):
            style = self._styles.get(identifier)
            if style is None:
                return
            yield style
            identifier = value(style.find(f"{W}basedOn")) or ""


def draws_lines(borders: etree._Element | None) -> bool:
    """Whether a borders element draws a line on any side."""
    return borders is not None and any(value(side) not in (None, "nil", "none") for side in borders)
