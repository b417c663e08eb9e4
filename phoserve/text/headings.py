"""Headings: Markdown's, and those of Vietnamese law (Phần, Chương, Mục, Điều) with or without Markdown's marks."""

import re
from dataclasses import dataclass
from typing import Final

_MARKDOWN: Final = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>.+)", re.DOTALL)

# These levels are below Markdown's six, which documents converted from Word use as they please.
_LAW_LEVELS: Final = {
    "phụ lục": 7,
    "phần": 8,
    "mẫu": 8,
    "mẫu số": 8,
    "biểu mẫu": 8,
    "biểu mẫu số": 8,
    "chương": 9,
    "mục": 10,
    "tiểu mục": 11,
    "điều": 12,
}
ARTICLE_LEVEL: Final = _LAW_LEVELS["điều"]
ROMAN_LEVEL: Final = 9
_KINDS: Final = "|".join(f"{kind.capitalize()}|{kind.upper()}|{kind}" for kind in _LAW_LEVELS)
_INITIALS: Final = frozenset(initial for kind in _LAW_LEVELS for initial in (kind[0], kind[0].upper()))
_FORM: Final = "mẫu"
# A form's number may be a code: "Mẫu số 01/TNDN".
_NUMBER: Final = (
    r"(?:thứ|THỨ)\s+[^\W\d_]+|(?:(?:số|SỐ)\s+)?(?:[IVXLC]+[a-zđ]?(?![^\W_])|\d+[a-zđ]?(?:\.\d+)*(?:[/-][A-ZĐ]+)*|"
    r"[ivx]{1,6}(?![^\W_])|[A-ZĐ](?=\s?[.:–—-]|\s*\Z))"
)
_LAW: Final = re.compile(
    rf"(?P<prefix>(?P<kind>{_KINDS})(?:\s+|(?=\d))(?P<number>{_NUMBER})(?P<stop>\s?(?:\.\s?[–—:-]|[.:–—-]))?[*_]*)"
    r"(?:(?:\s+|(?<=[.:])(?=[^\W\d_]))(?P<title>\S.*))?",
    re.DOTALL,
)
_APPENDIX: Final = "PHỤ LỤC"
"""The only appendix of a document has no number."""
_LETTERHEAD: Final = re.compile(r"CỘNG H(?:ÒA|OÀ) XÃ HỘI CHỦ NGHĨA")
_ROMAN: Final = re.compile(r"(?:[IVX]{1,6})[.\-–/]\s*(?P<title>[^\W\d_].*)")
_NUMBERED: Final = re.compile(r"[^\W_]{1,5}[.)]\s")
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Title:
    """A heading's text and its level, 1 (outermost) to 12."""

    level: int
    text: str
    length: int
    """How many characters of the line are the heading; the section's text may begin on the same line, as in "Điều 5.
    Luật này có hiệu lực từ ..."."""
    completes: bool = False
    """True where it continues the heading before it: "Chương I", and on the next line "QUY ĐỊNH CHUNG"."""


def title_of(line: str, *, follows: str | None = None, marks: bool = False, continues: bool = False) -> Title | None:
    """Return the heading that `line` (stripped) is or begins with, None if it is none.

    `follows` is the text of the heading on the line before; with `marks`, the line may hold those of Markdown. A line
    that may continue the sentence before it (`continues`) is no heading if it begins with a small letter.
    """
    marked = _MARKDOWN.match(line) if marks else None
    bare = (marked["title"].rstrip("# \t") if marked else line).strip("*_ \t" if marks else None)
    if not bare:
        return None
    law = _LAW.fullmatch(bare) if bare[0] in _INITIALS else None
    if law and (marked or (_reads_as_heading(law) and not (continues and bare[0].islower()))):
        return _law_title(law, line)
    if bare == _APPENDIX:
        return Title(_LAW_LEVELS["phụ lục"], bare, len(line))
    if follows is not None and _may_complete(bare, follows):
        return Title(0, bare, len(line), completes=True)
    if marked:
        return Title(len(marked["marks"]), bare, len(line))
    roman = _ROMAN.fullmatch(bare)
    if roman and roman["title"].isupper() and len(roman["title"]) > 2 and len(bare) < _LONGEST:
        return Title(ROMAN_LEVEL, bare, len(line))
    return None


def is_law_title(text: str) -> bool:
    """Return whether `text` is a heading of Vietnamese law with nothing but its number: "Chương I"."""
    bare = text.strip("*_ \t")
    law = _LAW.fullmatch(bare)
    return bare == _APPENDIX or (law is not None and law["title"] is None and not _is_form(law))


def law_level(text: str) -> int | None:
    """Return the level of a heading's text if it is one of Vietnamese law, else None."""
    law = _LAW.fullmatch(text.strip("*_ \t"))
    return _level(law) if law and (law["title"] is None or law["stop"] or law["title"].isupper()) else None


def article_of(heading: str) -> str | None:
    """Return "Điều 5" for the heading of an article, None for other headings."""
    law = _LAW.fullmatch(heading)
    return f"Điều {law['number']}" if law and _level(law) == ARTICLE_LEVEL else None


def shorten_title(text: str) -> str:
    """Return a heading's text on one line and no longer than a path may show."""
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1].rstrip() + "…"


def _law_title(law: re.Match[str], line: str) -> Title:
    bare = law.group().replace("*", "")
    runs_on = law["title"] is not None and (len(bare) > _LONGEST or bare.endswith((".", ";", ":", ",")))
    if not runs_on:
        return Title(_level(law), bare, len(line))
    prefix = law["prefix"]
    return Title(_level(law), prefix.strip("*_ \t"), line.index(prefix) + len(prefix))


def _level(law: re.Match[str]) -> int:
    return _LAW_LEVELS[" ".join(law["kind"].lower().split())]


def _reads_as_heading(law: re.Match[str]) -> bool:
    """A line that only begins like a heading is a sentence: "Phần thứ hai bao gồm ...", "Điều 5 của Luật này ..."."""
    title = law["title"]
    return title is None or law["stop"] is not None or title.isupper() or (title[0] == "(" and title[-1] == ")")


def _may_complete(bare: str, follows: str) -> bool:
    """What follows "Mẫu số 01" is the form's letterhead, not its title."""
    shouted = bare.isupper() and not _NUMBERED.match(bare) and not _LETTERHEAD.match(bare)
    if not shouted or len(follows) + len(bare) >= _LONGEST:
        return False
    law = _LAW.match(follows)
    return follows == _APPENDIX or (law is not None and not _is_form(law))


def _is_form(law: re.Match[str]) -> bool:
    return _FORM in law["kind"].lower()
