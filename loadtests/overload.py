"""Searches that arrive faster than a running phoserve can answer: what it still answers, and how soon it refuses.

    python -m loadtests.overload --queries QUERIES.jsonl.gz [--url URL] [--collection load] [--out bench-overload]

First a closed loop finds the peak. Then requests come at even intervals, at half the peak to three times it, whatever
becomes of them (open loop); times count from when each was due. Rates take turns, round by round.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from cli.benchmark.load import Request, closed_loop, open_loop
from cli.benchmark.report import write_results
from cli.benchmark.results import Measurement, Results
from cli.evaluation import QueryRow, read_rows

SUITE: Final = "overload"
CLIENTS: Final = 32
SHARES: Final = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
REST_S: Final = 1.0
"""Between two rates, so that one does not pay for the other's queue."""


async def curve(url: str, requests: Iterator[Request], results: Results, *, seconds: float, rounds: int) -> None:
    """Add the peak and, by share of it, what came of every rate."""
    await closed_loop(url, requests, clients=CLIENTS, seconds=2)  # warm
    peak = (await closed_loop(url, requests, clients=CLIENTS, seconds=seconds)).figures()
    results.measurements.append(Measurement(SUITE, "closed loop", "search", CLIENTS, 0, peak))
    say("peak", peak)
    for round_ in range(rounds):
        for share in SHARES:
            rate = share * peak["requests_per_s"]
            figures = (await open_loop(url, requests, rate_per_s=rate, seconds=seconds)).figures()
            figures |= {"offered_per_s": rate, "share_of_peak": share}
            results.measurements.append(Measurement(SUITE, "open loop", f"{share:g} x the peak", 0, round_, figures))
            say(f"{share:g} x", figures)
            await asyncio.sleep(REST_S)


def searches(collection: str, queries: Sequence[str]) -> Iterator[Request]:
    """Hybrid searches, without end."""
    path = f"/v1/collections/{collection}/search"
    bodies = [json.dumps({"query": query}, ensure_ascii=False).encode() for query in queries]
    return (Request(path, body) for body in cycle(bodies))


def say(name: str, figures: dict[str, float]) -> None:
    """One line."""
    sys.stdout.write(f"{name}: {json.dumps({key: round(value, 1) for key, value in figures.items()})}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="load")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench-overload"))
    given = parser.parse_args()
    queries = list(dict.fromkeys(row.query for row in read_rows(given.queries, QueryRow)))
    results = Results({"texts": given.queries.name, "seconds": given.seconds, "rounds": given.rounds})
    requests = searches(given.collection, queries)
    asyncio.run(curve(given.url, requests, results, seconds=given.seconds, rounds=given.rounds))
    write_results(results, given.out)


if __name__ == "__main__":
    main()
