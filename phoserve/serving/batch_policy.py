"""Which of the waiting texts make up the next micro-batch, for graphs without and with padding."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.serving.encoders import Ids

Rows = NDArray[np.intp]

# A packed batch pads only inside attention, which costs next to nothing among short texts.
CLASS_LIMITS = (64, 128)
# Widths worth looking at lie this far apart; a batch is still no wider than its longest text.
WIDTH_STEP = 8
# Calls grow to this time: an urgent text may have to wait for one, and each costs half a millisecond around the graph.
CALL_S = 0.01
MAX_CALL_TOKENS = 8192
SMOOTHING = 0.2


class BatchPolicy(Protocol):
    """A way of cutting the queue."""

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """Which of `lengths`, the most urgent first, go next; always the first of them.

        With `shares`, as many calls are about to start: this one leaves the others their part.
        """
        ...

    def padding(self, lengths: Ids) -> int:
        """Tokens computed only to fill up the batch of `lengths`."""
        ...

    def took(self, tokens: int, seconds: float) -> None:
        """Hear how long a call took that was cut so."""
        ...


@dataclass(slots=True)
class PackedBatchPolicy:
    """The most urgent texts of one length class: the graph computes no padding.

    `batch_tokens` at a time, or as many as the encoder computes in `CALL_S` if those are more: a small model's call is
    over before a large one's has begun.
    """

    batch_tokens: int
    max_tokens: int = MAX_CALL_TOKENS
    pace: float = 0.0
    """Tokens a second of late, of calls that were not small."""

    @property
    def room(self) -> int:
        """Tokens of the next call at most."""
        return max(self.batch_tokens, min(self.max_tokens, int(self.pace * CALL_S)))

    def took(self, tokens: int, seconds: float) -> None:
        """See `BatchPolicy`."""
        if 2 * tokens >= self.batch_tokens and seconds > 0:
            self.pace += SMOOTHING * (tokens / seconds - self.pace)

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """See `BatchPolicy`."""
        classes = np.searchsorted(CLASS_LIMITS, lengths)
        mates = np.flatnonzero(classes == classes[0])
        fitting = int(np.searchsorted(np.cumsum(lengths[mates]), self.room, side="right"))
        return mates[: max(1, min(fitting, math.ceil(len(mates) / shares)))]

    def padding(self, lengths: Ids) -> int:  # noqa: ARG002 - whatever the texts
        """See `BatchPolicy`."""
        return 0


@dataclass(frozen=True, slots=True)
class PaddedBatchPolicy:
    """The texts that come out cheapest together, by a model of what a call costs: `call_tokens` + rows x width.

    Few texts waiting: they share a call although some are filled up. Many: a call hardly pads.
    """

    batch_tokens: int
    call_tokens: int

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """See `BatchPolicy`: of the runs by length that hold the most urgent text, the one with most tokens a cost."""
        # By length; of equally long ones the most urgent comes last, and so is the first to be taken.
        order = np.lexsort((-np.arange(len(lengths)), lengths))
        ascending = lengths[order].astype(np.int64)
        totals = np.concatenate(([0], np.cumsum(ascending)))
        first = int(np.searchsorted(ascending, lengths[0], side="right"))
        best, start, end = 0.0, first - 1, first
        share = math.ceil(len(lengths) / shares)
        for stop in self._stops(ascending, first):
            width = int(ascending[stop - 1])
            # The `counts` longest texts up to `stop`: as many as fit, enough to reach down to the most urgent one.
            counts = np.arange(stop - first + 1, min(stop, share, self.batch_tokens // width) + 1)
            if len(counts):
                yields = (totals[stop] - totals[stop - counts]) / (self.call_tokens + counts * width)
                if yields.max() > best:
                    best, start, end = float(yields.max()), stop - int(counts[yields.argmax()]), stop
        chosen: Rows = order[start:end]
        return chosen

    def padding(self, lengths: Ids) -> int:
        """See `BatchPolicy`."""
        return int(lengths.max()) * len(lengths) - int(lengths.sum())

    def took(self, tokens: int, seconds: float) -> None:
        """See `BatchPolicy`: an engine's shapes are compiled for `batch_tokens`."""

    def _stops(self, ascending: NDArray[np.int64], first: int) -> list[int]:
        """Where runs may end that are worth looking at: at some widths, and at some numbers of longer texts."""
        widths = np.arange(int(ascending[first - 1]), int(ascending[-1]) + WIDTH_STEP, WIDTH_STEP)
        longer = first + 2 ** np.arange(len(ascending).bit_length())
        stops = [*np.searchsorted(ascending, widths, side="right"), *longer[longer <= len(ascending)]]
        return sorted({int(stop) for stop in stops})
