"""Measure what submitting a text to the scheduler costs while many wait.

`python -m loadtests.scheduler_submit [--waiting 1000 10000 26000] [--encoders 1 2] [--json FILE]` fills the queue of a
scheduler whose encoders never answer, with due times as queries and passages have them, and prints the time of a
further `submit` and of the batch that is sent when a call ends: medians, in microseconds of the processor.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from phoserve.concurrency.circuit_breaker import CircuitBreaker
from phoserve.contract import Layout
from phoserve.serving.batch_policy import PackedBatchPolicy
from phoserve.serving.encoders import Ids, Vectors
from phoserve.serving.queue import Job
from phoserve.serving.scheduler import EncoderSlot, Scheduler

SAMPLES: Final = 500
BATCHES: Final = 50
TOKENS: Final = 10
PASSAGE_PATIENCE_S: Final = 2.0
# Long enough that no job is saturated while the queue fills.
SATURATED_AFTER_S: Final = 3600.0


class StuckEncoder:
    """Answers one call each time it is released."""

    layout: Layout = "packed"

    def __init__(self, name: str) -> None:
        self.name = name
        self.released = asyncio.Semaphore(0)

    async def encode(self, ids: Ids, lengths: Ids) -> Vectors:  # noqa: ARG002
        """Return zeros once released."""
        await self.released.acquire()
        return np.zeros((len(lengths), 4), np.float32)


async def measure(waiting: int, encoders: int) -> dict[str, float]:
    """Return microseconds per submit and per batch with `waiting` texts in the queue."""
    stuck = [StuckEncoder(f"encoder{number}") for number in range(encoders)]
    slots = [
        EncoderSlot(
            each, PackedBatchPolicy(100, max_tokens=100), breaker=CircuitBreaker() if each is not stuck[-1] else None
        )
        for each in stuck
    ]
    scheduler = Scheduler(slots, lambda *_: None, max_waiting_tokens=1 << 40, saturated_after_s=SATURATED_AFTER_S)
    jobs = [_job(number) for number in range(waiting + 100 + SAMPLES)]
    for job in jobs[:-SAMPLES]:
        scheduler.submit(job)
    submits, batches = [], []
    for job in jobs[-SAMPLES:]:
        begun = time.thread_time_ns()
        scheduler.submit(job)
        submits.append(time.thread_time_ns() - begun)
    for _ in range(BATCHES):
        begun = time.thread_time_ns()
        stuck[0].released.release()
        for _ in range(4):
            await asyncio.sleep(0)
        batches.append(time.thread_time_ns() - begun)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    return {"submit_us": median(submits) / 1000, "batch_us": median(batches) / 1000}


def _job(number: int) -> Job:
    patience_s = PASSAGE_PATIENCE_S if number % 2 else 0.0
    deadline_s = time.monotonic() + 60.0
    return Job(
        ids=np.zeros(TOKENS, np.int32),
        lengths=np.array([TOKENS], np.int32),
        due_s=time.monotonic() + patience_s,
        deadline_s=deadline_s,
    )


def main() -> None:
    """Print a table and write it as JSON if asked."""
    arguments = _arguments()
    rows = []
    sys.stdout.write(f"{'encoders':>8}{'waiting':>10}{'submit us':>12}{'batch us':>12}\n")
    for encoders in arguments.encoders:
        for waiting in arguments.waiting:
            row = asyncio.run(measure(waiting, encoders))
            rows.append({"encoders": encoders, "waiting": waiting, **row})
            sys.stdout.write(f"{encoders:8}{waiting:10}{row['submit_us']:12.1f}{row['batch_us']:12.1f}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 10_000, 26_000])
    parser.add_argument("--encoders", type=int, nargs="+", default=[1, 2], help="1, or 2 with a fallback.")
    parser.add_argument("--json", type=Path, help="Write the figures to a file.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
