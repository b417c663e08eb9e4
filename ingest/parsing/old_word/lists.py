"""Automatic numbers of .doc files as displayed, and what styles give their paragraphs (MS-DOC)."""

import struct
from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.old_word.binary import Properties, read_properties
from ingest.parsing.word.numbering import format_number

LIST, LEVEL = 0x460B, 0x260A
"""Operations on paragraphs: the list, counted from 1, and the level in it."""
_KINDS: Final = {0: "decimal", 1: "upperRoman", 2: "lowerRoman", 3: "upperLetter", 4: "lowerLetter", 22: "decimalZero"}
_BULLET, _NONE = 23, 255
_LEVELS: Final = 9
_LEGAL: Final = 0x04
_SIMPLE: Final = 0x01
_STARTS, _FORMATS = 0x10, 0x20
_MAX_LISTS: Final = 20_000
_PARAGRAPH_STYLE: Final = 1
_CHARACTER_STYLE: Final = 2
_LONGEST_CHAIN: Final = 12
_NO_STYLE: Final = 0xFFF


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    kind: int
    is_legal: bool
    text: str
    """Characters under 9 stand for the number of that level."""


@dataclass(slots=True)
class Lists:
    """Counts the paragraphs of lists."""

    levels: dict[int, list[_Level]] = field(default_factory=dict)
    """By the id of a list."""
    used: list[tuple[int, dict[int, int]]] = field(default_factory=list)
    """What a paragraph refers to: the id of a list, and levels that start again with another number."""
    _counts: dict[int, dict[int, int]] = field(default_factory=dict)
    _begun: set[tuple[int, int]] = field(default_factory=set)

    def next(self, number: int, level: int) -> str | None:
        """Return the number of the next paragraph of a list as displayed, "-" for a bullet; None if it has none."""
        if not 1 <= number <= len(self.used) or not 0 <= level < _LEVELS:
            return None
        identifier, starts = self.used[number - 1]
        levels = self.levels.get(identifier, [])
        if level >= len(levels):
            return None
        counts = self._counts.setdefault(identifier, {})
        if level in starts and (number, level) not in self._begun:
            self._begun.add((number, level))
            counts[level] = starts[level]
        else:
            counts[level] = counts[level] + 1 if level in counts else levels[level].start
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        return _shown(levels, level, counts)


def _shown(levels: list[_Level], level: int, counts: dict[int, int]) -> str | None:
    own = levels[level]
    if own.kind == _BULLET:
        return "-"
    if own.kind == _NONE or not own.text:
        return None
    parts = []
    for letter in own.text:
        at = ord(letter)
        if at < min(_LEVELS, len(levels)):
            kind = "decimal" if own.is_legal else _KINDS.get(levels[at].kind, "decimal")
            parts.append(format_number(counts.get(at, levels[at].start), kind))
        else:
            parts.append(letter)
    return "".join(parts).strip()


def read_lists(table: bytes, lists_at: int, uses: bytes) -> Lists:
    """Read the definitions of lists, which begin at a place of the table stream, and their uses."""
    found = Lists()
    count = min(struct.unpack_from("<H", table, lists_at)[0], _MAX_LISTS)
    at = lists_at + 2 + 28 * count
    for number in range(count):
        head = lists_at + 2 + 28 * number
        identifier = struct.unpack_from("<i", table, head)[0]
        levels = []
        for _ in range(1 if table[head + 26] & _SIMPLE else _LEVELS):
            level, at = _read_level(table, at)
            levels.append(level)
        found.levels[identifier] = levels
    _read_uses(uses, found)
    return found


def _read_level(table: bytes, at: int) -> tuple[_Level, int]:
    start, kind, flags, character_bytes, paragraph_bytes = struct.unpack_from("<iBB18xBB", table, at)
    at += 28 + character_bytes + paragraph_bytes
    length = struct.unpack_from("<H", table, at)[0]
    text = table[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace")
    return _Level(start, kind, bool(flags & _LEGAL), text), at + 2 + 2 * length


def _read_uses(uses: bytes, found: Lists) -> None:
    count = min(struct.unpack_from("<I", uses)[0], _MAX_LISTS)
    at = 4 + 16 * count
    for number in range(count):
        identifier, changes = struct.unpack_from("<i8xB", uses, 4 + 16 * number)
        starts: dict[int, int] = {}
        at += 4
        for _ in range(changes):
            start, flags = struct.unpack_from("<iI", uses, at)
            at += 8
            if flags & _STARTS:
                starts[flags & 0x0F] = start
            if flags & _FORMATS:
                level, at = _read_level(uses, at)
                levels = found.levels.get(identifier, [])
                if flags & 0x0F < len(levels):
                    levels[flags & 0x0F] = level
        found.used.append((identifier, starts))


@dataclass(frozen=True, slots=True)
class Style:
    """What a style gives its paragraphs and their characters."""

    paragraph: Properties
    characters: Properties


def read_styles(sheet: bytes) -> list[Style]:
    """Read a style sheet; what a style takes from the one it is based on is its own."""
    head = struct.unpack_from("<H", sheet)[0]
    count, base_bytes = struct.unpack_from("<HH", sheet, 2)
    own: list[tuple[int, Style]] = []
    at = 2 + head
    for _ in range(count):
        size = struct.unpack_from("<H", sheet, at)[0]
        own.append(_read_style(sheet[at + 2 : at + 2 + size], base_bytes))
        at += 2 + size + size % 2
    return [_inherited(own, number) for number in range(len(own))]


def _read_style(content: bytes, base_bytes: int) -> tuple[int, Style]:
    """Return the number of the style that a style is based on, and what it changes."""
    if len(content) < base_bytes + 2:
        return _NO_STYLE, Style({}, {})
    kind = struct.unpack_from("<H", content, 2)[0]
    at = base_bytes + 2 + 2 * struct.unpack_from("<H", content, base_bytes)[0] + 2
    changes: list[bytes] = []
    while at + 2 <= len(content) and len(changes) < 2:
        size = struct.unpack_from("<H", content, at)[0]
        changes.append(content[at + 2 : at + 2 + size])
        at += 2 + size + size % 2
    if kind & 0x0F == _CHARACTER_STYLE and changes:
        return kind >> 4, Style({}, read_properties(changes[0]))
    if kind & 0x0F != _PARAGRAPH_STYLE or len(changes) < 2:
        return kind >> 4, Style({}, {})
    return kind >> 4, Style(read_properties(changes[0][2:]), read_properties(changes[1]))


def _inherited(own: list[tuple[int, Style]], number: int) -> Style:
    paragraph: Properties = {}
    characters: Properties = {}
    for _ in range(_LONGEST_CHAIN):
        if number >= len(own):
            break
        number, style = own[number]
        paragraph, characters = style.paragraph | paragraph, style.characters | characters
    return Style(paragraph, characters)
