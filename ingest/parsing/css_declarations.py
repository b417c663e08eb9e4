"""What declarations of style sheets do to whether a reader sees an element, by the properties that decide it.

Each property is decided on its own, as browsers do: a rule that sets a colour does not show what another one hides.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from ingest.parsing.legacy_fonts import LegacyFont, legacy_font

MAX_DECLARATIONS: Final = 500
"""Of one rule; those after them are not read."""


class Aspect(StrEnum):
    """Why an element may be out of sight, and fonts that draw other letters than Unicode has.

    Those of `INHERITED` hold for the elements within it that declare nothing else.
    """

    DISPLAY = "display"
    VISIBILITY = "visibility"
    FONT = "font"
    INK = "ink"
    WHITE = "white"
    """White letters,"""
    PAPER = "paper"
    """which are seen on a ground that is not white, theirs or that of an element around."""
    OPACITY = "opacity"
    PLACE = "place"
    TURN = "turn"
    CLIP = "clip"
    BOX = "box"
    TCVN = "tcvn"
    TCVN_CAPITALS = "tcvn capitals"
    VNI = "vni"


FONTS: Final = {
    Aspect.TCVN: LegacyFont("TCVN3"),
    Aspect.TCVN_CAPITALS: LegacyFont("TCVN3", is_capital=True),
    Aspect.VNI: LegacyFont("VNI"),
}
INHERITED: Final = (Aspect.VISIBILITY, Aspect.FONT, Aspect.INK, Aspect.WHITE, Aspect.PAPER, *FONTS)


class Declared(NamedTuple):
    """What a rule declares about an aspect."""

    aspect: Aspect
    holds: bool
    """Whether it is so; if not, the rule undoes what another one declares."""
    is_important: bool = False


_ZERO: Final = r"[+-]?(?:0+(?:\.0*)?|\.0+)(?:%|[a-z]+)?"
_NOTHING: Final = re.compile(_ZERO)
_NEXT_TO_NOTHING: Final = re.compile(rf"{_ZERO}|1px")
_CLEAR: Final = re.compile(
    r"transparent|(?:rgb|hsl)a?\((?:[^(),]+,){3}\s*0*\.?0+%?\s*\)|(?:rgb|hsl)a?\([^(),/]+/\s*0*\.?0+%?\s*\)|"
    r"#[0-9a-f]{6}00|#[0-9a-f]{3}0"
)
_COLOUR: Final = re.compile(r"#[0-9a-f]{3,8}|(?!currentcolor)[a-z]{3,20}|(?:rgb|hsl)a?\([\d.,%\s/]+\)")
_WHITE: Final = re.compile(r"white|#f{3}|#f{6}|rgb\(\s*255\s*,\s*255\s*,\s*255\s*\)|snow|#fefefe|#fdfdfd")
_FAR: Final = re.compile(r"-(?:\d{4,}(?:\.\d+)?px|[5-9]\d\dpx|\d{3,}r?em|\d{3,}v[wh]|\d{4,}%)")
_MOVED: Final = re.compile(r"translate[xy3d]*\([^()]*-(?:\d{4,}px|\d{3,}r?em)|scale[xy3d]*\(\s*0(?:\.0+)?\s*[,)]")
_CUT: Final = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]|inset\(\s*(?:50|100)%|circle\(\s*0|polygon\(\s*0(?:px|%)?\s+0(?:px|%)?"
    r"(?:\s*,\s*0(?:px|%)?\s+0(?:px|%)?)*\s*\)"
)
_FADED: Final = re.compile(r"opacity\(\s*0*\.?0*%?\s*\)")
_FONT_SIZE: Final = re.compile(r"(?:^|\s)([\d.]+(?:%|[a-z]+)?)\s*(?:/\s*[\w.%]+)?\s+\S")
_SIDES: Final = frozenset({"left", "right", "top", "bottom", "text-indent"})
_EXTENTS: Final = frozenset({"width", "height", "max-width", "max-height"})
_MOVING: Final = ("transition", "animation", "will-change")
_WORDS: Final = (
    "display", "visib", "opacity", "font", "color", "background", "left", "right", "top", "bottom", "indent", "clip",
    "transform", "overflow", "scale", "filter", "width", "height",
)  # fmt: skip
_FAMILY_MARKS: Final = re.compile(r"[\"']|&quot;|^(?:[\w.%/-]+\s+)*?[\d.]+[a-z%]+(?:/[\w.%]+)?\s+(?=\S)")
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_INHERITED: Final = frozenset({"inherit", "initial", "unset", "revert"})
_WITH_SHAPE: Final = ("background-clip", "-webkit-background-clip", "text-shadow", "-webkit-text-stroke")
_Values = dict[str, tuple[str, bool]]
"""Properties with their values, and whether they are important."""


def declared_by(style: str) -> list[Declared]:
    """Return what declarations set of each aspect; nothing for those that they do not set."""
    style = style.lower()
    if not any(word in style for word in _WORDS):
        return []
    if "/*" in style:
        style = _COMMENT.sub("", style)
    values: _Values = {}
    for written in style.split(";", MAX_DECLARATIONS)[:MAX_DECLARATIONS]:
        name, colon, value = written.partition(":")
        if colon:
            value, mark, _ = value.partition("!")
            name, value = name.strip(), value.strip()
            if value and (mark or not values.get(name, ("", False))[1]):
                values[name] = value, bool(mark)
    found: dict[Aspect, Declared] = {}
    for name, (value, is_important) in values.items():
        read = _READERS.get(name)
        hides = None if read is None or value in _INHERITED else read(value)
        aspect = _ASPECTS.get(name, Aspect.DISPLAY)
        if hides is not None and not (aspect in found and found[aspect].holds):
            found[aspect] = Declared(aspect, hides, is_important)
    _note_family(values, found)
    _note_box(values, found)
    _note_colours(values, found)
    faded = found.get(Aspect.OPACITY)
    if faded is not None and faded.holds and _is_moving(values):
        del found[Aspect.OPACITY]  # a script shows it as the reader scrolls
    return list(found.values())


def _is_moving(values: _Values) -> bool:
    return any(name.startswith(_MOVING) for name in values)


def _note_family(values: _Values, found: dict[Aspect, Declared]) -> None:
    family, is_important = values.get("font-family", values.get("font", ("", False)))
    if family and family not in _INHERITED:
        used = legacy_font(_FAMILY_MARKS.sub("", family.partition(",")[0]))
        found |= {aspect: Declared(aspect, font == used, is_important) for aspect, font in FONTS.items()}


def _note_box(values: _Values, found: dict[Aspect, Declared]) -> None:
    """Note a box of no height or width that cuts off what is in it; one that opens as it is clicked is none."""
    overflow = next((values[name] for name in ("overflow", "overflow-y", "overflow-x") if name in values), None)
    extents = [values[name][0] for name in _EXTENTS if name in values]
    if overflow is None and not extents:
        return
    is_small = any(map(_NEXT_TO_NOTHING.fullmatch, extents)) or values.get("text-indent", ("",))[0].startswith("10")
    cuts = overflow is not None and overflow[0].startswith(("hidden", "clip"))
    if not is_small or not cuts or not _is_moving(values):
        found[Aspect.BOX] = Declared(Aspect.BOX, cuts and is_small, overflow is not None and overflow[1])


def _note_colours(values: _Values, found: dict[Aspect, Declared]) -> None:
    """Note letters of the colour of the ground, as far as it is declared with them, and the ground."""
    ink, is_important = values.get("color", ("", False))
    paper = values.get("background-color", values.get("background", ("",)))[0]
    paper = "" if paper in _INHERITED or paper == "none" or _CLEAR.fullmatch(paper) else paper
    if ink and ink not in _INHERITED:
        is_clear = _CLEAR.fullmatch(ink) is not None and not any(name in values for name in _WITH_SHAPE)
        same = _COLOUR.fullmatch(ink) is not None and (paper == ink or (is_white(paper) and is_white(ink)))
        found[Aspect.INK] = Declared(Aspect.INK, is_clear or same, is_important)
        found[Aspect.WHITE] = Declared(Aspect.WHITE, is_white(ink), is_important)
    if paper:
        found[Aspect.PAPER] = Declared(Aspect.PAPER, not is_white(paper))


def is_white(colour: str) -> bool:
    """Return whether a colour looks white."""
    return _WHITE.fullmatch(colour.strip().lower()) is not None


def _font(value: str) -> bool | None:
    size = _FONT_SIZE.search(value)
    return bool(_NOTHING.fullmatch(size[1])) if size else None


_READERS: Final[dict[str, Callable[[str], bool | None]]] = {
    "display": lambda value: value == "none" if value[0].isalpha() else None,
    "visibility": lambda value: value in ("hidden", "collapse"),
    "content-visibility": lambda value: value == "hidden",
    "font-size": lambda value: bool(_NOTHING.fullmatch(value)),
    "font": _font,
    "opacity": lambda value: bool(_NOTHING.fullmatch(value)),
    "filter": lambda value: True if _FADED.search(value) else None,
    "transform": lambda value: bool(_MOVED.search(value)),
    "scale": lambda value: bool(_NOTHING.fullmatch(value)),
    "clip": lambda value: bool(_CUT.search(value)),
    "clip-path": lambda value: bool(_CUT.search(value)),
    **dict.fromkeys(_SIDES, lambda value: bool(_FAR.search(value))),
}
_ASPECTS: Final = {
    "display": Aspect.DISPLAY,
    "visibility": Aspect.VISIBILITY,
    "content-visibility": Aspect.OPACITY,
    "font-size": Aspect.FONT,
    "font": Aspect.FONT,
    "opacity": Aspect.OPACITY,
    "filter": Aspect.OPACITY,
    "transform": Aspect.TURN,
    "scale": Aspect.TURN,
    "clip": Aspect.CLIP,
    "clip-path": Aspect.CLIP,
    **dict.fromkeys(_SIDES, Aspect.PLACE),
}
