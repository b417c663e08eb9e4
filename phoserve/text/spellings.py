"""How passages spell what a query has without diacritics: pairs of neighbouring syllables."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from phoserve.text.folding import fold
from phoserve.text.tones import modern_tones

Pair = tuple[str, str]
Spellings = Mapping[Pair, float]
"""Weights of pairs of syllables, by how much the passages that have them are about what the query asks."""

_ACCENTED: Final = 0.1
"""Least share of letters that are not ASCII in a passage with diacritics; Vietnamese prose has about 0.25."""


def spellings_of(pairs: Iterable[Pair], found: Sequence[tuple[str, float]]) -> Spellings:
    """Return how the passages `found` spell each of `pairs`, which have no diacritics.

    `found` are texts (in normal form C) with their scores, best first. A passage counts by the square of its score
    over the best one's, once for each spelling. Passages without diacritics show nothing.
    """
    folded = {fold(first) + " " + fold(second) for first, second in pairs}
    if not folded or not found:
        return {}
    wanted = re.compile(rf"(?<!\w)(?=({'|'.join(map(re.escape, sorted(folded)))})(?!\w))")
    best = max(score for _, score in found)
    spellings: dict[Pair, float] = defaultdict(float)
    for text, score in found:
        lowered = text.lower()
        plain = fold(lowered)
        if not text or len(plain) != len(lowered) or _accented_share(text) < _ACCENTED:
            continue
        seen = {lowered[match.start(1) : match.end(1)] for match in wanted.finditer(plain)}
        for first, second in (spelled.split(" ") for spelled in seen):
            spellings[modern_tones(first), modern_tones(second)] += (score / best) ** 2
    return spellings


def _accented_share(text: str) -> float:
    return 1 - len(text.encode("ascii", "ignore")) / len(text)
