"""The elements that a page's own style sheets hide, within limits that keep it linear in the length of the page."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborNode

from ingest.parsing.css_selectors import Path, Selector, Weight, keys_of, read_selector
from ingest.parsing.html_forms import Controls

_HIDING: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?<![\w-])(?:left|right|top|bottom|text-indent)\s*:\s*-(?:\d{4,}px|\d{3,}r?em)"
    r"|(?<![\w-])clip\s*:\s*rect\(\s*[01](?:px)?[\s,]|clip-path\s*:\s*inset\(\s*(?:50|100)%"
)
"""Also what puts an element off the screen or cuts it to nothing."""
_SHOWING: Final = re.compile(r"display\s*:\s*(?!none)[a-z]|visibility\s*:\s*visible")
# Most rules have none of these words, which are found faster than the expressions.
_HIDING_WORDS: Final = ("none", "hidden", "collapse", "clip", "left", "right", "top", "bottom", "indent")
_SHOWING_WORDS: Final = ("display", "visible")
MAX_CHARACTERS: Final = 2_000_000
MAX_SELECTORS: Final = 20_000
MAX_STEPS: Final = 3_000_000
"""Of matching selectors of several elements; what is not matched by then is not hidden by them."""
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_PIECE: Final = re.compile(r"[{};]|[^{};]+")
_SEEN: Final = re.compile(r"@(?:layer|supports)\b|@media\s*(?:only\s+)?(?:all|screen)\s*\Z", re.IGNORECASE)
"""Groups of rules that hold on a screen of any size; those for print or small screens do not count."""


Rule = tuple[Weight, int, bool]
"""Specificity, order, and whether it hides; of several, the greatest wins."""
_Step = tuple[int, int]
"""A path's number and a position in it."""


def is_hiding(style: str) -> bool:
    """Return whether declarations hide their element, put it off the screen or cut it to nothing."""
    style = style.lower()
    return any(word in style for word in _HIDING_WORDS) and _HIDING.search(style) is not None


def is_showing(style: str) -> bool:
    """Return whether declarations show an element that others hide."""
    style = style.lower()
    return any(word in style for word in _SHOWING_WORDS) and _SHOWING.search(style) is not None


@dataclass(slots=True)
class HiddenElements:
    """Decides whether style sheets hide an element. The rule of the highest specificity wins, of equals the last."""

    _by_key: dict[str, dict[Selector, Rule]] = field(default_factory=dict)
    """The last rule of each selector of one element, by an id, class, attribute or tag that the selector names."""
    _paths: list[tuple[Rule, Path]] = field(default_factory=list)
    _by_node: dict[int, list[Rule]] = field(default_factory=dict)
    """The rules whose paths match, by the memory addresses of nodes."""
    controls: Controls = field(default_factory=Controls)

    @classmethod
    def of(cls, sheets: Iterable[str]) -> "HiddenElements":
        """Read style sheets in their order, up to MAX_CHARACTERS of each and MAX_SELECTORS selectors."""
        found = cls()
        is_hiding = False
        paths: dict[Path, Rule] = {}
        for order, (written, hides) in enumerate(_rules(sheets)):
            if order >= MAX_SELECTORS:
                break
            selector = read_selector(written)
            if selector is None:
                continue
            rule = selector.weight, order, hides
            if isinstance(selector, Selector):
                found._by_key.setdefault(selector.key, {})[selector] = rule
            else:
                paths[selector] = rule
            is_hiding = is_hiding or hides
        found._paths = [(rule, path) for path, rule in paths.items()]
        return found if is_hiding else cls()

    @property
    def is_empty(self) -> bool:
        """Whether the style sheets hide nothing."""
        return not self._by_key and not self._paths

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

    def hide(self, node: LexborNode) -> bool:
        """Return whether an element is hidden."""
        if not self._by_key and not self._by_node:
            return False
        rules = list(self._by_node.get(node.mem_id, ()))
        if self._by_key:
            known = [each for key in keys_of(node) for each in self._by_key.get(key, {}).items()]
            rules += [rule for selector, rule in known if selector.fits(node)]
        return max(rules)[2] if rules else False

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
        rule, path = self._paths[number]
        if position and (number, position - 1) not in before[path.combinators[position]]:
            return False
        if not path.parts[position].fits(node):
            return False
        if position == len(path.parts) - 1:
            self._by_node.setdefault(node.mem_id, []).append(rule)
        return True


def _rules(sheets: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the selectors whose rules hide or show their elements."""
    for sheet in sheets:
        for prelude, body in _blocks(_COMMENT.sub("", sheet[:MAX_CHARACTERS])):
            hides = is_hiding(body)
            if not hides and not is_showing(body):
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
