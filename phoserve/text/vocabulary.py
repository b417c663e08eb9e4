"""Segmented texts as numbers of their distinct words, so that what follows from a word is computed once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.memo import bounds, ranges

_LEAST_RECENT: Final = 300
_RECENT_CHARACTERS: Final = 1 << 20


class Vocabulary:
    """Distinct words by number, in the order in which they were met."""

    def __init__(self) -> None:
        self.words: list[str] = []
        """Each as the segmenter spells it: syllables joined by "_"."""
        self.size = 0
        """Roughly how many numbers and characters are kept."""
        self._numbers: dict[str, int] = {}

    def number_of(self, word: str) -> int:
        """Return the number of `word`, a new one for a new word."""
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.words)
            self.words.append(word)
            self.size += len(word) + 1
        return number


@dataclass(frozen=True, slots=True)
class NumberedWords:
    """The words of a batch; text k is the slice offsets[k]:offsets[k + 1]."""

    vocabulary: Vocabulary
    numbers: NDArray[np.int32]
    """int32, shape (words,)."""
    offsets: NDArray[np.int64]
    """int64, shape (texts + 1,)."""


def number_words(texts: Iterable[Sequence[str]], vocabulary: Vocabulary) -> NumberedWords:
    """Number the words of texts that are lists of words."""
    numbers: list[int] = []
    ends = [0]
    for words in texts:
        numbers += map(vocabulary.number_of, words)
        ends.append(len(numbers))
    return NumberedWords(vocabulary, np.array(numbers, np.int32), np.array(ends, np.int64))


class RecentWords:
    """The words of long texts that were numbered lately: a chunk is counted first, and its terms are read later."""

    def __init__(self) -> None:
        self._vocabulary: Vocabulary | None = None
        self._numbers: dict[str, NDArray[np.int32]] = {}
        self._characters = 0

    def add(self, texts: Sequence[str], words: NumberedWords) -> None:
        """Keep the words of these texts, up to a number of characters in all."""
        if words.vocabulary is not self._vocabulary or self._characters > _RECENT_CHARACTERS:
            self._vocabulary, self._numbers, self._characters = words.vocabulary, {}, 0
        edges = words.offsets.tolist()
        for text, start, end in zip(texts, edges, edges[1:], strict=False):
            if len(text) >= _LEAST_RECENT:
                self._numbers[text] = words.numbers[start:end].copy()
                self._characters += len(text)

    def number(self, texts: Sequence[str], number_words: Callable[[Sequence[str]], NumberedWords]) -> NumberedWords:
        """Return the words of `texts`; only those that are not kept are given to `number_words`."""
        found = [self._numbers.get(text) for text in texts]
        new = [text for text, numbers in zip(texts, found, strict=True) if numbers is None]
        if len(new) == len(texts):
            return number_words(texts)
        words = number_words(new)
        if words.vocabulary is not self._vocabulary:  # it was full
            return number_words(texts)
        edges = words.offsets.tolist()
        rest = iter([words.numbers[start:end] for start, end in pairwise(edges)])
        parts = [next(rest) if numbers is None else numbers for numbers in found]
        return NumberedWords(words.vocabulary, np.concatenate(parts), bounds(list(map(len, parts))))


class Column:
    """A number for each of a growing list of things, as an array."""

    def __init__(self, dtype: Any) -> None:
        self._values = np.zeros(1024, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def extend(self, values: Sequence[int] | Sequence[bool]) -> None:
        """Append `values`."""
        end = self._length + len(values)
        if end > len(self._values):
            self._values = np.resize(self._values, max(end, 2 * len(self._values)))
        self._values[self._length : end] = values
        self._length = end

    def take(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the values at `numbers`, an array of the same shape."""
        values: NDArray[Any] = self._values[numbers]
        return values


class RaggedColumn:
    """A short sequence of integers for each of a growing list of things."""

    def __init__(self, dtype: Any) -> None:
        self._starts = Column(np.int64)
        self._counts = Column(np.int64)
        self._flat = Column(dtype)

    def __len__(self) -> int:
        return len(self._counts)

    def extend(self, sequences: Sequence[Sequence[int]]) -> None:
        """Append `sequences`."""
        counts = [len(each) for each in sequences]
        self._starts.extend((bounds(counts)[:-1] + len(self._flat)).tolist())
        self._counts.extend(counts)
        self._flat.extend([number for each in sequences for number in each])

    def counts(self, numbers: NDArray[Any]) -> NDArray[np.int64]:
        """Return the lengths of the sequences at `numbers`."""
        return self._counts.take(numbers)

    def flat(self, numbers: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[Any]:
        """Return the sequences at `numbers` one after the other; `counts` are their lengths."""
        return self._flat.take(ranges(self._starts.take(numbers), counts))
