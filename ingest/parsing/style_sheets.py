"""The elements that a page's own style sheets hide: rules with simple selectors, read in linear time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

HIDING: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
SHOWING: Final = re.compile(r"display\s*:\s*(?!none)[a-z]|visibility\s*:\s*visible", re.IGNORECASE)
MAX_CHARACTERS: Final = 2_000_000
MAX_SELECTORS: Final = 20_000
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_PIECE: Final = re.compile(r"[{};]|[^{};]+")
_NAME: Final = r"[A-Za-z_\u0080-\uffff-][\w-]*"
_SELECTOR: Final = re.compile(rf"({_NAME}|\*)?((?:[.#]{_NAME})*)")
_PART: Final = re.compile(rf"([.#])({_NAME})")
_SEEN: Final = re.compile(r"@(?:layer|supports)\b|@media\s*(?:only\s+)?(?:all|screen)\s*\Z", re.IGNORECASE)
"""Groups of rules that hold on a screen of any size; those for print or small screens do not count."""


@dataclass(frozen=True, slots=True)
class _Selector:
    """A selector of one element: its name, id and classes; "" for any."""

    tag: str
    identifier: str
    classes: frozenset[str]

    @property
    def weight(self) -> tuple[int, int, int]:
        """Its specificity."""
        return (bool(self.identifier), len(self.classes), bool(self.tag))


@dataclass(slots=True)
class HiddenElements:
    """Decides whether style sheets hide an element. The rule of the highest specificity wins, of equals the last."""

    _by_key: dict[str, list[tuple[tuple[int, int, int], int, _Selector, bool]]] = field(default_factory=dict)
    """Specificity, order, selector and whether it hides, by one id, class or tag that the selector names."""

    @classmethod
    def of(cls, sheets: Iterable[str]) -> "HiddenElements":
        """Read style sheets in their order, up to MAX_CHARACTERS of each and MAX_SELECTORS selectors."""
        found = cls()
        for order, (selector, hides) in enumerate(_rules(sheets)):
            if order >= MAX_SELECTORS:
                break
            key = f"#{selector.identifier}" if selector.identifier else ""
            key = key or next((f".{name}" for name in sorted(selector.classes)), selector.tag)
            found._by_key.setdefault(key, []).append((selector.weight, order, selector, hides))
        hiding = {key for key, rules in found._by_key.items() if any(rule[3] for rule in rules)}
        return found if hiding else cls()

    def __contains__(self, element: tuple[str, Mapping[str, str | None]]) -> bool:
        """Return whether an element of this name, with these attributes, is hidden."""
        if not self._by_key:
            return False
        tag, attributes = element
        identifier, classes = attributes.get("id") or "", frozenset((attributes.get("class") or "").split())
        keys = [tag, *(f".{name}" for name in classes), *([f"#{identifier}"] if identifier else ())]
        matching = [
            (weight, order, hides)
            for key in keys
            for weight, order, selector, hides in self._by_key.get(key, ())
            if selector.tag in ("", tag) and selector.identifier in ("", identifier) and selector.classes <= classes
        ]
        return max(matching)[2] if matching else False


def _rules(sheets: Iterable[str]) -> Iterator[tuple[_Selector, bool]]:
    """Yield the selectors whose rules hide or show their elements."""
    for sheet in sheets:
        for prelude, body in _blocks(_COMMENT.sub("", sheet[:MAX_CHARACTERS])):
            hides = HIDING.search(body) is not None
            if not hides and not SHOWING.search(body):
                continue
            for written in prelude.split(","):
                selector = _selector(written.strip())
                if selector is not None:
                    yield selector, hides


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """Yield prelude and declarations of the rules that hold on any screen."""
    open_groups: list[tuple[str, list[str]]] = []
    text = ""
    for piece in _PIECE.findall(sheet):
        if piece == "{":
            open_groups.append((text.strip(), []))
            text = ""
        elif piece == "}":
            if open_groups:
                prelude, declarations = open_groups.pop()
                declarations.append(text)
                if not prelude.startswith("@") and all(_SEEN.match(outer) for outer, _ in open_groups):
                    yield prelude, ";".join(declarations)
            text = ""
        elif piece == ";":
            if open_groups:
                open_groups[-1][1].append(text)
            text = ""
        else:
            text = piece


def _selector(written: str) -> _Selector | None:
    """Return a selector of one element by name, id and classes; None for any other, such as one with a state."""
    match = _SELECTOR.fullmatch(written)
    if match is None or not (match[1] or match[2]) or (match[1] == "*" and not match[2]):
        return None
    parts = _PART.findall(match[2])
    identifiers = [name for mark, name in parts if mark == "#"]
    if len(identifiers) > 1:
        return None
    tag = "" if match[1] in (None, "*") else match[1].lower()
    return _Selector(tag, "".join(identifiers), frozenset(name for mark, name in parts if mark == "."))
