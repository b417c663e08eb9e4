"""Forms and panels of web pages: the values that fields show, and what tabs and titles open."""

from dataclasses import dataclass
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

FIELDS: Final = ("input", "select", "textarea")
_WITHOUT_VALUE: Final = frozenset(
    {"hidden", "password", "submit", "reset", "button", "image", "file", "range", "color", "search"}
)
_BOXES: Final = ("checkbox", "radio")
_TITLES: Final = ("h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt")
_NAMING: Final = ("aria-label", "aria-labelledby", "title")
_NAMED_PLACES: Final = ("label", "td", "th", "dd")
_MAX_STEPS_UP: Final = 3
_MAX_REFERENCES: Final = 10_000


def field_text(node: LexborNode) -> str:
    """Return what a field shows: its value, its chosen options, or whether it is ticked; "" for none and secrets."""
    attributes = node.attributes
    if node.tag == "textarea":
        return node.text()
    if node.tag == "select":
        return ", ".join(_chosen(node))
    kind = (attributes.get("type") or "text").strip().lower()
    if kind in _BOXES:
        return "☒" if "checked" in attributes else "☐"
    return "" if kind in _WITHOUT_VALUE else attributes.get("value") or ""


def is_title_button(node: LexborNode) -> bool:
    """Return whether a button's text is that of a title, or of a tab, not of a command."""
    if node.attributes.get("role") == "tab":
        return True
    parent = node.parent
    for _ in range(2):
        if parent is None:
            return False
        if parent.tag in _TITLES:
            return True
        parent = parent.parent
    return False


@dataclass(frozen=True, slots=True)
class Controls:
    """What labels, tabs and titles of a page refer to, by id."""

    panels: frozenset[str] = frozenset()
    """What tabs and titles open, which a reader sees without leaving the page."""
    labelled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tree: LexborHTMLParser) -> "Controls":
        """Collect them, up to _MAX_REFERENCES of each."""
        panels: set[str] = set()
        for node in tree.css("[aria-controls]")[:_MAX_REFERENCES]:
            if node.attributes.get("role") == "tab" or (node.tag == "button" and is_title_button(node)):
                panels.update((node.attributes.get("aria-controls") or "").split())
        labels = tree.css("label[for]")[:_MAX_REFERENCES]
        return cls(frozenset(panels), frozenset(label.attributes.get("for") or "" for label in labels))

    def label(self, field: LexborNode) -> bool:
        """Return whether a field has a label or is a cell's; one without is a tool of the page, such as a search."""
        attributes = field.attributes
        if attributes.get("id") in self.labelled or any(name in attributes for name in _NAMING):
            return True
        parent = field.parent
        for _ in range(_MAX_STEPS_UP):
            if parent is None:
                return False
            if parent.tag in _NAMED_PLACES:
                return True
            parent = parent.parent
        return False


def _chosen(select: LexborNode) -> list[str]:
    options = select.css("option")
    chosen = [option for option in options if "selected" in option.attributes]
    if "multiple" not in select.attributes:
        can_be = [option for option in options if "disabled" not in option.attributes]
        chosen = chosen[-1:] or can_be[:1]
    return [" ".join((option.attributes.get("label") or option.text()).split()) for option in chosen]
