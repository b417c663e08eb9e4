"""Find training documents that share text with the evaluation sets, to prevent leaks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.tones import modern_tones

# A run of this many equal syllables is a copy, not a common phrase.
RUN: Final = 13
# A shorter evaluation text leaks if all of it occurs. A text shorter than this is a common phrase.
SHORTEST: Final = 8
BLOCK: Final = 20_000

_SYLLABLE: Final = re.compile(r"[^\W_]+")
_PRIME: Final = np.uint64(1099511628211)

Hashes = NDArray[np.uint64]


class LeakageFilter:
    """The runs of syllables of the evaluation texts."""

    def __init__(self, evaluation_texts: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._random = np.random.default_rng(13).integers(1, 1 << 63, size=1 << 20, dtype=np.uint64)
        runs: dict[int, list[Hashes]] = {}
        for text in evaluation_texts:
            syllables = self._syllables(text)
            if len(syllables) >= SHORTEST:
                length = min(len(syllables), RUN)
                runs.setdefault(length, []).append(self._hashes(syllables, length))
        self._runs = {length: np.unique(np.concatenate(hashes)) for length, hashes in runs.items()}

    def leaks(self, documents: Iterable[str]) -> list[bool]:
        """Return whether each document shares RUN consecutive syllables with an evaluation text or contains one."""
        found: list[bool] = []
        remaining = iter(documents)
        while block := list(islice(remaining, BLOCK)):
            found += self._leaks(block).tolist()
        return found

    def _leaks(self, documents: Sequence[str]) -> NDArray[np.bool_]:
        numbers = [self._syllables(document) for document in documents]
        owner = np.repeat(np.arange(len(numbers)), [len(each) for each in numbers])
        flat = np.concatenate([np.asarray(each, np.int64) for each in numbers])
        leaks = np.zeros(len(documents), np.bool_)
        for length, wanted in self._runs.items():
            if len(flat) < length:
                continue
            hashes = self._hashes(flat, length)
            nearest = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
            starts = np.flatnonzero(wanted[nearest] == hashes)
            inside = owner[starts] == owner[starts + length - 1]
            leaks[owner[starts[inside]]] = True
        return leaks

    def _syllables(self, text: str) -> list[int]:
        return [self._numbers.setdefault(each, len(self._numbers)) for each in _spell_syllables(text)]

    def _hashes(self, syllables: Sequence[int] | NDArray[np.int64], length: int) -> Hashes:
        """Return a polynomial hash of every run of `length` syllables, with integer overflow by design."""
        values = self._random[np.asarray(syllables, np.int64) % len(self._random)]
        hashes = np.zeros(len(values) - length + 1, np.uint64)
        for offset in range(length):
            hashes = hashes * _PRIME + values[offset : offset + len(hashes)]
        return hashes


def _spell_syllables(text: str) -> Iterator[str]:
    return (match[0] for match in _SYLLABLE.finditer(modern_tones(text).lower()))
