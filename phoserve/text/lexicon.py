"""Dictionary words of two and three syllables, looked up by arrays."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32] | NDArray[np.int64]

_UNKNOWN: Final = 0


class Lexicon:
    """A set of two- and three-syllable words over syllables numbered from 1; 0 is any other syllable."""

    def __init__(self, words: Iterable[str]) -> None:
        spelled = [word.split(" ") for word in words]
        self._ids = {syllable: k for k, syllable in enumerate(sorted({s for word in spelled for s in word}), start=1)}
        self._size = len(self._ids) + 1
        # One bit for each ordered pair of syllables: 4 MB, and a look-up is one byte away.
        self._row_bytes = (self._size + 7) // 8
        pairs = [tuple(map(self._ids.__getitem__, word)) for word in spelled if len(word) == 2]
        triples = [tuple(map(self._ids.__getitem__, word)) for word in spelled if len(word) == 3]
        self._pairs = self._bits(np.array(pairs, np.int64))
        heads = np.array(triples, np.int64)
        self._heads = self._bits(heads[:, :2])
        self._triples = np.sort(self._code(heads[:, 0], heads[:, 1], heads[:, 2]))

    def id_of(self, syllable: str) -> int:
        """The number of `syllable`, 0 if no word has it."""
        return self._ids.get(syllable, _UNKNOWN)

    def pairs(self, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.bool_]:
        """True where `first` and `second` are a word."""
        return self._test(self._pairs, first, second)

    def triples(self, syllables: NDArray[np.int32]) -> NDArray[np.int64]:
        """The places where a word of three syllables begins, in a run of `syllables`."""
        # Few pairs begin such a word: only these are searched for.
        (at,) = np.nonzero(self._test(self._heads, syllables[:-2], syllables[1:-1]))
        codes = self._code(syllables[at], syllables[at + 1], syllables[at + 2])
        places = np.minimum(np.searchsorted(self._triples, codes), len(self._triples) - 1)
        found: NDArray[np.int64] = at[self._triples[places] == codes]
        return found

    def _bits(self, pairs: NDArray[np.int64]) -> NDArray[np.uint8]:
        bits = np.zeros(self._size * self._row_bytes, np.uint8)
        np.bitwise_or.at(bits, pairs[:, 0] * self._row_bytes + (pairs[:, 1] >> 3), 1 << (pairs[:, 1] & 7))
        return bits

    def _test(self, bits: NDArray[np.uint8], first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.bool_]:
        tested: NDArray[np.bool_] = (bits[first * self._row_bytes + (second >> 3)] >> (second & 7) & 1).astype(np.bool_)
        return tested

    def _code(self, first: Numbers, second: Numbers, third: Numbers) -> NDArray[np.int64]:
        code: NDArray[np.int64] = (first.astype(np.int64) * self._size + second) * self._size + third
        return code
