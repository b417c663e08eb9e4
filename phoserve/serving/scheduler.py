"""Continuous batching: whenever an encoder has room, the most urgent waiting texts of like length go to it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.concurrency.circuit_breaker import CircuitBreaker
from phoserve.errors import DeadlineExceeded, Overloaded, PhoserveError, Unavailable
from phoserve.serving.batch_policy import BatchPolicy
from phoserve.serving.encoders import Encoder, EncoderFailed, Ids, Vectors

WINDOW_TEXTS = 2048
CALLER_ASKED_EVERY_S = 0.05
"""Whether the caller is still there: the question is a message to the server and back, so it is not asked at once."""

COUNTERS = {
    "texts_total": "Texts embedded",
    "tokens_total": "Tokens embedded, specials included",
    "padding_tokens_total": "Tokens computed only to fill up a batch",
    "truncated_texts_total": "Texts longer than the model takes",
    "fallback_texts_total": "Texts this encoder failed on and another one took over",
    "encoder_failures_total": "Calls this encoder failed",
}
# Triton's own nv_inference_pending_request_count stays 0: the public model takes every request at once and queues here.
GAUGES = {"waiting_tokens": "Tokens of texts that wait for an encoder"}
ANY_ENCODER = "any"


class Count(Protocol):
    """Adds `amount`, which is below 0 for gauges only; `name` is one of `COUNTERS` or `GAUGES`, `encoder` a label."""

    def __call__(self, name: str, amount: float, encoder: str) -> None: ...


@dataclass(eq=False, slots=True)
class Job:
    """The tokenised texts of one request, waiting for their vectors."""

    ids: Ids
    lengths: Ids
    due_s: float
    """When it becomes the most urgent one, on the scheduler's clock: the earliest goes first."""
    finished: Callable[["Job", PhoserveError | None], None]
    cancelled: Callable[[], bool] = lambda: False
    deadline_s: float = float("inf")
    arrived_s: float = 0.0
    asked_s: float = 0.0
    """When its caller was last known to be there."""
    fallback_only: bool = False
    vectors: Vectors | None = None
    served_by: NDArray[np.object_] = field(init=False)
    offsets: NDArray[np.int64] = field(init=False)
    waiting: NDArray[np.bool_] = field(init=False)
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        texts = len(self.lengths)
        self.offsets = np.concatenate(([0], np.cumsum(self.lengths, dtype=np.int64)))
        self.waiting = np.ones(texts, bool)
        self.served_by = np.full(texts, "", object)
        self.missing = texts

    def ids_of(self, row: int) -> Ids:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def left(self, now: float) -> bool:
        """Whether its caller has left, as far as has been asked."""
        if now - self.asked_s < CALLER_ASKED_EVERY_S:
            return False
        self.asked_s = now
        return self.cancelled()


@dataclass(eq=False, slots=True)
class EncoderSlot:
    """An encoder with its limits: `max_concurrent_calls` calls at a time, of batches that `policy` selects.

    `max_queued_calls` more may queue at the encoder so that it never idles. `breaker` is None for the last resort.
    """

    encoder: Encoder
    policy: BatchPolicy
    max_concurrent_calls: int = 1
    max_queued_calls: int = 1
    breaker: CircuitBreaker | None = None
    in_flight: list[int] = field(default_factory=list)
    """Tokens of each call that has not come back, the latest last."""

    def takes(self, tokens: int) -> bool:
        """Whether a batch may be sent now, with so many `tokens` waiting.

        A batch is queued early only when it is full: many small calls cost more than few large ones.
        """
        if self.breaker is not None and not self.breaker.allows():
            return False
        if self.free_calls > 0:
            return True
        return len(self.in_flight) < self.max_concurrent_calls + self.max_queued_calls and tokens >= self.in_flight[-1]

    @property
    def free_calls(self) -> int:
        """How many calls could be computed at once beside those under way."""
        return max(0, self.max_concurrent_calls - len(self.in_flight))


@dataclass(frozen=True, slots=True)
class _Row:
    job: Job
    row: int


class Scheduler:
    """EventStreams the slots, the preferred one first; runs inside one event loop.

    The last slot is the fallback: it takes what the one before failed on, everything while that one's breaker is
    open, and whatever has waited longer than `saturated_after_s`.
    """

    def __init__(
        self,
        slots: Sequence[EncoderSlot],
        count: Count,
        *,
        max_waiting_tokens: int,
        saturated_after_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = list(slots)
        self._add = count
        self._max_waiting_tokens = max_waiting_tokens
        self._saturated_after_s = saturated_after_s
        self._clock = clock
        self._jobs: list[Job] = []
        self._waiting_tokens = 0
        self._reported_tokens = 0
        self._calls: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Queue `job`; its `finished` is called once, with an error or with all vectors in place."""
        tokens = int(job.lengths.sum())
        if self._jobs and self._waiting_tokens + tokens > self._max_waiting_tokens:
            job.finished(job, Overloaded(f"the queue is full: {self._waiting_tokens} tokens are waiting"))
            return
        job.arrived_s = job.asked_s = self._clock()
        self._jobs.append(job)
        self._jobs.sort(key=lambda waiting: waiting.due_s)
        self._waiting_tokens += tokens
        self._wake_in(job.deadline_s - job.arrived_s)
        if len(self._slots) > 1:
            self._wake_in(self._saturated_after_s)
        self.pump()

    def pump(self) -> None:
        """Give every slot with room its next batch."""
        for slot in self._slots:
            while slot.takes(self._waiting_tokens) and (jobs := self._jobs_for(slot)):
                self._send(slot, jobs)
        if self._waiting_tokens != self._reported_tokens:
            self._add("waiting_tokens", self._waiting_tokens - self._reported_tokens, ANY_ENCODER)
            self._reported_tokens = self._waiting_tokens

    async def drain(self) -> None:
        """Wait for the calls that are under way."""
        while self._calls:
            await asyncio.wait(self._calls)

    def _jobs_for(self, slot: EncoderSlot) -> list[Job]:
        now = self._clock()
        self._give_up([job for job in self._jobs if now >= job.deadline_s])
        preferred = self._slots[0]
        if slot is preferred:
            return [job for job in self._jobs if not (job.fallback_only and len(self._slots) > 1)]
        if preferred.breaker is not None and not preferred.breaker.allows():
            return list(self._jobs)
        return [job for job in self._jobs if job.fallback_only or now - job.arrived_s >= self._saturated_after_s]

    def _send(self, slot: EncoderSlot, jobs: list[Job]) -> None:
        """Send a batch of `jobs`, or give up those in it whose callers have left."""
        window: list[_Row] = []
        for job in jobs:
            window += [_Row(job, int(row)) for row in np.flatnonzero(job.waiting)]
            if len(window) >= WINDOW_TEXTS:
                break
        lengths = np.array([item.job.lengths[item.row] for item in window], np.int32)
        batch = [window[index] for index in slot.policy.rows(lengths, max(1, slot.free_calls))]
        now = self._clock()
        if gone := {item.job for item in batch if item.job.left(now)}:
            self._give_up(gone)
            return  # the next batch may be another one altogether
        for item in batch:
            self._take(item)
        slot.in_flight.append(sum(int(item.job.lengths[item.row]) for item in batch))
        if slot.breaker is not None:
            slot.breaker.begin()
        call = asyncio.get_running_loop().create_task(self._call(slot, batch))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    def _give_up(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._finish(job, DeadlineExceeded("the time limit passed, or the caller left, before an encoder was free"))

    def _take(self, item: _Row) -> None:
        item.job.waiting[item.row] = False
        self._waiting_tokens -= int(item.job.lengths[item.row])
        if not item.job.waiting.any():
            self._jobs.remove(item.job)

    async def _call(self, slot: EncoderSlot, batch: list[_Row]) -> None:
        ids = np.concatenate([item.job.ids_of(item.row) for item in batch])
        lengths = np.array([item.job.lengths[item.row] for item in batch], np.int32)
        begun = self._clock()
        try:
            vectors = await slot.encoder.encode(ids, lengths)
        except EncoderFailed as error:
            slot.in_flight.remove(int(lengths.sum()))
            self._failed(slot, batch, error)
        else:
            slot.in_flight.remove(int(lengths.sum()))
            slot.policy.took(int(lengths.sum()), self._clock() - begun)
            if slot.breaker is not None:
                slot.breaker.succeeded()
            self.pump()
            await asyncio.sleep(0)  # the next batch is on its way before this one is answered
            self._succeeded(slot, batch, vectors)
            self._count(slot, lengths)
        self.pump()

    def _succeeded(self, slot: EncoderSlot, batch: list[_Row], vectors: Vectors) -> None:
        for item, vector in zip(batch, vectors, strict=True):
            job = item.job
            if job.vectors is None:
                job.vectors = np.empty((len(job.lengths), len(vector)), np.float32)
            job.vectors[item.row] = vector
            job.served_by[item.row] = slot.encoder.name
            job.missing -= 1
            if job.missing == 0:
                job.finished(job, None)

    def _failed(self, slot: EncoderSlot, batch: list[_Row], error: EncoderFailed) -> None:
        name = slot.encoder.name
        self._add("encoder_failures_total", 1, name)
        if slot.breaker is not None:
            slot.breaker.failed()
            self._wake_in(slot.breaker.pause_s)
        if slot is self._slots[-1]:
            for job in {item.job for item in batch if item.job.missing > 0}:
                self._finish(job, Unavailable(name, f"no encoder answers; the last one said: {error}"))
            return
        self._add("fallback_texts_total", len(batch), name)
        for item in batch:
            self._put_back(item)

    def _put_back(self, item: _Row) -> None:
        job = item.job
        if job.missing <= 0:  # it was given up meanwhile
            return
        if not job.waiting.any():
            self._jobs.append(job)
            self._jobs.sort(key=lambda waiting: waiting.due_s)
        job.fallback_only = True
        job.waiting[item.row] = True
        self._waiting_tokens += int(job.lengths[item.row])

    def _finish(self, job: Job, error: PhoserveError) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
            self._waiting_tokens -= int(job.lengths[job.waiting].sum())
        job.missing = 0
        job.finished(job, error)

    def _count(self, slot: EncoderSlot, lengths: Ids) -> None:
        name, tokens = slot.encoder.name, int(lengths.sum())
        self._add("texts_total", len(lengths), name)
        self._add("tokens_total", tokens, name)
        self._add("padding_tokens_total", slot.policy.padding(lengths), name)

    def _wake_in(self, delay_s: float) -> None:
        if delay_s < float("inf"):
            asyncio.get_running_loop().call_later(max(delay_s, 0.0) + 0.001, self.pump)
