"""Where Vietnamese writes the tone mark of oa, oe and uy: the old style (hòa, thúy) and the new (hoà, thuý).

PhoBERT's vocabulary was learnt from the new style; a text in the old one falls into rare pieces.
"""

import re
import unicodedata
from typing import Final

_ONSETS: Final = "ngh|ch|gh|kh|ng|nh|ph|th|tr|qu?|[bcdđghklmnprstvx]"
# A whole syllable: with a consonant after it (hoàn, huỳnh) both styles already agree.
_OLD_STYLE: Final = re.compile(
    rf"(?<![^\W_])(?:{_ONSETS})?(?:[òóỏõọ][ae]|[ùúủũụ]y)(?![^\W_])",
    re.IGNORECASE,
)


def modern_tones(text: str) -> str:
    """Return `text` (in normal form C) with the tone of each open oa, oe and uy on its last letter; case is kept.

    The length and every other character stay as they are, so positions in the text do too.
    """
    return text if text.isascii() else _OLD_STYLE.sub(_move_tone, text)


def _move_tone(syllable: re.Match[str]) -> str:
    onset, toned, last = syllable[0][:-2], syllable[0][-2], syllable[0][-1]
    letter_and_mark = unicodedata.normalize("NFD", toned)
    return onset + letter_and_mark[0] + unicodedata.normalize("NFC", last + letter_and_mark[1])
