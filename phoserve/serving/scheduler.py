"""Continuous batching: an encoder with a free call gets the most urgent waiting texts of similar length."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from phoserve.concurrency.circuit_breaker import CircuitBreaker
from phoserve.errors import DeadlineExceeded, Overloaded, PhoserveError, Unavailable
from phoserve.serving.batch_policy import BatchPolicy
from phoserve.serving.encoders import Encoder, EncoderFailed, Ids, Vectors
from phoserve.serving.queue import Embedded, Job, JobQueue

WINDOW_TEXTS = 2048

COUNTERS = {
    "texts_total": "Texts embedded",
    "tokens_total": "Tokens embedded, specials included",
    "padding_tokens_total": "Tokens computed only to fill up a batch",
    "truncated_texts_total": "Texts longer than the model takes",
    "fallback_texts_total": "Texts this encoder failed on and another one took over",
    "encoder_failures_total": "Calls this encoder failed",
}
# Triton's own nv_inference_pending_request_count stays 0: the public model accepts every request and queues it here.
GAUGES = {"waiting_tokens": "Tokens of texts that wait for an encoder"}
ANY_ENCODER = "any"


class Count(Protocol):
    """Adds `amount`, which is below 0 for gauges only; `name` is one of `COUNTERS` or `GAUGES`, `encoder` a label."""

    def __call__(self, name: str, amount: float, encoder: str) -> None: ...


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
    """Tokens of each call in flight, the latest last."""

    def takes(self, tokens: int) -> bool:
        """Whether a batch may be sent now, while `tokens` wait.

        A batch is queued early only when it is full: many small calls cost more than few large ones.
        """
        if self.breaker is not None and not self.breaker.allows():
            return False
        if self.free_calls > 0:
            return True
        return len(self.in_flight) < self.max_concurrent_calls + self.max_queued_calls and tokens >= self.in_flight[-1]

    @property
    def free_calls(self) -> int:
        """The number of further calls that the encoder would compute at once."""
        return max(0, self.max_concurrent_calls - len(self.in_flight))


Row = tuple[Job, int]
"""A text: the job and its place there."""


class Scheduler:
    """Sends queued jobs to the slots, the preferred one first; runs inside one event loop.

    The last slot is the fallback: it gets the texts that the slot before failed on, all texts while the breaker of that
    slot is open, and jobs that have waited longer than `saturated_after_s`.
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
        self._queue = JobQueue()
        self._reported_tokens = 0
        self._calls: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> asyncio.Future[Embedded]:
        """Queue `job` and return the future of its result.

        The future raises Overloaded at once if the queue is full, DeadlineExceeded if the job's deadline passes or its
        caller disconnects first, and Unavailable if the last encoder fails.
        """
        job.result = asyncio.get_running_loop().create_future()
        waiting = self._queue.waiting_tokens
        if len(self._queue) and waiting + sum(job.tokens) > self._max_waiting_tokens:
            job.result.set_exception(Overloaded(f"the queue is full: {waiting} tokens are waiting"))
            return job.result
        job.arrived_s = job.checked_s = self._clock()
        self._queue.add(job)
        self._wake_in(job.deadline_s - job.arrived_s)
        if len(self._slots) > 1:
            self._wake_in(self._saturated_after_s)
        self.pump()
        return job.result

    def pump(self) -> None:
        """Send a batch to every slot that takes one."""
        for slot in self._slots:
            while slot.takes(self._queue.waiting_tokens) and self._send(slot):
                pass
        waiting = self._queue.waiting_tokens
        if waiting != self._reported_tokens:
            self._add("waiting_tokens", waiting - self._reported_tokens, ANY_ENCODER)
            self._reported_tokens = waiting

    async def drain(self) -> None:
        """Wait for the calls in flight."""
        while self._calls:
            await asyncio.wait(self._calls)

    def _jobs_for(self, slot: EncoderSlot) -> Iterable[Job]:
        preferred = self._slots[0]
        if len(self._slots) == 1:
            return self._queue
        if slot is preferred:
            return (job for job in self._queue if not job.fallback_only)
        if preferred.breaker is not None and not preferred.breaker.allows():
            return self._queue
        return self._queue.for_fallback(self._clock() - self._saturated_after_s)

    def _send(self, slot: EncoderSlot) -> bool:
        """Send a batch, or give up the jobs in it whose callers have disconnected; return whether any text waited."""
        now = self._clock()
        self._give_up(self._queue.expired(now))
        window, lengths = self._window(slot)
        if not window:
            return False
        batch = [window[place] for place in slot.policy.rows(lengths, max(1, slot.free_calls)).tolist()]
        if abandoned := {job for job, _ in batch if job.is_abandoned(now)}:
            self._give_up(abandoned)
            return True  # without them, another batch may be better
        for job, row in batch:
            self._queue.take(job, row)
        slot.in_flight.append(sum(job.tokens[row] for job, row in batch))
        if slot.breaker is not None:
            slot.breaker.begin()
        call = asyncio.get_running_loop().create_task(self._call(slot, batch))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return True

    def _window(self, slot: EncoderSlot) -> tuple[list[Row], Ids]:
        """Return the candidates for the next batch of `slot`, the most urgent first, and their lengths."""
        window: list[Row] = []
        lengths: list[int] = []
        for job in self._jobs_for(slot):
            for row in job.waiting:
                window.append((job, row))
                lengths.append(job.tokens[row])
            if len(window) >= WINDOW_TEXTS:
                break
        return window, np.array(lengths, np.int32)

    def _give_up(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._fail(job, DeadlineExceeded("the time limit passed, or the caller left, before an encoder was free"))

    async def _call(self, slot: EncoderSlot, batch: list[Row]) -> None:
        ids = np.concatenate([job.ids_of(row) for job, row in batch])
        lengths = np.array([job.tokens[row] for job, row in batch], np.int32)
        begun = self._clock()
        try:
            vectors = await slot.encoder.encode(ids, lengths)
        except EncoderFailed as error:
            slot.in_flight.remove(int(lengths.sum()))
            self._failed(slot, batch, error)
        else:
            slot.in_flight.remove(int(lengths.sum()))
            slot.policy.observe(int(lengths.sum()), self._clock() - begun)
            if slot.breaker is not None:
                slot.breaker.succeeded()
            self.pump()
            await asyncio.sleep(0)  # the next batch is sent before this one is answered
            self._succeeded(slot, batch, vectors)
            self._count(slot, lengths)
        self.pump()

    def _succeeded(self, slot: EncoderSlot, batch: list[Row], vectors: Vectors) -> None:
        for (job, row), vector in zip(batch, vectors, strict=True):
            if job.vectors is None:
                job.vectors = np.empty((len(job.lengths), len(vector)), np.float32)
            job.vectors[row] = vector
            job.served_by[row] = slot.encoder.name
            job.missing -= 1
            if job.missing == 0 and not job.result.done():
                job.result.set_result(Embedded(job.vectors, job.served_by))

    def _failed(self, slot: EncoderSlot, batch: list[Row], error: EncoderFailed) -> None:
        name = slot.encoder.name
        self._add("encoder_failures_total", 1, name)
        if slot.breaker is not None:
            slot.breaker.failed()
            self._wake_in(slot.breaker.pause_s)
        if slot is self._slots[-1]:
            for job in {job for job, _ in batch}:
                self._fail(job, Unavailable(name, f"no encoder answers; the last error was: {error}"))
            return
        self._add("fallback_texts_total", len(batch), name)
        for job, row in batch:
            if not job.result.done():
                self._queue.put_back(job, row)

    def _fail(self, job: Job, error: PhoserveError) -> None:
        self._queue.discard(job)
        if not job.result.done():
            job.result.set_exception(error)

    def _count(self, slot: EncoderSlot, lengths: Ids) -> None:
        name, tokens = slot.encoder.name, int(lengths.sum())
        self._add("texts_total", len(lengths), name)
        self._add("tokens_total", tokens, name)
        self._add("padding_tokens_total", slot.policy.padding(lengths), name)

    def _wake_in(self, delay_s: float) -> None:
        if delay_s < float("inf"):
            asyncio.get_running_loop().call_later(max(delay_s, 0.0) + 0.001, self.pump)
