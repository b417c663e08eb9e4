"""The scheduler with encoders that answer, fail or wait under the test's control."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from phoserve.concurrency.circuit_breaker import CircuitBreaker, State
from phoserve.contract import Layout
from phoserve.errors import DeadlineExceeded, Overloaded, Unavailable
from phoserve.serving.batch_policy import PackedBatchPolicy, PaddedBatchPolicy
from phoserve.serving.encoders import EncoderFailed, Ids, Vectors
from phoserve.serving.queue import CALLER_CHECK_INTERVAL_S, Embedded, Job
from phoserve.serving.scheduler import EncoderSlot, Scheduler
from tests.support.polling import eventually


@dataclass
class FakeEncoder:
    """Returns the vector (length, first id) of every text; waits for `gate`, fails while `broken`."""

    name: str = "gpu"
    layout: Layout = "packed"
    broken: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[list[int]] = field(default_factory=list)

    async def encode(self, ids: Ids, lengths: Ids) -> Vectors:
        self.batches.append(lengths.tolist())
        await self.gate.wait()
        if self.broken:
            raise EncoderFailed(f"{self.name} is broken")
        starts = np.cumsum(lengths) - lengths
        vectors: Vectors = np.stack([lengths, ids[starts]], axis=1).astype(np.float32)
        return vectors


@dataclass
class Bench:
    """A scheduler on fakes, and the jobs in the order in which they end."""

    slots: list[EncoderSlot]
    max_waiting_tokens: int = 100_000
    saturated_after_s: float = 60.0
    clock: Callable[[], float] = time.monotonic
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(
            self.slots,
            self.count,
            max_waiting_tokens=self.max_waiting_tokens,
            saturated_after_s=self.saturated_after_s,
            clock=lambda: self.clock(),
        )

    def count(self, name: str, amount: float, encoder: str) -> None:
        self.counts[name, encoder] += int(amount)

    def submit(self, *lengths: int, first: int = 0, **options: float | Callable[[], bool]) -> Job:
        ids = np.concatenate([np.full(length, first + row, np.int32) for row, length in enumerate(lengths)])
        job = Job(
            ids=ids,
            lengths=np.array(lengths, np.int32),
            **{"due_s": 0.0, **options},  # type: ignore[arg-type]
        )
        self.scheduler.submit(job).add_done_callback(lambda _: self.ended.append(job))
        return job

    def error_of(self, job: Job) -> BaseException | None:
        return job.result.exception()


def slot(
    encoder: FakeEncoder,
    *,
    breaker: bool = False,
    max_concurrent_calls: int = 1,
    max_queued_calls: int = 0,
    batch_tokens: int = 100,
) -> EncoderSlot:
    cut = (
        PackedBatchPolicy(batch_tokens, max_tokens=batch_tokens)
        if encoder.layout == "packed"
        else PaddedBatchPolicy(batch_tokens, call_tokens=10)
    )
    return EncoderSlot(
        encoder,
        cut,
        max_concurrent_calls=max_concurrent_calls,
        max_queued_calls=max_queued_calls,
        breaker=CircuitBreaker() if breaker else None,
    )


@pytest.fixture
async def encoder() -> FakeEncoder:
    encoder = FakeEncoder()
    encoder.gate.set()
    return encoder


@pytest.fixture
async def fallback() -> FakeEncoder:
    encoder = FakeEncoder(name="cpu")
    encoder.gate.set()
    return encoder


async def test_every_text_gets_its_own_vector_whatever_the_batches(encoder: FakeEncoder) -> None:
    bench = Bench([slot(encoder)])
    random = np.random.default_rng(0)
    jobs = [bench.submit(*random.integers(2, 64, size=9).tolist(), first=100 * index) for index in range(20)]
    await bench.scheduler.drain()
    for index, job in enumerate(jobs):
        assert bench.error_of(job) is None
        assert job.vectors is not None
        assert job.vectors[:, 0].tolist() == job.lengths.tolist()
        assert job.vectors[:, 1].tolist() == [100 * index + row for row in range(9)]
    assert all(sum(batch) <= 100 for batch in encoder.batches)
    assert bench.counts["texts_total", "gpu"] == 180


async def test_short_texts_of_many_requests_share_a_batch(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder)])
    bench.submit(50)  # occupies the encoder while the others arrive
    for _ in range(6):
        bench.submit(10)
    encoder.gate.set()
    await bench.scheduler.drain()
    assert encoder.batches == [[50], [10] * 6]


async def test_free_calls_share_the_waiting_texts() -> None:
    encoder = FakeEncoder()
    bench = Bench([slot(encoder, max_concurrent_calls=2)])
    bench.submit(*[10] * 8)
    await asyncio.sleep(0)
    assert encoder.batches == [[10] * 4, [10] * 4]
    bench.submit(*[10] * 6)
    await asyncio.sleep(0)
    assert len(encoder.batches) == 2, "no call is free"
    encoder.gate.set()
    await bench.scheduler.drain()
    assert encoder.batches[2:] == [[10] * 6]


async def test_a_text_is_sent_at_once_while_a_call_is_free() -> None:
    encoder = FakeEncoder()
    bench = Bench([slot(encoder, max_concurrent_calls=2)])
    bench.submit(60)
    bench.submit(10)
    await asyncio.sleep(0)
    assert encoder.batches == [[60], [10]]
    encoder.gate.set()
    await bench.scheduler.drain()


async def test_behind_calls_in_flight_only_a_full_batch_is_sent_early() -> None:
    encoder = FakeEncoder()
    bench = Bench([slot(encoder, max_queued_calls=1)])
    bench.submit(60)
    bench.submit(30)
    await asyncio.sleep(0)
    assert encoder.batches == [[60]]
    bench.submit(40)
    await asyncio.sleep(0)
    assert encoder.batches == [[60], [30, 40]]
    encoder.gate.set()
    await bench.scheduler.drain()


async def test_the_most_urgent_goes_first(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder, batch_tokens=10)])
    bench.submit(9)
    late, soon = bench.submit(7, due_s=2.0), bench.submit(8, due_s=1.0)
    encoder.gate.set()
    await bench.scheduler.drain()
    assert encoder.batches == [[9], [8], [7]]
    await asyncio.sleep(0)
    assert bench.ended[1:] == [soon, late]


async def test_a_padded_batch_counts_the_cells_it_fills_up() -> None:
    encoder = FakeEncoder(layout="padded")
    encoder.gate.set()
    bench = Bench([slot(encoder)])
    bench.submit(10, 12, 16)
    await bench.scheduler.drain()
    assert bench.counts["padding_tokens_total", "gpu"] == 3 * 16 - 38


async def test_a_longer_text_than_any_budget_goes_alone(encoder: FakeEncoder) -> None:
    bench = Bench([slot(encoder, batch_tokens=10)])
    job = bench.submit(200)
    await bench.scheduler.drain()
    assert bench.error_of(job) is None


async def test_what_one_encoder_fails_on_the_next_one_answers(encoder: FakeEncoder, fallback: FakeEncoder) -> None:
    encoder.broken = True
    gpu = slot(encoder, breaker=True)
    bench = Bench([gpu, slot(fallback)])
    jobs = []
    for _ in range(10):
        jobs.append(bench.submit(10, 60))
        await bench.scheduler.drain()
    assert [bench.error_of(job) for job in jobs] == [None] * 10
    assert {name for job in jobs for name in job.served_by} == {"cpu"}
    assert gpu.breaker is not None
    assert gpu.breaker.state is State.OPEN
    assert len(encoder.batches) == 3  # then the breaker spared it
    assert bench.counts["fallback_texts_total", "gpu"] == sum(map(len, encoder.batches))


async def test_when_the_preferred_encoder_returns_it_serves_again(encoder: FakeEncoder, fallback: FakeEncoder) -> None:
    encoder.broken = True
    now = 0.0
    gpu = slot(encoder)
    gpu.breaker = CircuitBreaker(lambda: now)
    bench = Bench([gpu, slot(fallback)])
    for _ in range(4):
        bench.submit(10)
        await bench.scheduler.drain()
    encoder.broken, now = False, 1.0
    job = bench.submit(10)
    await bench.scheduler.drain()
    assert gpu.breaker.state is State.CLOSED
    assert job.served_by.tolist() == ["gpu"]


async def test_what_waits_too_long_for_a_saturated_encoder_goes_to_the_next(fallback: FakeEncoder) -> None:
    stuck = FakeEncoder()
    bench = Bench([slot(stuck, breaker=True), slot(fallback)], saturated_after_s=0.05)
    first = bench.submit(10)
    second = bench.submit(10)
    await eventually(lambda: not second.missing)
    assert second.served_by.tolist() == ["cpu"]
    assert first.missing
    stuck.gate.set()
    await bench.scheduler.drain()
    assert first.served_by.tolist() == ["gpu"]


async def test_when_no_encoder_answers_the_error_has_the_reason(encoder: FakeEncoder) -> None:
    encoder.broken = True
    bench = Bench([slot(encoder)])
    job = bench.submit(10, 60)
    await bench.scheduler.drain()
    error = bench.error_of(job)
    assert isinstance(error, Unavailable)
    assert "gpu is broken" in str(error)


async def test_beyond_the_limit_of_waiting_tokens_requests_are_refused(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder)], max_waiting_tokens=30)
    accepted = [bench.submit(20) for _ in range(2)]  # one is with the encoder, one waits
    refused = bench.submit(20)
    assert isinstance(bench.error_of(refused), Overloaded)
    encoder.gate.set()
    await bench.scheduler.drain()
    assert [bench.error_of(job) for job in accepted] == [None, None]


async def test_nothing_is_computed_for_a_caller_that_left(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder)])
    bench.submit(60)
    gone = bench.submit(61, cancelled=lambda: True)
    late = bench.submit(62, deadline_s=0.0)
    bench.clock = lambda: time.monotonic() + CALLER_CHECK_INTERVAL_S
    encoder.gate.set()
    await bench.scheduler.drain()
    assert encoder.batches == [[60]]
    assert isinstance(bench.error_of(gone), DeadlineExceeded)
    assert isinstance(bench.error_of(late), DeadlineExceeded)


async def test_the_job_behind_one_of_a_caller_that_left_is_served(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder)])
    bench.submit(60)
    bench.submit(61, cancelled=lambda: True)
    bench.submit(62)
    bench.clock = lambda: time.monotonic() + CALLER_CHECK_INTERVAL_S
    encoder.gate.set()
    await bench.scheduler.drain()
    assert encoder.batches == [[60], [62]]


async def test_callers_are_checked_rarely(encoder: FakeEncoder) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return False

    encoder.gate.clear()
    bench = Bench([slot(encoder)])
    for _ in range(20):
        bench.submit(60, cancelled=cancelled)
    later = time.monotonic() + CALLER_CHECK_INTERVAL_S
    bench.clock = lambda: later
    encoder.gate.set()
    await bench.scheduler.drain()
    assert 0 < len(asked) < 20, "once each at most, and not those that were sent at once"


async def test_the_gauge_of_waiting_tokens_rises_with_the_queue_and_falls_to_zero(encoder: FakeEncoder) -> None:
    encoder.gate.clear()
    bench = Bench([slot(encoder)])
    for _ in range(4):
        bench.submit(50, 50)
    assert bench.counts["waiting_tokens", "any"] == 300, "one batch of 100 is with the encoder, three wait"
    encoder.gate.set()
    await bench.scheduler.drain()
    assert bench.counts["waiting_tokens", "any"] == 0


async def test_a_result_has_the_vectors_and_their_encoders(encoder: FakeEncoder) -> None:
    bench = Bench([slot(encoder)])
    result = await bench.submit(3, 5, first=7).result
    assert isinstance(result, Embedded)
    assert result.vectors.tolist() == [[3, 7], [5, 8]]
    assert result.served_by.tolist() == ["gpu", "gpu"]


async def test_a_job_past_its_deadline_fails_while_the_encoder_is_busy() -> None:
    stuck = FakeEncoder()
    bench = Bench([slot(stuck)])
    bench.submit(10)
    late = bench.submit(10, deadline_s=time.monotonic() + 0.05)
    bench.clock = lambda: time.monotonic() + 1.0
    stuck.gate.set()
    with pytest.raises(DeadlineExceeded):
        await late.result
    await bench.scheduler.drain()


async def test_a_row_that_fails_after_the_deadline_is_not_computed_again(fallback: FakeEncoder) -> None:
    """The deadline passes while the preferred encoder computes, which then fails."""
    failing = FakeEncoder(broken=True)
    bench = Bench([slot(failing, breaker=True), slot(fallback)])
    job = bench.submit(10, deadline_s=time.monotonic() + 60)
    await asyncio.sleep(0)
    bench.clock = lambda: time.monotonic() + 120
    bench.scheduler.pump()
    failing.gate.set()
    with pytest.raises(DeadlineExceeded):
        await job.result
    await bench.scheduler.drain()
    assert fallback.batches == []


@pytest.mark.parametrize("encoders", [1, 2])
async def test_many_jobs_in_any_order_of_urgency_end_once(encoders: int) -> None:
    """Encoders that fail at random; every job gets its own vectors from one of them, or an error."""
    random = np.random.default_rng(encoders)
    fakes = [FlakyEncoder(name=f"e{number}", random=random, share=0.1) for number in range(encoders)]
    slots = [slot(fake, breaker=number < encoders - 1) for number, fake in enumerate(fakes)]
    bench = Bench(slots, saturated_after_s=0.001, max_waiting_tokens=10_000)
    jobs = []
    for number in range(300):
        lengths = random.integers(1, 64, size=random.integers(1, 5)).tolist()
        jobs.append(bench.submit(*lengths, first=number, due_s=float(random.random())))
        if random.random() < 0.2:
            await asyncio.sleep(0)
    await asyncio.wait([job.result for job in jobs])
    await bench.scheduler.drain()
    await asyncio.sleep(0)
    assert len(bench.ended) == len(jobs)
    served = [job for job in jobs if bench.error_of(job) is None]
    assert len(served) > 50
    for job in served:
        assert job.result.result().vectors[:, 0].tolist() == job.lengths.tolist()
        assert job.result.result().vectors[:, 1].tolist() == [job.ids_of(row)[0] for row in range(len(job.lengths))]
    assert bench.counts["waiting_tokens", "any"] == 0


@dataclass
class FlakyEncoder(FakeEncoder):
    """Fails a share of its calls."""

    random: np.random.Generator = field(default_factory=np.random.default_rng)
    share: float = 0.0

    async def encode(self, ids: Ids, lengths: Ids) -> Vectors:
        self.gate.set()
        await asyncio.sleep(self.random.random() * 0.002)
        self.broken = self.random.random() < self.share
        return await super().encode(ids, lengths)
