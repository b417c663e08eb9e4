"""Selectors of style sheets: names, ids, classes, attributes, `:not()`, `:is()`, places, and combinations of these.

Selectors with states and pseudo-elements are not read: their rules hold for some moments or parts only.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from selectolax.lexbor import LexborNode

MAX_PARTS: Final = 10
_MAX_ALTERNATIVES: Final = 50
"""Of the selectors that one with `:is()` or `:where()` is short for."""
_ESCAPED: Final = r"\\(?:[0-9A-Fa-f]{1,6}\s?|.)"
_NAME: Final = rf"(?:[A-Za-z_\u0080-\uffff-]|{_ESCAPED})(?:[\w-]|{_ESCAPED})*"
_PLACE: Final = (
    r":(?:first|last|only)-(?:child|of-type)(?![\w-])|:nth-(?:last-)?(?:child|of-type)\([^()]{1,30}\)|:root(?![\w-])"
)
_COMPOUND: Final = re.compile(rf"({_NAME}|\*)?((?:[.#]{_NAME}|\[[^\[\]]{{1,300}}\]|:not\([^()]{{1,300}}\)|{_PLACE})*)")
_PART: Final = re.compile(rf"[.#]{_NAME}|\[[^\[\]]+\]|:not\([^()]+\)|{_PLACE}")
_ANY_OF: Final = re.compile(r":(?:is|where|matches|-webkit-any|-moz-any)\(([^()]{1,1000})\)")
_ESCAPE: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})\s?|(.))")
_STEPS: Final = re.compile(r"([+-]?\d*)n(?:\s*([+-])\s*(\d{1,6}))?|([+-]?\d{1,6})")
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


class Nth(NamedTuple):
    """A place among the siblings of an element: `step` times 0, 1, 2 ... and `first`, counted from 1."""

    step: int
    first: int
    from_end: bool = False
    of_type: bool = False

    def fits(self, places: "Places") -> bool:
        """Return whether an element that has these places has this one."""
        rest = places[2 * self.of_type + self.from_end] - self.first
        return rest == 0 if not self.step else rest % self.step == 0 and rest // self.step >= 0


Places = tuple[int, int, int, int]
"""The number of an element among its siblings, the same from the end, and both among those of its name."""
_ROOT: Final = Nth(0, 0)
"""A place that elements within others never have."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """The places of elements, found for all children of an element at once."""

    _places: dict[int, Places] = field(default_factory=dict)

    def places_of(self, node: LexborNode) -> Places:
        """Return the places of an element among its siblings."""
        parent = node.parent
        if parent is None or parent.tag in ("-document", "-undef"):
            return 1, 1, 1, 1
        if node.mem_id not in self._places:
            children = list(parent.iter())
            total: Counter[str] = Counter(child.tag or "" for child in children)
            seen: Counter[str] = Counter()
            for number, child in enumerate(children, 1):
                tag = child.tag or ""
                seen[tag] += 1
                from_end = len(children) + 1 - number
                self._places[child.mem_id] = number, from_end, seen[tag], total[tag] + 1 - seen[tag]
        return self._places.get(node.mem_id, (0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector of one element: its name, id and classes, "" for any; its attributes and its place."""

    tag: str
    identifier: str
    classes: frozenset[str]
    attributes: tuple[Attribute, ...] = ()
    excluded: tuple["Selector", ...] = ()
    """Of `:not()`."""
    places: tuple[Nth, ...] = ()

    @property
    def weight(self) -> Weight:
        """Its specificity."""
        inner = [one.weight for one in self.excluded]
        identifiers, classes, tags = (sum(column) for column in zip(*inner, strict=True)) if inner else (0, 0, 0)
        own = len(self.classes) + len(self.attributes) + len(self.places)
        return identifiers + bool(self.identifier), classes + own, tags + bool(self.tag)

    @property
    def key(self) -> str:
        """Return an id, class, attribute or tag that every element of the selector has; "*" if there is none."""
        if self.identifier:
            return f"#{self.identifier}"
        if self.classes:
            return f".{min(self.classes)}"
        return self.tag or (f"[{self.attributes[0].name}" if self.attributes else "*")

    def fits(self, node: LexborNode, siblings: Siblings) -> bool:
        """Return whether an element is one of the selector."""
        attributes = node.attributes
        return (
            self.tag in ("", node.tag)
            and self.identifier in ("", attributes.get("id") or "")
            and (not self.classes or self.classes <= set((attributes.get("class") or "").split()))
            and all(one.name in attributes and one.fits(attributes[one.name]) for one in self.attributes)
            and not any(one.fits(node, siblings) for one in self.excluded)
            and all(self._is_at(place, node, siblings) for place in self.places)
        )

    @staticmethod
    def _is_at(place: Nth, node: LexborNode, siblings: Siblings) -> bool:
        return node.tag == "html" if place == _ROOT else place.fits(siblings.places_of(node))


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
    keys = [node.tag or "", "*"]
    if attributes:
        keys += [f".{name}" for name in set((attributes.get("class") or "").split())]
        keys += [f"[{name}" for name in attributes]
        if identifier := attributes.get("id"):
            keys.append(f"#{identifier}")
    return keys


def read_selectors(written: str) -> Iterator[Selector | Path]:
    """Yield what a selector selects: nothing for one that is not read, several for one with alternatives."""
    for plain in _alternatives(written):
        selector = _read_plain(plain)
        if selector is not None:
            yield selector


def split_list(written: str) -> list[str]:
    """Return the selectors of a list, whose commas within brackets are their own."""
    if "(" not in written and "[" not in written:
        return written.split(",")
    parts, depth = [""], 0
    for character in written:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _alternatives(written: str) -> list[str]:
    """Return the selectors that one with `:is()` or `:where()` is short for, or itself."""
    plain, at = [written], 0
    while at < len(plain) <= _MAX_ALTERNATIVES:
        match = _ANY_OF.search(plain[at])
        if match is None:
            at += 1
            continue
        before, after = plain[at][: match.start()], plain[at][match.end() :]
        each = [one.strip() for one in match[1].split(",")]
        is_inside = bool(before) and before[-1] not in " >+~"
        plain[at : at + 1] = [before + one + after for one in each if not (is_inside and one[:1].isalpha())]
    return plain[:_MAX_ALTERNATIVES]


def _read_plain(written: str) -> Selector | Path | None:
    parts: list[Selector] = []
    combinators = [" "]
    at = 0
    while at < len(written) and len(parts) < MAX_PARTS:
        match = _COMPOUND.match(written, at)
        part = _compound(match) if match and match.end() > at else None
        if match is None or part is None:
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
    identifiers = [_unescape(part[1:]) for part in found if part.startswith("#")]
    attributes = [_attribute(part) for part in found if part.startswith("[")]
    excluded = [one for part in found if part.startswith(":not") for one in _excluded(part[5:-1])]
    places = [place for part in found if part.startswith(":") and part[:4] != ":not" for place in _places(part)]
    if len(identifiers) > 1 or None in attributes or None in excluded or None in places:
        return None
    return Selector(
        tag="" if match[1] in (None, "*") else _unescape(match[1]).lower(),
        identifier="".join(identifiers),
        classes=frozenset(_unescape(part[1:]) for part in found if part.startswith(".")),
        attributes=tuple(one for one in attributes if one),
        excluded=tuple(one for one in excluded if one),
        places=tuple(place for place in places if place),
    )


def _excluded(written: str) -> Iterator[Selector | None]:
    for one in written.split(","):
        match = _COMPOUND.fullmatch(one.strip())
        yield _compound(match) if match and one.strip() not in ("", "*") else None


def _places(written: str) -> list[Nth | None]:
    """Return the places that a pseudo-class names; None for one that cannot be read."""
    if written == ":root":
        return [_ROOT]
    of_type = "of-type" in written
    name, _, steps = written.rstrip(")").partition("(")
    if name.startswith(":nth"):
        return [_nth(steps.strip().lower(), from_end="last" in name, of_type=of_type)]
    ends = {":f": [False], ":l": [True]}.get(name[:2], [False, True])
    return [Nth(0, 1, from_end, of_type) for from_end in ends]


def _nth(steps: str, *, from_end: bool, of_type: bool) -> Nth | None:
    match = _STEPS.fullmatch({"odd": "2n+1", "even": "2n"}.get(steps, steps))
    if match is None:
        return None
    if match[4]:
        return Nth(0, int(match[4]) or -1, from_end, of_type)
    step = int(match[1] + "1" if match[1] in ("", "+", "-") else match[1][:7])
    return Nth(step, int((match[2] or "") + (match[3] or "0")), from_end, of_type)


def _unescape(name: str) -> str:
    if "\\" not in name:
        return name
    return _ESCAPE.sub(lambda match: chr(min(int(match[1], 16), 0x10FFFF)) if match[1] else match[2], name)


def _attribute(written: str) -> Attribute | None:
    match = _ATTRIBUTE.fullmatch(written)
    if match is None:
        return None
    value = next((text for text in match.group(3, 4, 5) if text is not None), "")
    return Attribute(match[1].lower(), match[2] or "", value, bool(match[6]))
