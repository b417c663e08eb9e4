"""pyvi's CRF, computed as CRFsuite does to the last bit: slow, for the few texts whose answer hangs on a rounding."""

from collections.abc import Iterator, Sequence
from typing import Final

from phoserve.text.segmenter_model import SegmenterModel

ABSENT: Final = (0.0, 0.0)


class ExactCrf:
    """Labels the syllables of a text B or I; sums and compares in CRFsuite's order, in double precision."""

    def __init__(self, model: SegmenterModel) -> None:
        self._states = model.states
        self._transitions = model.transitions
        self._words = frozenset(model.words)

    def inside(self, syllables: Sequence[str]) -> list[bool]:
        """Return for each syllable whether it continues a word (Viterbi; a tie goes to B)."""
        if not syllables:
            return []
        (bb, bi), (ib, ii) = self._transitions
        best_b, best_i = self._score(syllables, 0)
        back = [(False, False)]
        for k in range(1, len(syllables)):
            state_b, state_i = self._score(syllables, k)
            back.append((best_b + bb < best_i + ib, best_b + bi < best_i + ii))
            best_b, best_i = max(best_b + bb, best_i + ib) + state_b, max(best_b + bi, best_i + ii) + state_i
        labels = [best_b < best_i]
        for choice in reversed(back[1:]):
            labels.append(choice[labels[-1]])
        return labels[::-1]

    def _score(self, syllables: Sequence[str], k: int) -> tuple[float, float]:
        score_b = score_i = 0.0
        for attribute in self._attributes(syllables, k):
            weight_b, weight_i = weights_of(self._states, attribute)
            score_b += weight_b
            score_i += weight_i
        return score_b, score_i

    def _attributes(self, syllables: Sequence[str], k: int) -> Iterator[str]:
        """What is true of syllable `k`, in the order in which pyvi names it."""
        yield from own_attributes(syllables[k])
        if k > 0:
            yield from neighbour_attributes("-1", syllables[k - 1])
            if self._is_word(syllables[k - 1 : k + 1]):
                yield "-1:word.bi_gram()"
        if k > 1 and self._is_word(syllables[k - 2 : k + 1]):
            yield "-2:word.tri_gram()"
        if k < len(syllables) - 1:
            yield from neighbour_attributes("+1", syllables[k + 1])
            if self._is_word(syllables[k : k + 2]):
                yield "+1:word.bi_gram()"
        if k < len(syllables) - 2 and self._is_word(syllables[k : k + 3]):
            yield "+2:word.tri_gram()"

    def _is_word(self, syllables: Sequence[str]) -> bool:
        return " ".join(syllables).lower() in self._words


def own_attributes(syllable: str) -> Iterator[str]:
    """Return the features of a syllable in any position."""
    yield "bias"
    yield f"word.lower():{syllable.lower()}"
    if syllable.isupper():
        yield "word.isupper()"
    if syllable.istitle():
        yield "word.istitle()"
    if syllable.isdigit():
        yield "word.isdigit()"


def neighbour_attributes(side: str, syllable: str) -> Iterator[str]:
    """Return the features that a syllable adds to its neighbour; `side` ("-1", "+1") is its relative position."""
    yield f"{side}:word.lower():{syllable.lower()}"
    if syllable.istitle():
        yield f"{side}:word.istitle()"
    if syllable.isupper():
        yield f"{side}:word.isupper()"


def weights_of(states: dict[str, tuple[float, float]], attribute: str) -> tuple[float, float]:
    """The weights (B, I) of `attribute`; CRFsuite is written in C, so to it a name ends at the first NUL."""
    return states.get(attribute.partition("\0")[0], ABSENT)
