"""What a page's own style sheets hide, within limits that keep it linear in the length of the page."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborNode

from ingest.parsing.css_declarations import FONTS, Aspect, Declared, declared_by
from ingest.parsing.css_selectors import Path, Selector, Siblings, Weight, keys_of, read_selectors, split_list
from ingest.parsing.media_queries import holds_on_a_screen

# Most rules hide nothing, which is found faster than what they declare.
_MAY_HIDE: Final = re.compile(
    r"none|hidden|collapse|clip|transparent|white|#f|snow|rgb|hsl|:\s*[+-]?\.?0|-\d{3}|scale|opacity|polygon|background"
    r"|\.vn|vni",
    re.IGNORECASE,
)
_WORDS: Final[Mapping[Aspect, tuple[str, ...]]] = {
    Aspect.DISPLAY: ("display",),
    Aspect.VISIBILITY: ("visibility",),
    Aspect.FONT: ("font",),
    Aspect.INK: ("color",),
    Aspect.WHITE: ("color",),
    Aspect.PAPER: ("background",),
    Aspect.OPACITY: ("opacity", "visibility", "filter"),
    Aspect.PLACE: ("left", "right", "top", "bottom", "indent"),
    Aspect.TURN: ("transform", "scale"),
    Aspect.CLIP: ("clip",),
    Aspect.BOX: ("overflow", "height", "width"),
    **dict.fromkeys(FONTS, ("font",)),
}
"""What a rule has to name so that it can undo what another one hides."""
MAX_CHARACTERS: Final = 2_000_000
MAX_SELECTORS: Final = 20_000
MAX_STEPS: Final = 3_000_000
"""Of matching selectors of several elements; what is not matched by then is not hidden by them."""
_MAX_TRIES: Final = 200_000
_USUAL_TRIES: Final = 20
"""Selectors of one element that may fit it, which do not count; those of all elements beyond it are _MAX_TRIES."""
_MAX_OUTER: Final = 8
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_PIECE: Final = re.compile(r"[{};]|[^{};]+")

Rule = tuple[bool, Weight, int, bool]
"""Importance, specificity, order, and whether it hides; of several, the greatest wins."""
_Step = tuple[int, int]
"""A path's number and a position in it."""
_Rules = tuple[tuple[Aspect, Rule], ...]
_OWN: Final[Weight] = (1_000_000, 0, 0)
"""The specificity of an element's own style."""


@dataclass(slots=True)
class HiddenElements:
    """Decides whether style sheets hide an element. The rule of the highest specificity wins, of equals the last."""

    _by_key: dict[str, dict[Selector, _Rules]] = field(default_factory=dict)
    """The last rules of each selector of one element, by an id, class, attribute or tag that the selector names."""
    _paths: list[tuple[_Rules, Path]] = field(default_factory=list)
    _by_node: dict[int, list[tuple[Aspect, Rule]]] = field(default_factory=dict)
    """The rules whose paths match, by the memory addresses of nodes."""
    is_empty: bool = True
    """Whether the style sheets hide nothing."""
    _siblings: Siblings = field(default_factory=Siblings)
    _tries_left: int = _MAX_TRIES

    @classmethod
    def of(cls, sheets: Iterable[str], *, with_colours: bool = True) -> "HiddenElements":
        """Read style sheets in their order, up to MAX_CHARACTERS of each and MAX_SELECTORS selectors."""
        rules = [rule for sheet in sheets for rule in _blocks(_COMMENT.sub(" ", sheet[:MAX_CHARACTERS]))]
        declared = [declared_by(body) if _MAY_HIDE.search(body) else [] for _, body in rules]
        hidden = {one.aspect for each in declared for one in each if one.holds}
        if not with_colours or Aspect.WHITE not in hidden:
            hidden -= {Aspect.WHITE, Aspect.PAPER}
        found = cls()
        if not hidden:
            return found
        words = tuple({word for aspect in hidden for word in _WORDS[aspect]})
        paths: dict[Path, _Rules] = {}
        order = 0
        for (prelude, body), hiding in zip(rules, declared, strict=True):
            those = hiding or (declared_by(body) if any(word in body.lower() for word in words) else [])
            those = [one for one in those if one.aspect in hidden]
            for written in split_list(prelude) if those else ():
                order += 1
                if order > MAX_SELECTORS:
                    break
                for selector in read_selectors(written.strip()):
                    found._add(selector, those, order, paths)
        found._paths = [(each, path) for path, each in paths.items()]
        found.is_empty = not found._by_key and not found._paths
        return found

    def _add(self, selector: Selector | Path, declared: list[Declared], order: int, paths: dict[Path, _Rules]) -> None:
        rules = tuple((one.aspect, (one.is_important, selector.weight, order, one.holds)) for one in declared)
        if isinstance(selector, Selector):
            known = self._by_key.setdefault(selector.key, {})
            known[selector] = _stronger(known.get(selector, ()), rules)
        else:
            paths[selector] = _stronger(paths.get(selector, ()), rules)

    def match(self, root: LexborNode | None) -> None:
        """Find the elements below `root` that paths match, from the outermost inwards, in MAX_STEPS at most."""
        if not self._paths or root is None:
            return
        steps = self._steps()
        nothing: frozenset[_Step] = frozenset()
        left = MAX_STEPS
        start = {" ": nothing, ">": nothing, "+": nothing, "~": nothing}
        own = frozenset(
            step for key in keys_of(root) for step in steps.get(key, ()) if self._reaches(root, step, start)
        )
        stack = [(root, own, own)]
        while stack:
            node, above, parent = stack.pop()
            previous = earlier = nothing
            for child in node.iter():
                candidates = [step for key in keys_of(child) for step in steps.get(key, ())]
                left -= 1 + len(candidates) + len(earlier)
                if left < 0:
                    return
                before = {" ": above, ">": parent, "+": previous, "~": earlier}
                reached = frozenset(step for step in candidates if self._reaches(child, step, before))
                left -= len(above) if reached else 0
                stack.append((child, above | reached if reached else above, reached))
                previous, earlier = reached, earlier | reached if reached else earlier

    def look_at(self, node: LexborNode, style: str) -> dict[Aspect, bool]:
        """Return for each aspect that an element's own style or a rule declares whether it holds."""
        own = [(one.aspect, (one.is_important, _OWN, 0, one.holds)) for one in declared_by(style)] if style else []
        if self.is_empty and not own:
            return {}
        rules = [*self._by_node.get(node.mem_id, ()), *own]
        if self._by_key and self._tries_left > 0:
            candidates = [each for key in keys_of(node) for each in self._by_key.get(key, {}).items()]
            self._tries_left -= max(0, len(candidates) - _USUAL_TRIES)
            rules += [rule for selector, each in candidates if selector.fits(node, self._siblings) for rule in each]
        best: dict[Aspect, Rule] = {}
        for aspect, rule in rules:
            if aspect not in best or rule > best[aspect]:
                best[aspect] = rule
        return {aspect: rule[3] for aspect, rule in best.items()}

    def _steps(self) -> dict[str, list[_Step]]:
        """Return the parts of all paths by the key that an element of theirs has."""
        steps: dict[str, list[_Step]] = {}
        for number, (_, path) in enumerate(self._paths):
            for position, part in enumerate(path.parts):
                steps.setdefault(part.key, []).append((number, position))
        return steps

    def _reaches(self, node: LexborNode, step: _Step, before: Mapping[str, frozenset[_Step]]) -> bool:
        """Whether an element is that part of a path; one that is the last part is noted.

        `before` are the parts that the elements around it are, by how it relates to them.
        """
        number, position = step
        rules, path = self._paths[number]
        if position and (number, position - 1) not in before[path.combinators[position]]:
            return False
        if not path.parts[position].fits(node, self._siblings):
            return False
        if position == len(path.parts) - 1:
            self._by_node.setdefault(node.mem_id, []).extend(rules)
        return True


def _stronger(known: _Rules, added: _Rules) -> _Rules:
    """Return the rules of one selector, of each aspect the one that wins."""
    best = dict(known)
    for aspect, rule in added:
        best[aspect] = max(rule, best[aspect]) if aspect in best else rule
    return tuple(best.items())


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """Yield prelude and declarations of the rules that hold on a screen, also of rules within others."""
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
                within = _within(prelude, [outer for outer, _ in open_groups])
                if within:
                    yield within, ";".join(declarations)
            text = ""
        elif piece == ";":
            if open_groups:
                open_groups[-1][1].append(text)
            text = ""
        else:
            text = piece


def _within(prelude: str, outer: list[str]) -> str:
    """Return the selectors of a rule that is within others; "" if it does not hold on a screen."""
    around = [one for one in outer if not one.startswith("@")]
    groups = [one for one in [*outer, prelude] if one.startswith("@")]
    if not all(map(holds_on_a_screen, groups)) or len(around) > 3:
        return ""
    selectors = "" if prelude.startswith("@") else prelude
    for parents in reversed(around):
        each = split_list(parents)
        inner = split_list(selectors) if selectors else ["&"]
        if len(each) * len(inner) > _MAX_OUTER:
            return ""
        selectors = ",".join(
            one.replace("&", parent.strip()) if "&" in one else f"{parent.strip()} {one.strip()}"
            for parent in each
            for one in inner
        )
    return selectors
