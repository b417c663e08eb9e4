"""Format codes of numbers, split into their tokens: the language of ECMA-376 part 1, 18.8.31."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<blank>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|'
    r"(?P<clock>AM/PM|A/P)|(?P<general>(?i:General))|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+|[bBgG]+|e(?![+-]))|"
    r"(?P<exponent>[eE][+-])|(?P<digits>[0#?]+)|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<slash>/)|(?P<text>@)|(?P<other>.)",
    re.DOTALL,
)
_CURRENCY: Final = re.compile(r"\$([^-]*)(?:-[0-9A-Fa-f]+)?")

Token = tuple[str, str]
"""What kind of token, and its text."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a document writes numbers."""

    decimal: str = ","
    group: str = "."
    vietnamese: bool = True
    epoch_1904: bool = False


VIETNAMESE: Final = Style()
ENGLISH: Final = Style(decimal=".", group=",", vietnamese=False)


@lru_cache(maxsize=512)
def split_sections(code: str) -> tuple[tuple[Token, ...], ...]:
    """Return the tokens of each section of a format code."""
    sections: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(code[:1000]):
        kind, text = match.lastgroup or "other", match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            sections.append([])
        else:
            sections[-1].append((kind, text))
    return tuple(tuple(section) for section in sections)


def literal(kind: str, text: str) -> str:
    """Return the text that a token adds to a number."""
    if kind in ("quoted", "escaped", "other", "slash"):
        return text
    if kind == "blank":
        return " "
    if kind == "bracket" and (currency := _CURRENCY.fullmatch(text)):
        return currency[1]
    return ""
