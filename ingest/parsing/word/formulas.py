"""Office formulas (OMML) on one line."""

from collections.abc import Callable
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name

_M: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DELETED: Final = ("del", "moveFrom")


def formula(element: etree._Element) -> str:
    """Return an Office formula on one line: a/b, x^2, √(x), [a, b; c, d]; tracked deletions are left out."""
    name = local_name(element)
    if name == "t":
        return element.text or ""
    if name in _DELETED:
        return ""
    inner = {local_name(child): child for child in element}

    def part(child: str) -> str:
        return formula(inner[child]) if child in inner else ""

    if name in _FORMS:
        return _FORMS[name](part)
    if name in _FORMS_OF_ELEMENTS and element.tag.startswith(_M):
        return _FORMS_OF_ELEMENTS[name](element, part)
    return "".join(formula(child) for child in element if not local_name(child).endswith("Pr"))


Part = Callable[[str], str]
"""Returns what an element's child of that name reads."""


def _scripts(part: Part) -> str:
    below, above = part("sub"), part("sup")
    return part("e") + (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")


_FORMS: Final[dict[str, Callable[[Part], str]]] = {
    "f": lambda part: f"{_grouped(part('num'))}/{_grouped(part('den'))}",
    "sSup": _scripts,
    "sSub": _scripts,
    "sSubSup": _scripts,
    "sPre": lambda part: f"_{_grouped(part('sub'))}^{_grouped(part('sup'))} {part('e')}",
    "rad": lambda part: f"{part('deg')}√{_grouped(part('e'))}",
    "limLow": lambda part: f"{part('e')}_{_grouped(part('lim'))}",
    "limUpp": lambda part: f"{part('e')}^{_grouped(part('lim'))}",
    "func": lambda part: f"{part('fName')} {part('e')}",
}


def _sum(element: etree._Element, part: Part) -> str:
    sign = _setting(element, "naryPr", "chr", "∫")
    return f"{sign}_{_grouped(part('sub'))}^{_grouped(part('sup'))} {part('e')}"


def _delimited(element: etree._Element, _: Part) -> str:
    begin, end = (_setting(element, "dPr", name, mark) for name, mark in (("begChr", "("), ("endChr", ")")))
    separator = _setting(element, "dPr", "sepChr", ", ")
    return f"{begin}{separator.join(_children(element, 'e'))}{end}"


def _setting(element: etree._Element, properties: str, name: str, default: str) -> str:
    found = element.find(f"{_M}{properties}/{_M}{name}")
    return default if found is None else found.get(f"{_M}val", default)


def _children(element: etree._Element, name: str) -> list[str]:
    return [formula(child) for child in element if local_name(child) == name]


_FORMS_OF_ELEMENTS: Final[dict[str, Callable[[etree._Element, Part], str]]] = {
    "nary": _sum,
    "d": _delimited,
    "m": lambda element, _: f"[{'; '.join(_children(element, 'mr'))}]",
    "mr": lambda element, _: ", ".join(_children(element, "e")),
    "eqArr": lambda element, _: "; ".join(_children(element, "e")),
}


def _grouped(text: str) -> str:
    return text if len(text) <= 1 or text.isalnum() else f"({text})"
