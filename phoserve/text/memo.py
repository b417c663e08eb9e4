"""What a string means in numbers, computed once: a dictionary over flat arrays."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LONGEST_KEPT: Final = 64
_FIRST_SIZE: Final = 4096

Integers = NDArray[np.int32] | NDArray[np.int64]


class Memo(dict[str, int]):
    """Strings -> numbers of their entries, each a short sequence of integers; a new string is computed when asked for.

    Long strings hardly come again: their entries are made but not found again.
    """

    def __init__(self, compute: Callable[[str], Sequence[int]]) -> None:
        super().__init__()
        self._compute = compute
        self._entries = 0
        self._starts = np.zeros(_FIRST_SIZE, np.int32)
        self._counts = np.zeros(_FIRST_SIZE, np.int32)
        self._flat = np.zeros(_FIRST_SIZE, np.int32)
        self._end = 0

    @property
    def size(self) -> int:
        """Roughly how many numbers are kept."""
        return self._entries + self._end

    def numbers(self, texts: Iterable[Iterable[str]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the numbers of the strings of all texts, and where each text's begin (and the last's end)."""
        found: list[int] = []
        ends = [0]
        number = self.__getitem__
        for strings in texts:
            found += map(number, strings)
            ends.append(len(found))
        return np.array(found, np.int32), np.array(ends, np.int64)

    def counts(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the lengths of entries."""
        return self._counts[numbers]

    def flat(self, numbers: NDArray[np.int32], counts: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return entries one after the other; `counts` are their lengths."""
        return self._flat[ranges(self._starts[numbers], counts)]

    def __missing__(self, string: str) -> int:
        sequence = self._compute(string)
        number, end = self._entries, self._end + len(sequence)
        if number == len(self._starts):
            self._starts = np.resize(self._starts, 2 * number)
            self._counts = np.resize(self._counts, 2 * number)
        if end > len(self._flat):
            self._flat = np.resize(self._flat, 2 * end)
        self._starts[number] = self._end
        self._counts[number] = len(sequence)
        self._flat[self._end : end] = sequence
        self._entries, self._end = number + 1, end
        if len(string) <= _LONGEST_KEPT:
            self[string] = number
        return number


def ranges(starts: Integers, counts: Integers) -> NDArray[np.int64]:
    """Return starts[k], starts[k] + 1, ... (counts[k] of them) for every k, one after the other."""
    ends = np.cumsum(counts, dtype=np.int64)
    numbers = np.arange(ends[-1] if len(ends) else 0)
    numbers += np.repeat(starts - ends + counts, counts)
    return numbers


def bounds(lengths: Iterable[int] | Integers) -> NDArray[np.int64]:
    """Return 0 and the running sums of `lengths`."""
    values = lengths if isinstance(lengths, np.ndarray) else np.fromiter(lengths, np.int64)
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums
