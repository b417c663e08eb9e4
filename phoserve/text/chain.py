"""Viterbi for a linear chain of two labels, over arrays."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# A score sums some twenty weights below 10; along a million syllables CRFsuite's sums round by less than this.
CLOSE: Final = 1e-6

Transitions = tuple[tuple[float, float], tuple[float, float]]


class Chain:
    """Labels syllables B or I.

    Let d be the score of the best path that ends in I at a syllable, less that of the best that ends in B. Then
    d = s + f(d before), where s is the syllable's leaning (its state score for I less B) and
    f(d) = max(bi, d + ii) - max(bb, d + ib) is monotone from bi - bb (the path came from B) to ii - ib (from I).
    On the way back the label is I if d is above a threshold: bb - ib before a B, bi - ii before an I, 0 at the end.
    Where s puts d beyond both thresholds for every f, no neighbour matters. With pyvi's weights this is nearly
    everywhere; only the rest, short runs of open syllables, is walked one by one.
    """

    def __init__(self, transitions: Transitions, *, close: float = CLOSE) -> None:
        """Use the weights `transitions` [from][to], B before I; decisions closer than `close` are doubtful."""
        (self._bb, self._bi), (self._ib, self._ii) = transitions
        self._from_b, self._from_i = self._bi - self._bb, self._ii - self._ib
        self._before_b, self._before_i = self._bb - self._ib, self._bi - self._ii
        self._close = close

    def inside(
        self, leanings: NDArray[np.float64], starts: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which syllables are I, and the places where the decision is doubtful.

        `starts`, one longer than `leanings`, is true where a text begins and at the end of the last.
        """
        first, last = np.nonzero(starts[:-1])[0], np.nonzero(starts[1:])[0]
        least = leanings + min(self._from_b, self._from_i)
        most = leanings + max(self._from_b, self._from_i)
        least[first] = most[first] = leanings[first]
        high, low = max(self._before_b, self._before_i), min(self._before_b, self._before_i)
        labels = least > high + self._close
        undecided = (most > low - self._close) & ~labels
        labels[last] = least[last] > self._close
        undecided[last] = (most[last] > -self._close) & ~labels[last]
        (open_,) = np.nonzero(undecided)
        doubtful = self._walk(open_.tolist(), leanings, labels, starts)
        return labels, np.array(doubtful, np.int64)

    def _walk(
        self, places: list[int], leanings: NDArray[np.float64], labels: NDArray[np.bool_], starts: NDArray[np.bool_]
    ) -> list[int]:
        """Set the labels of the open `places` (they ascend) and return those that are doubtful."""
        differences: dict[int, float] = {}
        for place in places:
            d = float(leanings[place])
            if not starts[place]:
                before = differences.get(place - 1)
                if before is not None:
                    d += max(self._bi, before + self._ii) - max(self._bb, before + self._ib)
                else:
                    d += self._from_i if labels[place - 1] else self._from_b
            differences[place] = d
        doubtful = []
        for place in reversed(places):
            threshold = 0.0
            if not starts[place + 1]:
                threshold = self._before_i if labels[place + 1] else self._before_b
            labels[place] = differences[place] > threshold
            if abs(differences[place] - threshold) < self._close:
                doubtful.append(place)
        return doubtful
