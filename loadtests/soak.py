"""Searches and additions for a long while: errors, and whether memory grows.

    python -m loadtests.soak --queries QUERIES.jsonl.gz [--minutes 10] [--pid PID] [--url URL] [--collection load]

`PID` is that of `phoserve up`: the memory of it and its descendants is read every five seconds. The slope is the
least-squares line over the second half, when caches and pools have their size. Every tenth request adds a document
under one of a hundred names, so that the index is written all the time and does not grow.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from cli.benchmark.load import Outcome, Request, closed_loop
from cli.benchmark.memory import resident_bytes
from cli.evaluation import QueryRow, read_rows

CLIENTS: Final = 4
EVERY_S: Final = 5.0
NAMES: Final = 100
ADDED: Final = "soak"
"""The collection that is written to."""


def requests(collection: str, queries: Sequence[str]) -> Iterator[Request]:
    """Nine searches, then a document made of the nine queries, without end."""
    for number in count():
        part = [queries[(9 * number + each) % len(queries)] for each in range(9)]
        for query in part:
            yield Request(f"/v1/collections/{collection}/search", json.dumps({"query": query}).encode())
        document = {"id": f"d{number % NAMES}", "text": "\n\n".join(part)}
        yield Request(f"/v1/collections/{ADDED}/documents", json.dumps({"documents": [document]}).encode())


async def soak(url: str, asked: Iterator[Request], pid: int, seconds: float) -> tuple[Outcome, list[tuple[float, int]]]:
    """What came of it, and (seconds since the beginning, bytes) as it went on."""
    sizes: list[tuple[float, int]] = []
    begun = time.monotonic()

    async def watch() -> None:
        while True:
            sizes.append((time.monotonic() - begun, await asyncio.to_thread(resident_bytes, pid)))
            await asyncio.sleep(EVERY_S)

    watching = asyncio.create_task(watch())
    outcome = await closed_loop(url, asked, clients=CLIENTS, seconds=seconds)
    watching.cancel()
    return outcome, sizes


def slope_mb_per_hour(sizes: Sequence[tuple[float, int]]) -> float:
    """Least squares over the second half."""
    times, found = np.array(sizes[len(sizes) // 2 :], float).T
    return float(np.polyfit(times, found, 1)[0]) * 3600 / 1e6


def main() -> None:
    """Run the command line; exit code 1 if anything but 200 and 202 was answered."""
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
    outcome, sizes = asyncio.run(soak(given.url, asked, given.pid, given.minutes * 60))
    statuses = {status: len(each) for status, each in outcome.latencies_ms.items()}
    searches = np.percentile(outcome.latencies_ms[200], (50, 95, 99))
    megabytes = [round(size / 1e6) for _, size in sizes]
    figures = {
        "statuses": statuses,
        "requests_per_s": round(sum(statuses.values()) / outcome.wall_s, 1),
        "search_ms_p50_p95_p99": [round(float(each), 1) for each in searches],
        "mb_first_median_last_most": [megabytes[0], round(float(np.median(megabytes))), megabytes[-1], max(megabytes)],
        "mb_per_hour": round(slope_mb_per_hour(sizes), 1),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(0 if set(statuses) <= {200, 202} else 1)


if __name__ == "__main__":
    main()
