"""Long run of searches and additions: errors and growth of memory.

    python -m loadtests.soak --queries QUERIES.jsonl.gz [--minutes 10] [--pid PID] [--url URL] [--collection load]

`PID` is that of `phoserve up`. The memory of it and its descendants is read 120 times, in total and by part. The
slope is the least-squares line over the second half, when caches and pools have reached their size. Every tenth request
adds a document under one of a hundred names, so that the index is written constantly without growing.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from cli.evaluation import QueryRow
from cli.rows import read_rows
from loadtests.benchmark.load import Outcome, Request, closed_loop
from loadtests.benchmark.memory import family, proportional_bytes
from loadtests.benchmark.processor import part_of

CLIENTS: Final = 4
READINGS: Final = 120
NAMES: Final = 100
TOTAL: Final = "total"
ADDED: Final = "soak"
"""The collection for additions."""

Reading = tuple[float, dict[str, float]]
"""Seconds since the start, and megabytes by part."""


def requests(collection: str, queries: Sequence[str]) -> Iterator[Request]:
    """Yield nine searches, then a document with the nine queries, endlessly."""
    for number in count():
        part = [queries[(9 * number + each) % len(queries)] for each in range(9)]
        for query in part:
            yield Request(f"/v1/collections/{collection}/search", json.dumps({"query": query}).encode())
        document = {"id": f"d{number % NAMES}", "text": "\n\n".join(part)}
        yield Request(f"/v1/collections/{ADDED}/documents", json.dumps({"documents": [document]}).encode())


async def soak(url: str, asked: Iterator[Request], pid: int, seconds: float) -> tuple[Outcome, list[Reading]]:
    """Return the outcome and the memory over time."""
    readings: list[Reading] = []
    begun = time.monotonic()

    async def watch() -> None:
        while True:
            readings.append((time.monotonic() - begun, await asyncio.to_thread(memory_mb, pid)))
            await asyncio.sleep(seconds / READINGS)

    watching = asyncio.create_task(watch())
    outcome = await closed_loop(url, asked, clients=CLIENTS, seconds=seconds)
    watching.cancel()
    return outcome, readings


def memory_mb(pid: int) -> dict[str, float]:
    """Return the memory of all processes (`total`, with pages of files) and of each part (without them)."""
    found = {TOTAL: 0.0}
    for each in family(pid):
        with suppress(OSError):
            part = part_of(each)
            found[part] = found.get(part, 0.0) + proportional_bytes(each, "Pss_Anon") / 1e6
            found[TOTAL] += proportional_bytes(each) / 1e6
    return found


def trend(readings: Sequence[Reading], part: str) -> dict[str, float]:
    """Return first, last and highest value, and the slope per hour: least squares over the second half."""
    times, sizes = np.array([(at, found.get(part, 0.0)) for at, found in readings]).T
    half = len(times) // 2
    slope = float(np.polyfit(times[half:], sizes[half:], 1)[0]) * 3600
    figures = {"first": sizes[0], "last": sizes[-1], "most": sizes.max(), "an_hour": slope}
    return {name: round(float(figure), 1) for name, figure in figures.items()}


def main() -> None:
    """Run the command line. The exit code is 1 after any status except 200 and 202."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="load")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    queries = list(dict.fromkeys(row.query for row in read_rows(given.queries, QueryRow)))
    httpx.put(f"{given.url}/v1/collections/{ADDED}", json={}, timeout=30).raise_for_status()
    asked = requests(given.collection, queries)
    outcome, readings = asyncio.run(soak(given.url, asked, given.pid, given.minutes * 60))
    statuses = {status: len(each) for status, each in outcome.latencies_ms.items()}
    searches = np.percentile(outcome.latencies_ms[200], (50, 95, 99))
    figures = {
        "statuses": statuses,
        "requests_per_s": round(sum(statuses.values()) / outcome.wall_s, 1),
        "search_ms_p50_p95_p99": [round(float(each), 1) for each in searches],
        "mb": {part: trend(readings, part) for part in readings[-1][1]},
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(0 if set(statuses) <= {200, 202} else 1)


if __name__ == "__main__":
    main()
