"""Headings: Markdown's, and those of Vietnamese law (Phần, Chương, Mục, Điều) with or without Markdown's marks."""

import re
from dataclasses import dataclass
from typing import Final

_MARKDOWN: Final = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>.+)", re.DOTALL)

# These stand below Markdown's six levels, which documents converted from Word use as they please.
_LAW_LEVELS: Final = {"phụ lục": 7, "phần": 8, "chương": 9, "mục": 10, "tiểu mục": 11, "điều": 12}
_KINDS: Final = "|".join(f"{kind.capitalize()}|{kind.upper()}" for kind in _LAW_LEVELS)
_LAW: Final = re.compile(
    rf"(?P<kind>{_KINDS})\s+(?P<number>(?:thứ|THỨ)\s+[^\W\d_]+|[IVXLC]+|\d+[a-zđ]?(?:\.\d+)*)"
    r"(?P<stop>\s?[.:–-])?(?:\s+(?P<title>\S.*))?",
    re.DOTALL,
)
_NUMBERED: Final = re.compile(r"[^\W_]{1,5}[.)]\s")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Title:
    """A heading's text and its level, 1 (outermost) to 12."""

    level: int
    text: str
    fills_line: bool
    """False where the section's text begins on the heading's line, as in "Điều 5. Luật này có hiệu lực từ ..."."""
    completes: bool = False
    """True where it goes on with the heading before it: "Chương I", and on the next line "QUY ĐỊNH CHUNG"."""


def title_of(line: str, *, follows: Title | None) -> Title | None:
    """Return the heading that `line` (stripped) is, None if it is none; `follows` is the heading on the line before."""
    marked = _MARKDOWN.match(line)
    bare = (marked["title"].rstrip("# \t") if marked else line).strip("*_ \t")
    if not bare:
        return None
    law = _LAW.fullmatch(bare.replace("*", ""))
    if law and (marked or _reads_as_heading(law)):
        return _law_title(law)
    if follows and _may_complete(bare, follows):
        return Title(follows.level, f"{follows.text} {bare}", fills_line=True, completes=True)
    return Title(len(marked["marks"]), _shortened(bare), fills_line=True) if marked else None


def descend(path: tuple[Title, ...], title: Title) -> tuple[Title, ...]:
    """Return the path to `title`, which comes after the section at `path`."""
    if title.completes:
        return (*path[:-1], title)
    return (*(above for above in path if above.level < title.level), title)


def _law_title(law: re.Match[str]) -> Title:
    bare = law.group()
    level = _LAW_LEVELS[" ".join(law["kind"].lower().split())]
    runs_on = law["title"] is not None and (len(bare) > _LONGEST or bare.endswith((".", ";", ":", ",")))
    return Title(level, f"{law['kind']} {law['number']}" if runs_on else bare, fills_line=not runs_on)


def _reads_as_heading(law: re.Match[str]) -> bool:
    """A line that only begins like a heading is a sentence: "Phần thứ hai bao gồm ...", "Điều 5 của Luật này ..."."""
    return law["title"] is None or law["stop"] is not None or law["title"].isupper()


def _may_complete(bare: str, follows: Title) -> bool:
    shouted = bare.isupper() and not _NUMBERED.match(bare)
    return shouted and len(follows.text) + len(bare) < _LONGEST and _LAW.match(follows.text) is not None


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
