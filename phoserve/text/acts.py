"""Legal acts by their number or name: which act a query names, and which one a document is."""

import re
from collections.abc import Iterable
from typing import Final

from phoserve.text.codes import Code, codes_in
from phoserve.text.folding import fold_lower
from phoserve.text.legal_numbers import ACT_KINDS

_NAME: Final = re.compile(
    r"(?:bo luat|luat|phap lenh|nghi dinh|thong tu|quy che|quy dinh|noi quy|dieu le)(?:\s+[^\W\d_]+){1,12}"
)
"""Of an act at the beginning of its title, up to a number or a mark."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_LEAST_INITIALS: Final = 3
_HEAD: Final = 600
"""The number of an act is at its beginning, after the name of who issued it."""


def acts_asked(codes: Iterable[Code]) -> tuple[tuple[str, ...], ...]:
    """Return the canonical forms of each number of an act among the codes of a query."""
    return tuple(code.forms for code in codes if _is_act(code))


def act_of(title: str, text: str) -> tuple[str, ...]:
    """Return the canonical forms of the number that a document has, by its title and its beginning; () if it has none.

    That is the first number: those after it are of other acts, which it cites.
    """
    for head in (title, text[:_HEAD]):
        acts = [code for code in codes_in(head) if _is_act(code)]
        if acts:
            # The same number is read with and without its kind.
            return tuple(form for code in acts if code.start < acts[0].end for form in code.forms)
    return ()


def is_named(title: str, query: str) -> bool:
    """Return whether a query has the name of the act with this title, or its initials: "Luật Đất đai 2024", "LĐĐ"."""
    name = _NAME.match(fold_lower(title))
    if name is None:
        return False
    words = _WORD.findall(name[0].removeprefix("bo "))
    asked = _WORD.findall(fold_lower(query))
    initials = "".join(word[0] for word in _WORD.findall(name[0]))
    return f" {' '.join(words)} " in f" {' '.join(asked)} " or (len(initials) >= _LEAST_INITIALS and initials in asked)


def _is_act(code: Code) -> bool:
    return code.forms[0].split(":")[0] in ACT_KINDS
