"""Words on a page from what OCR reads: which are kept, and signs that it takes for others."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.parsing.pages.words import Word
from ingest.parsing.tesseract import Row

_LEAST_CONFIDENCE: Final = 15.0
_SURE: Final = 60.0
_SURE_WORDS: Final = 2
"""Words of a line that are read with certainty, from which on the others of it are words too, not specks."""
_UNIT: Final = re.compile(r"(?<![^\W\d_])((?:k|c|d|m|h)?m)([?>$‡])(?=[.,;:)\]/]*$|/)")
_POWERS: Final = {"?": "²", ">": "³", "$": "³", "‡": "³"}
"""What raised figures after a unit of length look like to Tesseract."""
_AMOUNT: Final = re.compile(r"[\d.,]*\d|.*/(?:k|c|d|m|h)?m[?>$‡].*|\d[\d.,]*(?:k|c|d|m|h)?m[?>$‡].*", re.DOTALL)
_SIGNS: Final = {0x2044: "/", 0x2215: "/"}
Line = tuple[str, str, str]


def words_of_rows(rows: Sequence[Row], scale: float) -> Iterator[Word]:
    """Yield the words in what Tesseract reads in an image of `scale` pixels a point, without specks."""
    sure = Counter(_line(row) for row in rows if float(row["conf"]) >= _SURE and row["text"].strip())
    before = ""
    for row in rows:
        text = row["text"].strip().translate(_SIGNS)
        if not text or not _is_word(row, text, sure[_line(row)]):
            continue
        text, before = with_powers(text, before), text
        x0, top = float(row["left"]) / scale, float(row["top"]) / scale
        x1, bottom = x0 + float(row["width"]) / scale, top + float(row["height"]) / scale
        yield Word(text, x0, top, x1, bottom, 10.0)


def with_powers(text: str, before: str) -> str:
    """Return a word with ² and ³ for the signs that OCR reads after the unit of an amount: "120 m?", "đồng/m?"."""
    if not (_AMOUNT.fullmatch(before) or _AMOUNT.fullmatch(text)):
        return text
    return _UNIT.sub(lambda match: match[1] + _POWERS[match[2]], text)


def _is_word(row: Row, text: str, sure_words: int) -> bool:
    if float(row["conf"]) >= _LEAST_CONFIDENCE:
        return True
    return sure_words >= _SURE_WORDS and any(map(str.isalnum, text))


def _line(row: Row) -> Line:
    return row["block_num"], row["par_num"], row["line_num"]
