"""Time searches as they are written and without diacritics, taking turns, at a running platform.

python -m loadtests.typing_latency --queries retrieval_viquad_test.jsonl.gz [--collection load] [--searches 300]

Start the platform with PHOSERVE_LIMITS__QUERY_CACHE_ENTRIES=0: a repeated query would not be embedded.
"""

import argparse
import gzip
import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Final

import httpx
import numpy as np

from phoserve.text.folding import fold

MODES: Final = ("hybrid", "dense", "lexical")


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description="Time searches with and without diacritics.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="load")
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--searches", type=int, default=300, help="Of each mode and typing.")
    given = parser.parse_args()
    with gzip.open(given.queries, "rt", encoding="utf-8") as file:
        queries = [json.loads(line)["query"] for line in islice(file, given.searches + 10)]
    with httpx.Client(base_url=given.url, timeout=30.0) as http:
        sys.stdout.write(f"{'mode':<10}{'written p50, p95':>20}{'stripped p50, p95':>20}{'p50 more':>10} ms\n")
        for mode in MODES:
            written, stripped = _times(http, given.collection, mode, queries)
            cells = [f"{np.median(times):.1f}, {np.percentile(times, 95):.1f}" for times in (written, stripped)]
            more = float(np.median(stripped) - np.median(written))
            sys.stdout.write(f"{mode:<10}{cells[0]:>20}{cells[1]:>20}{more:>10.1f}\n")


def _times(http: httpx.Client, collection: str, mode: str, queries: list[str]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number, query in enumerate(queries):
        for which, text in enumerate((query, fold(query))):
            began = time.perf_counter()
            answer = http.post(f"/v1/collections/{collection}/search", json={"query": text, "mode": mode})
            answer.raise_for_status()
            if number >= 10:  # the first ones warm up
                times[which].append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    main()
