"""Leaders: the rows of dots, underscores or dashes that forms have where something is filled in."""

import re
from typing import Final

_ELLIPSIS: Final = "..."
# Four marks or more; shorter rows of dots only next to others ("... ... ...") or with the character of an ellipsis
# ("….."). "..." and "--" alone are punctuation.
_DOTS: Final = "._·‥…"
_LEADER: Final = re.compile(
    rf"[{_DOTS}]{{4,}}(?:[ \t\u00a0]*[{_DOTS}]{{2,}})*|[._]{{0,3}}…[._…]{{1,3}}"
    rf"|[{_DOTS}]{{1,3}}(?:[ \t\u00a0][{_DOTS}]{{1,3}}){{2,}}|([-–—=*~])\1{{3,}}"
)
_IS_CANDIDATE: Final = re.compile(rf"[{_DOTS}][{_DOTS} \t\u00a0][{_DOTS}]|…[._…]|[._]…|([-–—=*~])\1{{3}}")
_MOST_MARKS: Final = 0.4
"""Of the characters of a heading."""


def collapse_leaders(text: str) -> str:
    """Return `text` with "..." for each leader, so that "Họ và tên: ............" is embedded as "Họ và tên: ...".

    A tokenizer makes dozens of pieces of a leader, which then outweigh the words around.
    """
    return _LEADER.sub(_ELLIPSIS, text) if _IS_CANDIDATE.search(text) else text


def is_mostly_leaders(text: str) -> bool:
    """Return whether leaders take a share of `text` too large for it to name anything: "........ 1 ........"."""
    marks = sum(_width(leader[0]) for leader in _LEADER.finditer(text))
    return marks > _MOST_MARKS * _width(text)


def _width(text: str) -> int:
    """How many characters are not white space, "…" counted as the three dots it shows."""
    return sum(3 if character == "…" else not character.isspace() for character in text)
