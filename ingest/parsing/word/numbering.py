"""Word's automatic numbering as displayed: "Điều 3.", "1.2", "a)"."""

import re
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.word.styles import Styles, W, is_on, value

_LEVELS: Final = 9
_PLACEHOLDER: Final = re.compile(r"%([1-9])")
_ROMAN: Final = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
                 (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_DIGITS: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_KEPT_BULLETS: Final = frozenset("-–—+*")
BULLET: Final = "-"


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a list."""

    start: int
    format: str
    text: str
    restart: int
    """The level (counted from 1) whose items restart this level; 0 for never."""
    legal: bool
    """Whether numbers of the levels above are shown as decimals, whatever their own format."""
    style: str | None


@dataclass(slots=True)
class _Numbers:
    """The current counters of a list, None for a level that has not started."""

    counts: list[int | None] = field(default_factory=lambda: [None] * _LEVELS)


class Numbering:
    """The lists of a document; ask for numbers in the order of its paragraphs."""

    def __init__(self, root: etree._Element | None, styles: Styles) -> None:
        self._levels: dict[str, dict[int, Level]] = {}
        self._links: dict[str, str] = {}
        self._abstract: dict[str, str] = {}
        self._overrides: dict[str, dict[int, Level]] = {}
        self._starts: dict[str, dict[int, int]] = {}
        self._numbers: dict[str, _Numbers] = {}
        self._started: set[tuple[str, int]] = set()
        self._styles = styles
        if root is not None:
            self._read(root)

    def _read(self, root: etree._Element) -> None:
        for abstract in root.iterfind(f"{W}abstractNum"):
            identifier = value(abstract, "abstractNumId") or ""
            self._levels[identifier] = _levels(abstract)
            if link := value(abstract.find(f"{W}numStyleLink")):
                self._links[identifier] = link
        for number in root.iterfind(f"{W}num"):
            identifier = value(number, "numId") or ""
            self._abstract[identifier] = value(number.find(f"{W}abstractNumId")) or ""
            for override in number.iterfind(f"{W}lvlOverride"):
                at = _integer(value(override, "ilvl"), 0)
                self._overrides.setdefault(identifier, {}).update(_levels(override))
                start = value(override.find(f"{W}startOverride"))
                if start is not None:
                    self._starts.setdefault(identifier, {})[at] = _integer(start, 1)

    def place_of(self, properties: etree._Element | None, style: str) -> tuple[str, int] | None:
        """Return the number id and the level (from 0) of a paragraph; None if it is not in a list."""
        direct = None if properties is None else properties.find(f"{W}numPr")
        number, level = self._styles.numbering(style)
        if direct is not None:
            own, own_level = value(direct.find(f"{W}numId")), value(direct.find(f"{W}ilvl"))
            number = own if own is not None else number
            level = _integer(own_level, level or 0)
        elif number is not None:
            level = self._level_of_style(number, style, level)
        if number in (None, "0") or number not in self._abstract:
            return None
        return number, min(max(level or 0, 0), _LEVELS - 1)

    def next(self, number: str, at: int) -> str:
        """Count a paragraph, and return its number as displayed: "" for none, "-" for a bullet of another shape."""
        levels = self._levels_of(number)
        level = levels.get(at)
        if level is None:
            return BULLET
        counts = self._numbers.setdefault(self._root_abstract(number), _Numbers()).counts
        override = self._starts.get(number, {}).get(at)
        before = counts[at]
        if override is not None and (before is None or (number, at) not in self._started):
            counts[at] = override
        else:
            counts[at] = level.start if before is None else before + 1
        self._started.add((number, at))
        for deeper in range(at + 1, _LEVELS):
            restart = levels[deeper].restart if deeper in levels else deeper
            if restart and at < restart:
                counts[deeper] = None
        return self._shown(level, levels, counts)

    def _shown(self, level: Level, levels: dict[int, Level], counts: list[int | None]) -> str:
        if level.format == "bullet":
            text = level.text.strip()
            return text if text in _KEPT_BULLETS else BULLET if text else ""

        def number(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            above = levels.get(at, level)
            if counts[at] is None:
                counts[at] = above.start
            as_decimal = level.legal and above.format != "decimalZero"
            return format_number(counts[at] or 0, "decimal" if as_decimal else above.format)

        return " ".join(_PLACEHOLDER.sub(number, level.text).split())

    def _levels_of(self, number: str) -> dict[int, Level]:
        return {**self._levels.get(self._root_abstract(number), {}), **self._overrides.get(number, {})}

    def _root_abstract(self, number: str) -> str:
        """Return the list's definition, through a list style if it refers to one."""
        abstract = self._abstract.get(number, "")
        for _ in range(5):
            if abstract not in self._links:
                break
            linked, _level = self._styles.numbering(self._links[abstract])
            abstract = self._abstract.get(linked or "", "")
        return abstract

    def _level_of_style(self, number: str, style: str, level: int | None) -> int | None:
        for at, candidate in self._levels_of(number).items():
            if candidate.style == style:
                return at
        return level


def format_number(number: int, kind: str) -> str:
    """Return `number` in one of Word's number formats; as a decimal in one that is not known."""
    if kind == "none":
        return ""
    if kind in ("lowerLetter", "upperLetter"):
        letters = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 50) if number > 0 else ""
        return letters.upper() if kind == "upperLetter" else letters
    if kind in ("lowerRoman", "upperRoman"):
        return _roman(number).upper() if kind == "upperRoman" else _roman(number)
    if kind == "decimalZero":
        return f"{number:02d}"
    if kind == "vietnameseCounting":
        return _spelled(number)
    return str(number)


def _roman(number: int) -> str:
    if not 0 < number < 5000:
        return str(number)
    text = ""
    for size, letters in _ROMAN:
        count, number = divmod(number, size)
        text += letters * count
    return text


def _spelled(number: int) -> str:
    if not 0 <= number < 100:
        return str(number)
    tens, ones = divmod(number, 10)
    if not tens:
        return _DIGITS[ones]
    lead = "mười" if tens == 1 else f"{_DIGITS[tens]} mươi"
    last = {1: "mốt" if tens > 1 else "một", 5: "lăm"}.get(ones, _DIGITS[ones])
    return lead if not ones else f"{lead} {last}"


def _levels(parent: etree._Element) -> dict[int, Level]:
    return {_integer(value(level, "ilvl"), 0): _level(level) for level in parent.iterfind(f"{W}lvl")}


def _level(element: etree._Element) -> Level:
    at = _integer(value(element, "ilvl"), 0)
    kind = value(element.find(f"{W}numFmt")) or "decimal"
    text = value(element.find(f"{W}lvlText")) or ""
    return Level(
        start=_integer(value(element.find(f"{W}start")), 0),
        format=kind,
        text="" if kind == "none" and not _PLACEHOLDER.search(text) and not text.strip() else text,
        restart=_integer(value(element.find(f"{W}lvlRestart")), at),
        legal=bool(is_on(element, "isLgl")),
        style=value(element.find(f"{W}pStyle")),
    )


def _integer(text: str | None, default: int) -> int:
    try:
        return int(text) if text is not None and len(text) < 10 else default
    except ValueError:
        return default
