"""The jobs that wait for an encoder."""

import heapq
import itertools
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phoserve.serving.encoders import Ids, Vectors

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CALLER_CHECK_INTERVAL_S = 0.05
"""Least time between two checks whether a caller is still connected: each is a message to the server and back."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The result of a job, rows in the order of its texts."""

    vectors: Vectors
    served_by: NDArray[np.object_]
    """The name of the encoder that computed each row."""


@dataclass(eq=False, slots=True)
class Job:
    """The tokenized texts of one request."""

    ids: Ids
    """Packed token ids of all texts, int32."""
    lengths: Ids
    """Tokens of each text, int32."""
    due_s: float
    """When it becomes the most urgent job, on the scheduler's clock: the earliest is sent first."""
    cancelled: "Callable[[], bool]" = lambda: False
    deadline_s: float = float("inf")
    arrived_s: float = 0.0
    checked_s: float = 0.0
    """When its caller was last known to be connected."""
    fallback_only: bool = False
    number: int = -1
    """Order of arrival, set by the queue."""
    vectors: Vectors | None = None
    result: "asyncio.Future[Embedded]" = field(init=False)
    """Set by the scheduler."""
    served_by: NDArray[np.object_] = field(init=False)
    offsets: NDArray[np.int64] = field(init=False)
    tokens: list[int] = field(init=False)
    """`lengths`, for reading one at a time."""
    waiting: dict[int, None] = field(init=False)
    """The rows that are not with an encoder; in order, removed in constant time."""
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        texts = len(self.lengths)
        self.offsets = np.concatenate(([0], np.cumsum(self.lengths, dtype=np.int64)))
        self.tokens = self.lengths.tolist()
        self.waiting = dict.fromkeys(range(texts))
        self.served_by = np.full(texts, "", object)
        self.missing = texts

    def ids_of(self, row: int) -> Ids:
        """Return the token ids of text `row`."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def is_abandoned(self, now: float) -> bool:
        """Whether its caller has disconnected, checked at most once in `CALLER_CHECK_INTERVAL_S`."""
        if now - self.checked_s < CALLER_CHECK_INTERVAL_S:
            return False
        self.checked_s = now
        return self.cancelled()


class JobQueue:
    """Jobs with texts that wait, the most urgent first.

    Adding and removing a job costs O(log n) comparisons; finding those past their deadline, or that have waited too
    long, costs what is found.
    """

    def __init__(self) -> None:
        self.waiting_tokens = 0
        self._by_urgency: list[Job] = []
        self._by_arrival: dict[int, Job] = {}
        self._fallback_only: dict[int, Job] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._by_urgency)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_urgency)

    def __contains__(self, job: Job) -> bool:
        return job.number in self._by_arrival or job.number in self._fallback_only

    def add(self, job: Job) -> None:
        """Queue a job whose texts all wait."""
        job.number = next(self._numbers)
        self._by_arrival[job.number] = job
        insort(self._by_urgency, job, key=_urgency)
        self.waiting_tokens += sum(job.tokens)
        if job.deadline_s < float("inf"):
            heapq.heappush(self._deadlines, (job.deadline_s, job.number))

    def take(self, job: Job, row: int) -> None:
        """Remove text `row` of a queued job."""
        del job.waiting[row]
        self.waiting_tokens -= job.tokens[row]
        if not job.waiting:
            self._remove(job)

    def put_back(self, job: Job, row: int) -> None:
        """Queue text `row` of a job for the fallback encoder."""
        if job in self:
            self._by_arrival.pop(job.number, None)
        else:
            insort(self._by_urgency, job, key=_urgency)
            if job.deadline_s < float("inf"):
                heapq.heappush(self._deadlines, (job.deadline_s, job.number))
        self._fallback_only[job.number] = job
        job.fallback_only = True
        job.waiting[row] = None
        self.waiting_tokens += job.tokens[row]

    def discard(self, job: Job) -> None:
        """Remove a job with all its waiting texts; nothing happens if it is not queued."""
        if job in self:
            self.waiting_tokens -= sum(map(job.tokens.__getitem__, job.waiting))
            self._remove(job)

    def expired(self, now: float) -> list[Job]:
        """Return the queued jobs past their deadline."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            if job := self._by_arrival.get(number) or self._fallback_only.get(number):
                found.append(job)
        return found

    def for_fallback(self, arrived_before_s: float) -> list[Job]:
        """Return the jobs that another encoder failed on or that arrived before a time, the most urgent first."""
        arrived = itertools.takewhile(lambda job: job.arrived_s <= arrived_before_s, self._by_arrival.values())
        return sorted(itertools.chain(self._fallback_only.values(), arrived), key=_urgency)

    def _remove(self, job: Job) -> None:
        del self._by_urgency[bisect_left(self._by_urgency, _urgency(job), key=_urgency)]
        self._by_arrival.pop(job.number, None)
        self._fallback_only.pop(job.number, None)


def _urgency(job: Job) -> tuple[float, int]:
    return job.due_s, job.number
