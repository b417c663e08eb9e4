"""Selectors of style sheets: names, ids, classes, attributes, `:not()`, first and last children, and combinations.

Selectors with other states and pseudo-elements are not read: their rules hold for some moments or parts only.
"""

import re
from dataclasses import dataclass
from typing import Final

from selectolax.lexbor import LexborNode

MAX_PARTS: Final = 10
_MAX_STEPS_ASIDE: Final = 20
"""Texts and comments between two elements that are stepped over."""
_NAME: Final = r"[A-Za-z_\u0080-\uffff-][\w-]*"
_COMPOUND: Final = re.compile(
    rf"({_NAME}|\*)?((?:[.#]{_NAME}|\[[^\[\]]{{1,300}}\]|:not\([^()]{{1,300}}\)|:(?:first|last)-child(?![\w-]))*)"
)
_PART: Final = re.compile(rf"[.#]{_NAME}|\[[^\[\]]+\]|:not\([^()]+\)|:(?:first|last)-child")
_ATTRIBUTE: Final = re.compile(
    rf"\[\s*({_NAME})\s*(?:([~|^$*]?=)\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'\]]+))\s*([iI])?\s*)?\]"
)
_COMBINATOR: Final = re.compile(r"\s*([>+~])\s*|\s+")
Weight = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a selector requires of an attribute; no operator where it only has to be there."""

    name: str
    operator: str = ""
    value: str = ""
    ignores_case: bool = False

    def fits(self, given: str | None) -> bool:
        """Return whether an attribute that an element has fits; `given` is None where it has no value."""
        if not self.operator:
            return True
        have, want = given or "", self.value
        if self.ignores_case:
            have, want = have.lower(), want.lower()
        if self.operator == "=":
            return have == want
        if not want:
            return False
        return {
            "~=": want in have.split(),
            "|=": have == want or have.startswith(f"{want}-"),
            "^=": have.startswith(want),
            "$=": have.endswith(want),
            "*=": want in have,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of one element: its name, id and classes, "" for any; its attributes and its place."""

    tag: str
    identifier: str
    classes: frozenset[str]
    attributes: tuple[Attribute, ...] = ()
    excluded: tuple["Selector", ...] = ()
    """Of `:not()`."""
    is_first: bool = False
    is_last: bool = False

    @property
    def weight(self) -> Weight:
        """Its specificity."""
        inner = [one.weight for one in self.excluded]
        identifiers, classes, tags = (sum(column) for column in zip(*inner, strict=True)) if inner else (0, 0, 0)
        own = len(self.classes) + len(self.attributes) + self.is_first + self.is_last
        return identifiers + bool(self.identifier), classes + own, tags + bool(self.tag)

    @property
    def key(self) -> str:
        """Return an id, class, attribute or tag that every element of the selector has; "" if there is none."""
        if self.identifier:
            return f"#{self.identifier}"
        if self.classes:
            return f".{min(self.classes)}"
        return self.tag or (f"[{self.attributes[0].name}" if self.attributes else "")

    def fits(self, node: LexborNode) -> bool:
        """Return whether an element is one of the selector."""
        attributes = node.attributes
        return (
            self.tag in ("", node.tag)
            and self.identifier in ("", attributes.get("id") or "")
            and (not self.classes or self.classes <= set((attributes.get("class") or "").split()))
            and all(one.name in attributes and one.fits(attributes[one.name]) for one in self.attributes)
            and not any(one.fits(node) for one in self.excluded)
            and not (self.is_first and _has_neighbour(node, forwards=False))
            and not (self.is_last and _has_neighbour(node, forwards=True))
        )


@dataclass(frozen=True, slots=True)
class Path:
    """A selector of an element by those around it, outermost or foremost first."""

    parts: tuple[Selector, ...]
    combinators: tuple[str, ...]
    """How each part relates to the one before: " " within it, ">" its child, "+" next to it, "~" after it."""

    @property
    def weight(self) -> Weight:
        """Its specificity."""
        columns = zip(*(part.weight for part in self.parts), strict=True)
        identifiers, classes, tags = (sum(column) for column in columns)
        return identifiers, classes, tags


def keys_of(node: LexborNode) -> list[str]:
    """Return the keys of the selectors that may fit an element."""
    attributes = node.attributes
    keys = [node.tag or ""]
    if attributes:
        keys += [f".{name}" for name in set((attributes.get("class") or "").split())]
        keys += [f"[{name}" for name in attributes]
        if identifier := attributes.get("id"):
            keys.append(f"#{identifier}")
    return keys


def read_selector(written: str) -> Selector | Path | None:
    """Return what a selector selects; None for one that is not read, or that selects every element."""
    parts: list[Selector] = []
    combinators = [" "]
    at = 0
    while at < len(written) and len(parts) < MAX_PARTS:
        match = _COMPOUND.match(written, at)
        part = _compound(match) if match else None
        if match is None or part is None or not part.key:
            return None
        parts.append(part)
        at = match.end()
        if at == len(written):
            return parts[0] if len(parts) == 1 else Path(tuple(parts), tuple(combinators))
        between = _COMBINATOR.match(written, at)
        if between is None:
            return None
        combinators.append(between[1] or " ")
        at = between.end()
    return None


def _compound(match: re.Match[str]) -> Selector | None:
    found = _PART.findall(match[2])
    identifiers = [part[1:] for part in found if part.startswith("#")]
    attributes = [_attribute(part) for part in found if part.startswith("[")]
    excluded = [_excluded(part[5:-1].strip()) for part in found if part.startswith(":not")]
    if len(identifiers) > 1 or None in attributes or None in excluded:
        return None
    return Selector(
        tag="" if match[1] in (None, "*") else match[1].lower(),
        identifier="".join(identifiers),
        classes=frozenset(part[1:] for part in found if part.startswith(".")),
        attributes=tuple(one for one in attributes if one),
        excluded=tuple(one for one in excluded if one),
        is_first=":first-child" in found,
        is_last=":last-child" in found,
    )


def _excluded(written: str) -> Selector | None:
    match = _COMPOUND.fullmatch(written)
    return _compound(match) if match and written not in ("", "*") else None


def _attribute(written: str) -> Attribute | None:
    match = _ATTRIBUTE.fullmatch(written)
    if match is None:
        return None
    value = next((text for text in match.group(3, 4, 5) if text is not None), "")
    return Attribute(match[1].lower(), match[2] or "", value, bool(match[6]))


def _has_neighbour(node: LexborNode, *, forwards: bool) -> bool:
    """Whether an element is before or after another one; also if that is far to see."""
    other = node.next if forwards else node.prev
    for _ in range(_MAX_STEPS_ASIDE):
        if other is None:
            return False
        if other.tag not in ("-text", "-comment"):
            return True
        other = other.next if forwards else other.prev
    return True
