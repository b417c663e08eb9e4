"""How fast a running phoserve searches, alone, under load and overloaded.

python -m loadtests.search fill --corpus CORPUS.jsonl.gz     documents into the collection, until all are ready
python -m loadtests.search measure --queries QUERIES.jsonl.gz
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from cli.evaluation import CorpusRow, QueryRow, read_rows

DOCUMENTS_PER_REQUEST = 500
CLIENTS = 32


async def fill(client: httpx.AsyncClient, collection: str, rows: Sequence[CorpusRow]) -> None:
    """Post the rows and wait until every one is ready."""
    (await client.put(f"/v1/collections/{collection}")).raise_for_status()
    for first in range(0, len(rows), DOCUMENTS_PER_REQUEST):
        documents = [
            {"id": row.id, "title": row.title, "text": row.text}
            for row in rows[first : first + DOCUMENTS_PER_REQUEST]
            if row.text.strip()
        ]
        path = f"/v1/collections/{collection}/documents?bulk=true"
        (await client.post(path, json={"documents": documents})).raise_for_status()
    while True:
        counts = (await client.get(f"/v1/collections/{collection}")).raise_for_status().json()["documents"]
        say(counts)
        if set(counts) <= {"ready", "failed"}:
            return
        await asyncio.sleep(5)


async def alone(client: httpx.AsyncClient, path: str, queries: Sequence[str], mode: str) -> dict[str, float]:
    """One search after another: wall time, and what of it is neither the embedding nor the engine, in ms."""
    walls, overheads = [], []
    for query in queries:
        begun = time.perf_counter()
        response = (await client.post(path, json={"query": query, "mode": mode})).raise_for_status()
        wall = (time.perf_counter() - begun) * 1000
        ms = response.json()["timings_ms"]
        by_vector = ms.get("embed", 0.0) + ms.get("search_dense", 0.0)
        walls.append(wall)
        overheads.append(wall - max(by_vector, ms.get("search_lexical", 0.0)))
    return {"queries": len(queries), **percentiles("wall_ms", walls), **percentiles("overhead_ms", overheads)}


async def crowd(
    client: httpx.AsyncClient, path: str, bodies: Sequence[dict[str, Any]], *, clients: int, seconds: float
) -> dict[str, Any]:
    """`clients` at once, each asking again as soon as it is answered; statuses, rate, and latency by status."""
    statuses: Counter[int] = Counter()
    times: dict[int, list[float]] = {}
    waits: list[int] = []
    turns, until = cycle(bodies), time.monotonic() + seconds

    async def one() -> None:
        while time.monotonic() < until:
            begun = time.perf_counter()
            response = await client.post(path, json=next(turns))
            statuses[response.status_code] += 1
            times.setdefault(response.status_code, []).append((time.perf_counter() - begun) * 1000)
            if response.status_code == 429:
                waits.append(int(response.headers["Retry-After"]))
                await asyncio.sleep(0.05)  # less patient than asked for, as crowds are

    await asyncio.gather(*(one() for _ in range(clients)))
    return {
        "clients": clients,
        "per_s": round(statuses[200] / seconds, 1),
        "statuses": dict(statuses),
        "retry_after_s": [min(waits, default=0), max(waits, default=0)],
        **{f"status_{status}": percentiles("ms", each) for status, each in times.items()},
    }


async def measure(client: httpx.AsyncClient, collection: str, queries: list[str], seconds: float) -> None:
    """All the figures, one JSON object a line."""
    path = f"/v1/collections/{collection}/search"
    say({"passages": (await client.get(f"/v1/collections/{collection}")).json()["passages"]})
    await alone(client, path, queries[:50], "hybrid")  # warm
    for start, mode in enumerate(("dense", "lexical", "hybrid"), start=1):
        # Queries the cache has not seen.
        say({"mode": mode, **await alone(client, path, queries[300 * start : 300 * (start + 1)], mode)})
    bodies = [{"query": query} for query in queries]
    say({"load": "search", **await crowd(client, path, bodies, clients=CLIENTS, seconds=seconds)})
    say({"load": "overload", **await crowd(client, path, bodies, clients=10 * 64, seconds=min(20.0, seconds))})
    say({"load": "after", **await alone(client, path, queries[:100], "hybrid")})


def percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median and the 95th and 99th percentiles."""
    return {f"{name}_p{rank}": round(float(np.percentile(values, rank)), 2) for rank in (50, 95, 99)}


def say(figures: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["fill", "measure"])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--collection", default="load")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    async with httpx.AsyncClient(base_url=given.url, timeout=120, limits=limits) as client:
        if given.action == "fill":
            await fill(client, given.collection, read_rows(given.corpus, CorpusRow))
        else:
            queries = list(dict.fromkeys(row.query for row in read_rows(given.queries, QueryRow)))
            await measure(client, given.collection, queries, given.seconds)


if __name__ == "__main__":
    asyncio.run(main())
