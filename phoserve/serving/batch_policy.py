"""Select the waiting texts of the next micro-batch, for graphs without and with padding."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.serving.encoders import Ids

Rows = NDArray[np.intp]

# A packed batch pads only inside attention, which costs next to nothing among short texts.
CLASS_LIMITS = (64, 128)
# Step between the widths that are tried; a batch is never wider than its longest text.
WIDTH_STEP = 8
# Calls grow to this time: an urgent text may wait for one, and each has an overhead of half a millisecond.
CALL_S = 0.01
MAX_CALL_TOKENS = 8192
SMOOTHING = 0.2


class BatchPolicy(Protocol):
    """Selects batches from the queue."""

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """Return the places in `lengths`, which is the most urgent first, of the next batch; always the first of them.

        `shares` calls are about to start: this one takes its share only.
        """
        ...

    def padding(self, lengths: Ids) -> int:
        """Return the tokens that are computed only to fill up a batch of `lengths`."""
        ...

    def observe(self, tokens: int, seconds: float) -> None:
        """Record the duration of a call with a batch that this policy selected."""
        ...


@dataclass(slots=True)
class PackedBatchPolicy:
    """The most urgent texts of one length class: the graph computes no padding.

    A batch has `batch_tokens`, or as many as the encoder computes in `CALL_S` if that is more: calls of small models
    are short.
    """

    batch_tokens: int
    max_tokens: int = MAX_CALL_TOKENS
    pace: float = 0.0
    """Recent tokens per second of calls that were not small."""

    @property
    def limit_tokens(self) -> int:
        """The most tokens of the next call."""
        return max(self.batch_tokens, min(self.max_tokens, int(self.pace * CALL_S)))

    def observe(self, tokens: int, seconds: float) -> None:
        """See `BatchPolicy`."""
        if 2 * tokens >= self.batch_tokens and seconds > 0:
            self.pace += SMOOTHING * (tokens / seconds - self.pace)

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """See `BatchPolicy`."""
        classes = np.searchsorted(CLASS_LIMITS, lengths)
        mates = np.flatnonzero(classes == classes[0])
        fitting = int(np.searchsorted(np.cumsum(lengths[mates]), self.limit_tokens, side="right"))
        return mates[: max(1, min(fitting, math.ceil(len(mates) / shares)))]

    def padding(self, lengths: Ids) -> int:  # noqa: ARG002 - none for any text
        """See `BatchPolicy`."""
        return 0


@dataclass(frozen=True, slots=True)
class PaddedBatchPolicy:
    """The cheapest batch per token, by a model of the cost of a call: `call_tokens` + rows x width.

    When few texts wait, they share a call although some are padded. When many wait, a call has little padding.
    """

    batch_tokens: int
    call_tokens: int

    def rows(self, lengths: Ids, shares: int = 1) -> Rows:
        """See `BatchPolicy`: of the runs by length with the most urgent text, the one with most tokens per cost."""
        # By length; of equally long texts the most urgent is last, so it is taken first.
        order = np.lexsort((-np.arange(len(lengths)), lengths))
        ascending = lengths[order].astype(np.int64)
        totals = np.concatenate(([0], np.cumsum(ascending)))
        first = int(np.searchsorted(ascending, lengths[0], side="right"))
        best, start, end = 0.0, first - 1, first
        share = math.ceil(len(lengths) / shares)
        for stop in self._stops(ascending, first):
            width = int(ascending[stop - 1])
            # The `counts` longest texts up to `stop`: as many as fit, at least down to the most urgent one.
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

    def observe(self, tokens: int, seconds: float) -> None:
        """See `BatchPolicy`: an engine's shapes are compiled for `batch_tokens`."""

    def _stops(self, ascending: NDArray[np.int64], first: int) -> list[int]:
        """Return the ends of runs that are tried: at some widths, and at some numbers of longer texts."""
        widths = np.arange(int(ascending[first - 1]), int(ascending[-1]) + WIDTH_STEP, WIDTH_STEP)
        longer = first + 2 ** np.arange(len(ascending).bit_length())
        stops = [*np.searchsorted(ascending, widths, side="right"), *longer[longer <= len(ascending)]]
        return sorted({int(stop) for stop in stops})
