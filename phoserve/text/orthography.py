"""The spelling of Vietnamese syllables: which words could be Vietnamese."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_ONSET: Final = "ngh|ng|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnpqrstvx]"
_NUCLEUS: Final = (
    "uyê|uya|uyu|uây|uôi|ươi|ươu|oai|oao|oay|oeo|iêu|yêu|[iy]ê|i[au]|a[iouy]|â[uy]|eo|êu|o[aăei]|ôi|ơi|u[aâêiôơy]|ư[aiơu]"
    "|[aăâeêioôơuưy]"
)
_OPEN: Final = "ng|nh|[mn]"
_STOP: Final = "ch|[cpt]"
_SYLLABLE: Final = re.compile(rf"(?:{_ONSET})?(?:{_NUCLEUS})(?:(?P<stop>{_STOP})|{_OPEN})?")
_TONE: Final = re.compile("[\u0300\u0301\u0303\u0309\u0323]")
_STOPPED_TONES: Final = "\u0301\u0323"
_LONGEST: Final = 8


@lru_cache(maxsize=1 << 15)
def is_syllable(word: str) -> bool:
    """Return whether `word` (letters alone, in normal form C) is spelled as a Vietnamese syllable, whatever its case.

    A syllable that ends in c, ch, p or t has the tone sắc or nặng; without a tone mark it is none.
    """
    if len(word) > _LONGEST:
        return False
    decomposed = unicodedata.normalize("NFD", word.lower())
    tones = _TONE.findall(decomposed)
    match = _SYLLABLE.fullmatch(unicodedata.normalize("NFC", _TONE.sub("", decomposed)))
    if match is None or len(tones) > 1:
        return False
    return match["stop"] is None or (bool(tones) and tones[0] in _STOPPED_TONES)
