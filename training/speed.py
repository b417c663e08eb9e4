"""Speed of a model folder on one core: questions/s, with and without text processing."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from training.quality import BATCH, Encoder

ROUNDS: Final = 7
SINGLES: Final = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Speed:
    """Questions/s of one way to encode them: the median, slowest and fastest round."""

    name: str
    median: float
    slowest: float
    fastest: float


def keep_to_one_core() -> None:
    """Bind this process and its future threads to the first core that it may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def speeds(encoder: Encoder, questions: Sequence[str], *, rounds: int = ROUNDS) -> Iterator[Speed]:
    """Time encoding from token ids, in batches and one at a time, and from text, after a warm-up round.

    No part caches texts, so every round uses the same questions.
    """
    batches = [questions[start : start + BATCH] for start in range(0, len(questions), BATCH)]
    singles = [[question] for question in questions[:SINGLES]]
    for way, texts in ((f"{BATCH} at a time", batches), ("one at a time", singles)):
        tokens = [encoder.pipeline.encode(batch) for batch in texts]
        yield _time_calls(f"token ids, {way}", encoder.vectors, tokens, sum(map(len, texts)), rounds)
        yield _time_calls(f"text, {way}", encoder.embed, texts, sum(map(len, texts)), rounds)


def _time_calls(name: str, encode: Callable[[T], object], batches: Sequence[T], questions: int, rounds: int) -> Speed:
    rates = [questions / _seconds(encode, batches) for _ in range(rounds + 1)][1:]
    return Speed(name, statistics.median(rates), min(rates), max(rates))


def _seconds(encode: Callable[[T], object], batches: Sequence[T]) -> float:
    started = time.perf_counter()
    for batch in batches:
        encode(batch)
    return time.perf_counter() - started
