"""Unicode: one composed form for what is stored, and text without invisible characters for what is indexed.

All functions take time linear in the length of the text, also for hostile input.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from phoserve.text.orthography import is_syllable

# Unicode Standard Annex 15, "Stream-Safe Text Format": more marks than this on one letter are no writing, and sorting
# a long run of them takes quadratic time.
MAX_MARKS: Final = 30
# Runs in which a run of marks can be: marks are no letters to regular expressions.
_LONG_RUN: Final = re.compile(rf"[^\w\s\x00-\u02ff]{{{MAX_MARKS + 1},}}")

ZERO_WIDTH_SPACE: Final = "\u200b"
# Soft hyphen, joiners, directional marks, variation selectors, byte order mark: drawn as nothing.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0020-\U000e007f\U000e0100-\U000e01ef]+"
)
_WORD_BEFORE: Final = re.compile(r"[^\W\d_]{1,8}\Z")
_WORD_AFTER: Final = re.compile(r"[^\W\d_]{1,8}")
_LOOK: Final = 9


def compose(text: str) -> str:
    """Return `text` in normal form C; of a run of more than `MAX_MARKS` combining marks the rest is dropped."""
    return text if text.isascii() else unicodedata.normalize("NFC", _LONG_RUN.sub(_without_surplus_marks, text))


def compose_value(value: Any) -> Any:
    """Return a JSON value with every string in it composed, the keys of objects included."""
    if isinstance(value, str):
        return compose(value)
    if isinstance(value, dict):
        return {compose(key) if isinstance(key, str) else key: compose_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(compose_value(each) for each in value)
    return value


@dataclass(frozen=True, slots=True)
class VisibleText:
    """A text without its invisible characters, and where each remaining character is in the original."""

    text: str
    offsets: tuple[int, ...] | None
    """Each character's position in the original, then the original's length; None if nothing changed."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that `text[start:end]` was made from."""
        if self.offsets is None or start == end:
            return (start, end) if self.offsets is None else (self.offsets[start], self.offsets[start])
        return self.offsets[start], self.offsets[end - 1] + 1


def strip_invisible(text: str) -> str:
    """Return `text` as it is indexed: without characters that are drawn as nothing.

    A zero-width space between two whole Vietnamese syllables becomes a space: it stands for one in text that was
    copied from pages.
    """
    return _INVISIBLE.sub(_replacement, text)


def visible_text(text: str) -> VisibleText:
    """Return `strip_invisible(text)` with the positions its characters have in `text`."""
    if not _INVISIBLE.search(text):
        return VisibleText(text, None)
    parts: list[str] = []
    offsets: list[int] = []
    at = 0
    for run in _INVISIBLE.finditer(text):
        replaced = _replacement(run)
        parts += [text[at : run.start()], replaced]
        offsets += range(at, run.start())
        offsets += [run.start()] * len(replaced)
        at = run.end()
    offsets += range(at, len(text) + 1)
    return VisibleText("".join([*parts, text[at:]]), tuple(offsets))


def _replacement(run: re.Match[str]) -> str:
    if ZERO_WIDTH_SPACE not in run.group():
        return ""
    before = _WORD_BEFORE.search(run.string[max(0, run.start() - _LOOK) : run.start()])
    after = _WORD_AFTER.match(run.string, run.end(), run.end() + _LOOK)
    if before is None or after is None or is_syllable(before.group() + after.group()):
        return ""
    return " " if is_syllable(before.group()) and is_syllable(after.group()) else ""


@cache
def _surplus_marks() -> re.Pattern[str]:
    """Return what finds the marks of a letter that are too many; Unicode 17 has none outside of these planes."""
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x1F000))))
    return re.compile(rf"([{marks}]{{{MAX_MARKS}}})[{marks}]++")


def _without_surplus_marks(run: re.Match[str]) -> str:
    return _surplus_marks().sub(r"\1", run.group())
