"""Groups of rules of a style sheet that hold on the screen of a desktop: those for print or small screens do not."""

import re
from typing import Final

_WIDTH, _HEIGHT = 1280.0, 800.0
_PIXELS: Final = {"px": 1.0, "": 1.0, "em": 16.0, "rem": 16.0, "pt": 4 / 3, "cm": 37.8, "in": 96.0}
_GROUP: Final = re.compile(r"@(layer|supports|media)\b\s*(.*)", re.IGNORECASE | re.DOTALL)
_QUERY: Final = re.compile(r"\s*(?:(not|only)\s+)?(?:(?P<type>[a-z]+)(?![a-z-]*\())?", re.IGNORECASE)
_FEATURE: Final = re.compile(r"\(([^()]{1,100})\)")
_BOUND: Final = re.compile(r"(min|max)-(?:device-)?(width|height)\s*:\s*([\d.]{1,9})\s*([a-z]*)")
_RANGE: Final = re.compile(r"(width|height)\s*([<>]=?)\s*([\d.]{1,9})\s*([a-z]*)")
_TRUE: Final = re.compile(
    r"orientation\s*:\s*landscape|(?:any-)?hover(?:\s*:\s*hover)?|(?:any-)?pointer\s*:\s*fine|color|"
    r"prefers-color-scheme\s*:\s*light|prefers-reduced-motion\s*:\s*no-preference|scripting\s*:\s*enabled"
)


def holds_on_a_screen(prelude: str) -> bool:
    """Return whether the rules in a group such as "@media screen" hold; unknown groups and features do not."""
    match = _GROUP.fullmatch(prelude)
    if match is None:
        return False
    kind, condition = match[1].lower(), match[2].strip()
    if kind == "layer":
        return True
    if kind == "supports":
        return not condition.lower().startswith("not")
    return fits_a_screen(condition)


def fits_a_screen(condition: str) -> bool:
    """Return whether a list of media queries, such as "screen and (min-width: 768px)", has one that holds."""
    return any(_holds(query) for query in condition[:1000].lower().split(","))


def _holds(query: str) -> bool:
    match = _QUERY.match(query)
    kind = (match["type"] if match else "") or "all"
    holds = kind in ("all", "screen", "and") and all(map(_has, _FEATURE.findall(query)))
    return not holds if match and match[1] == "not" else holds


def _has(feature: str) -> bool:
    if bound := _BOUND.fullmatch(feature.strip()):
        limit, ours = _pixels(bound[3], bound[4]), _WIDTH if bound[2] == "width" else _HEIGHT
        return ours >= limit if bound[1] == "min" else ours <= limit
    if bound := _RANGE.fullmatch(feature.strip()):
        limit, ours = _pixels(bound[3], bound[4]), _WIDTH if bound[1] == "width" else _HEIGHT
        return {"<": ours < limit, "<=": ours <= limit, ">": ours > limit, ">=": ours >= limit}[bound[2]]
    return _TRUE.fullmatch(feature.strip()) is not None


def _pixels(number: str, unit: str) -> float:
    return float(number if number.replace(".", "", 1).isdigit() else 0) * _PIXELS.get(unit, 1.0)
