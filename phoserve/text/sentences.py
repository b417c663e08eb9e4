"""Where Vietnamese sentences end."""

import re
from typing import Final

# Possessive, and what follows is looked at afterwards: a run of a million dots is then read once.
_STOP: Final = re.compile(r"""(?P<mark>[.!?…]++)["'”’»)\]]*+|(?P<ideographic>[。！？]++)|\n""")
_SPACE: Final = re.compile(r"\s*")
_BLANK_LINE: Final = re.compile(r"[^\S\n]*\n")
_LAST_WORD: Final = re.compile(r"[^\W\d_]*\Z")
_NUMBERING: Final = re.compile(
    r"[*_#>(\s–-]*(?:Điều|Khoản|Mục|Chương|Phần|Phụ lục|Bài|Hình|Bảng|Câu|Quyển|Tập)?\s*"
    r"(?:[IVXLC]{1,6}|\d{1,3}[a-zđ]?(?:\.\d{1,3}){0,4}|[^\W\d_])\.\Z",
    re.IGNORECASE,
)
_TITLES: Final = ("TP", "Tp", "TX", "Tx", "TT", "Tt", "ThS", "Ths", "TS", "PGS", "GS", "BS", "BSCK", "KS", "KTS", "LS")
_FOREIGN: Final = ("Mr", "Mrs", "Ms", "Dr", "Jr", "Sr", "St", "Prof", "No", "Vol", "vs")
_ABBREVIATIONS: Final = frozenset((*_TITLES, *_FOREIGN, "NXB", "Nxb", "tr", "sđd"))
_LOOK: Final = 40


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of `text`, in order, without the white space around them.

    All text except white space is in exactly one span. A full stop ends no sentence after an abbreviation (TP.,
    ThS.), an initial (Nguyễn A.), or the number that a line begins with (Điều 5., 1.), nor before a small letter; the
    end of a line does where the next begins as a sentence would. Time is linear in the length.
    """
    spans: list[tuple[int, int]] = []
    start = _after_space(text, 0)
    for stop in _STOP.finditer(text, start):
        if stop.start() >= start and _ends(text, start, stop):
            spans.append((start, start + len(text[start : stop.end()].rstrip())))
            start = _after_space(text, stop.end())
    if start < len(text):
        spans.append((start, start + len(text[start:].rstrip())))
    return spans


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    """Whether the sentence that began at `start` ends with `stop`."""
    mark, after = stop["mark"], text[stop.end() : stop.end() + _LOOK]
    if stop["ideographic"]:
        return True  # no space precedes these
    if mark and after and not after[0].isspace():
        return False
    if not mark and _BLANK_LINE.match(after):
        return True
    return _begins(after.lstrip()) and not (mark == "." and _belongs_to_word(text, start, stop.end("mark")))


def _begins(rest: str) -> bool:
    """Whether a sentence could begin with `rest`."""
    return not rest or not (rest[0].islower() or rest[0] in ",;:.)]}|")


def _belongs_to_word(text: str, start: int, end: int) -> bool:
    """Whether the full stop before `end` belongs to the word it follows, in the sentence that began at `start`."""
    before = text[max(start, end - _LOOK) : end]
    word = _LAST_WORD.search(before, 0, len(before) - 1)
    last = word.group() if word else ""
    if last in _ABBREVIATIONS or (len(last) == 1 and last.isupper()):
        return True
    return end - start <= _LOOK and _NUMBERING.match(before) is not None


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
