"""Searches at rates above the capacity of a running phoserve: goodput, and the latency of rejections.

    python -m loadtests.overload --queries QUERIES.jsonl.gz [--url URL] [--collection load] [--out bench-overload]

First a closed loop finds the peak, the best of a few tries. Then requests are sent at even intervals (open loop), at
half the peak to three times the peak. Response times are measured from the due time, and the delay of the generator is
reported. The closed loop and the rates are interleaved by round, because machines drift. At the end the medians of the
rounds are printed for each rate: the successful requests as a share of the best rate (`goodput`), and the latency of
rejections.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from operator import itemgetter
from pathlib import Path
from typing import Final

from cli.evaluation import QueryRow
from cli.rows import read_rows
from loadtests.benchmark.load import Request, closed_loop, open_loop
from loadtests.benchmark.report import write_results
from loadtests.benchmark.results import Measurement, Results

SUITE: Final = "overload"
CLIENTS: Final = 32
TRIES: Final = 3
SHARES: Final = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
TOLD: Final = (
    *("requests_per_s", "ms_p50", "ms_p95"),
    *("refused_ms_p50", "refused_ms_p95", "refused", "errors", "late_ms_p95"),
)
CLOSED: Final = "closed loop"
OPEN: Final = "open loop"
REST_S: Final = 1.0
"""Pause between two rates, so that the queue of one does not affect the next."""


async def curve(url: str, requests: Iterator[Request], results: Results, plan: argparse.Namespace) -> None:
    """Add the results of the closed loop and of every rate, by share of the peak."""
    await closed_loop(url, requests, clients=CLIENTS, seconds=plan.seconds)  # warm
    tries = [(await closed_loop(url, requests, clients=CLIENTS, seconds=plan.seconds)).figures() for _ in range(TRIES)]
    peak = max(tries, key=itemgetter("requests_per_s"))
    write_line("peak", peak)
    for round_ in range(plan.rounds):
        figures = (await closed_loop(url, requests, clients=CLIENTS, seconds=plan.seconds)).figures()
        results.measurements.append(Measurement(SUITE, CLOSED, "search", CLIENTS, round_, figures))
        write_line(CLOSED, figures)
        for share in plan.shares:
            rate = share * peak["requests_per_s"]
            figures = (await open_loop(url, requests, rate_per_s=rate, seconds=plan.seconds)).figures()
            figures |= {"offered_per_s": rate, "share_of_peak": share}
            results.measurements.append(Measurement(SUITE, OPEN, f"{share:g} x the peak", 0, round_, figures))
            write_line(f"{share:g} x", figures)
            await asyncio.sleep(REST_S)


def summary(measurements: Sequence[Measurement]) -> dict[float, dict[str, float]]:
    """Return medians over the rounds by share of the peak.

    `goodput` is relative to the best of all rates and the loop.
    """
    bursts = [each.figures for each in measurements if each.contender == OPEN]
    shares = dict.fromkeys(each["share_of_peak"] for each in bursts)
    found = {share: _medians([each for each in bursts if each["share_of_peak"] == share]) for share in shares}
    loops = [each.figures["requests_per_s"] for each in measurements if each.contender == CLOSED]
    most = max(statistics.median(loops), *(each["requests_per_s"] for each in found.values()))
    return {share: {"goodput": each["requests_per_s"] / most} | each for share, each in found.items()}


def _medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    present = {name: [each[name] for each in rounds if name in each] for name in TOLD}
    return {name: statistics.median(values) for name, values in present.items() if values}


def searches(collection: str, queries: Sequence[str]) -> Iterator[Request]:
    """Yield hybrid searches endlessly."""
    path = f"/v1/collections/{collection}/search"
    bodies = [json.dumps({"query": query}, ensure_ascii=False).encode() for query in queries]
    return (Request(path, body) for body in cycle(bodies))


def write_line(name: str, figures: dict[str, float]) -> None:
    """Write one line."""
    sys.stdout.write(f"{name}: {json.dumps({key: round(value, 2) for key, value in figures.items()})}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="load")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--out", type=Path, default=Path("bench-overload"))
    given = parser.parse_args()
    queries = list(dict.fromkeys(row.query for row in read_rows(given.queries, QueryRow)))
    results = Results({"texts": given.queries.name, "seconds": given.seconds, "rounds": given.rounds})
    requests = searches(given.collection, queries)
    asyncio.run(curve(given.url, requests, results, given))
    for share, figures in summary(results.measurements).items():
        write_line(f"median at {share:g} x", figures)
    write_results(results, given.out)


if __name__ == "__main__":
    main()
