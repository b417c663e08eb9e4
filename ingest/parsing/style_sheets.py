"""The elements that a page's own style sheets hide, within limits that keep it linear in the length of the page."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborNode

HIDING: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
SHOWING: Final = re.compile(r"display\s*:\s*(?!none)[a-z]|visibility\s*:\s*visible", re.IGNORECASE)
MAX_CHARACTERS: Final = 2_000_000
MAX_SELECTORS: Final = 20_000
MAX_STEPS: Final = 3_000_000
"""Of matching selectors of several elements; what is not matched by then is not hidden by them."""
MAX_PARTS: Final = 10
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_PIECE: Final = re.compile(r"[{};]|[^{};]+")
_NAME: Final = r"[A-Za-z_\u0080-\uffff-][\w-]*"
_SELECTOR: Final = re.compile(rf"({_NAME}|\*)?((?:[.#]{_NAME})*)")
_PART: Final = re.compile(rf"([.#])({_NAME})")
_COMBINATOR: Final = re.compile(r"\s*(>)\s*|\s+")
Weight = tuple[int, int, int]
_SEEN: Final = re.compile(r"@(?:layer|supports)\b|@media\s*(?:only\s+)?(?:all|screen)\s*\Z", re.IGNORECASE)
"""Groups of rules that hold on a screen of any size; those for print or small screens do not count."""


@dataclass(frozen=True, slots=True)
class _Selector:
    """A selector of one element: its name, id and classes; "" for any."""

    tag: str
    identifier: str
    classes: frozenset[str]

    @property
    def weight(self) -> Weight:
        """Its specificity."""
        return (bool(self.identifier), len(self.classes), bool(self.tag))


@dataclass(frozen=True, slots=True)
class _Path:
    """A selector of an element within others, outermost first."""

    parts: tuple[_Selector, ...]
    is_child: tuple[bool, ...]
    """Whether each part must be a child of the one before, not any element below it."""

    @property
    def weight(self) -> Weight:
        """Its specificity."""
        columns = zip(*(part.weight for part in self.parts), strict=True)
        identifiers, classes, tags = (sum(column) for column in columns)
        return identifiers, classes, tags


Rule = tuple[Weight, int, bool]
"""Specificity, order, and whether it hides; of several, the greatest wins."""
_Step = tuple[int, int]
"""A path's number and a position in it."""


@dataclass(slots=True)
class HiddenElements:
    """Decides whether style sheets hide an element. The rule of the highest specificity wins, of equals the last."""

    _by_key: dict[str, list[tuple[Rule, _Selector]]] = field(default_factory=dict)
    """Rules with a selector of one element, by an id, class or tag that the selector names."""
    _paths: list[tuple[Rule, _Path]] = field(default_factory=list)
    _by_node: dict[int, list[Rule]] = field(default_factory=dict)
    """The rules whose paths match, by the memory addresses of nodes."""

    @classmethod
    def of(cls, sheets: Iterable[str]) -> "HiddenElements":
        """Read style sheets in their order, up to MAX_CHARACTERS of each and MAX_SELECTORS selectors."""
        found = cls()
        is_hiding = False
        for order, (written, hides) in enumerate(_rules(sheets)):
            if order >= MAX_SELECTORS:
                break
            if selector := _selector(written):
                found._by_key.setdefault(_key(selector), []).append(((selector.weight, order, hides), selector))
            elif path := _path(written):
                found._paths.append(((path.weight, order, hides), path))
            else:
                continue
            is_hiding = is_hiding or hides
        return found if is_hiding else cls()

    def match(self, root: LexborNode | None) -> None:
        """Find the elements below `root` that paths match, from the outermost inwards, in MAX_STEPS at most."""
        if not self._paths or root is None:
            return
        steps = self._steps()
        left = MAX_STEPS
        nothing: frozenset[_Step] = frozenset()
        stack = [(root, nothing, nothing)]
        while stack and left > 0:
            node, above, parent = stack.pop()
            candidates = [step for key in _keys(node) for step in steps.get(key, ())]
            reached = {step for step in candidates if self._reaches(node, step, above, parent)}
            left -= 1 + len(candidates) + (len(above) if reached else 0)
            inner = above | reached if reached else above
            stack += [(child, inner, frozenset(reached)) for child in node.iter()]

    def hide(self, node: LexborNode) -> bool:
        """Return whether an element is hidden."""
        if not self._by_key and not self._by_node:
            return False
        rules = list(self._by_node.get(node.mem_id, ()))
        if self._by_key:
            known = [each for key in _keys(node) for each in self._by_key.get(key, ())]
            rules += [rule for rule, selector in known if _fits(selector, node)]
        return max(rules)[2] if rules else False

    def _steps(self) -> dict[str, list[_Step]]:
        """Return the parts of all paths by the key that an element of theirs has."""
        steps: dict[str, list[_Step]] = {}
        for number, (_, path) in enumerate(self._paths):
            for position, part in enumerate(path.parts):
                steps.setdefault(_key(part), []).append((number, position))
        return steps

    def _reaches(self, node: LexborNode, step: _Step, above: frozenset[_Step], parent: frozenset[_Step]) -> bool:
        """Whether an element is that part of a path; one that is the last part is noted."""
        number, position = step
        rule, path = self._paths[number]
        if position and (number, position - 1) not in (parent if path.is_child[position] else above):
            return False
        if not _fits(path.parts[position], node):
            return False
        if position == len(path.parts) - 1:
            self._by_node.setdefault(node.mem_id, []).append(rule)
        return True


def _key(selector: _Selector) -> str:
    """Return an id, class or tag that every element of the selector has."""
    if selector.identifier:
        return f"#{selector.identifier}"
    return next((f".{name}" for name in sorted(selector.classes)), selector.tag)


def _keys(node: LexborNode) -> list[str]:
    attributes = node.attributes
    keys = [node.tag or ""]
    if attributes:
        keys += [f".{name}" for name in set((attributes.get("class") or "").split())]
        if identifier := attributes.get("id"):
            keys.append(f"#{identifier}")
    return keys


def _fits(selector: _Selector, node: LexborNode) -> bool:
    attributes = node.attributes
    return (
        selector.tag in ("", node.tag)
        and selector.identifier in ("", attributes.get("id") or "")
        and (not selector.classes or selector.classes <= set((attributes.get("class") or "").split()))
    )


def _path(written: str) -> _Path | None:
    """Return a selector of elements within each other; None for others, such as one of siblings."""
    pieces = _COMBINATOR.split(written)
    parts = [_selector(piece) for piece in pieces[::2]]
    if not 1 < len(parts) <= MAX_PARTS or not all(parts):
        return None
    return _Path(tuple(part for part in parts if part), (False, *(mark == ">" for mark in pieces[1::2])))


def _rules(sheets: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the selectors whose rules hide or show their elements."""
    for sheet in sheets:
        for prelude, body in _blocks(_COMMENT.sub("", sheet[:MAX_CHARACTERS])):
            hides = HIDING.search(body) is not None
            if not hides and not SHOWING.search(body):
                continue
            for written in prelude.split(","):
                if written.strip():
                    yield written.strip(), hides


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
