"""Search latency and throughput of a running phoserve: sequential, under load and overloaded.

python -m loadtests.search fill --corpus CORPUS.jsonl.gz     documents into the collection, until all are ready
python -m loadtests.search measure --queries QUERIES.jsonl.gz
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from cli.evaluation import CorpusRow
from cli.rows import read_rows
from loadtests.benchmark.http import Connection
from loadtests.benchmark.texts import read_queries

DOCUMENTS_PER_REQUEST = 500
CLIENTS = (1, 8, 32)
OVERLOAD = 640
"""Ten times the server's default limit of concurrent requests."""
IMPATIENCE_S = 0.5
"""Pause of a client after a rejection, shorter than its Retry-After."""


async def fill(client: httpx.AsyncClient, collection: str, rows: Sequence[CorpusRow]) -> None:
    """Post the rows and wait until all are ready."""
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
        write_line(counts)
        if set(counts) <= {"ready", "failed"}:
            return
        await asyncio.sleep(5)


async def alone(url: str, path: str, queries: Sequence[str], mode: str) -> dict[str, float]:
    """Search sequentially and return wall time and overhead (wall time minus embedding and engine) in ms."""
    walls, overheads = [], []
    connection = await Connection.to(url)
    for query in queries:
        body = json.dumps({"query": query, "mode": mode}).encode()
        begun = time.perf_counter()
        reply = await connection.post(path, body)
        wall = (time.perf_counter() - begun) * 1000
        ms = json.loads(reply.body)["timings_ms"]
        by_vector = ms.get("embed", 0.0) + ms.get("search_dense", 0.0)
        walls.append(wall)
        overheads.append(wall - max(by_vector, ms.get("search_lexical", 0.0)) - ms.get("read", 0.0))
    connection.close()
    return {"queries": len(queries), **percentiles("wall_ms", walls), **percentiles("overhead_ms", overheads)}


async def crowd(url: str, path: str, bodies: Sequence[bytes], *, clients: int, seconds: float) -> dict[str, Any]:
    """Run a closed loop of `clients` and return statuses, rate, and latency by status."""
    times: dict[int, list[float]] = {}
    waits: list[int] = []
    turns, until = cycle(bodies), time.monotonic() + seconds

    async def one() -> None:
        connection = await Connection.to(url)
        while time.monotonic() < until:
            begun = time.perf_counter()
            reply = await connection.post(path, next(turns))
            times.setdefault(reply.status, []).append((time.perf_counter() - begun) * 1000)
            if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                waits.append(reply.retry_after_s)
                await asyncio.sleep(IMPATIENCE_S)
        connection.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return {
        "clients": clients,
        "answered_per_s": round(len(times.get(HTTPStatus.OK, ())) / seconds, 1),
        "statuses": {status: len(each) for status, each in times.items()},
        "retry_after_s": [min(waits, default=0), max(waits, default=0)],
        **{f"status_{status}": percentiles("ms", each) for status, each in times.items()},
    }


async def measure(client: httpx.AsyncClient, collection: str, queries: list[str], seconds: float) -> None:
    """Print all figures, one JSON object per line."""
    path = f"/v1/collections/{collection}/search"
    url = str(client.base_url)
    write_line({"passages": (await client.get(f"/v1/collections/{collection}")).json()["passages"]})
    await alone(url, path, queries[:50], "hybrid")  # warm
    for start, mode in enumerate(("dense", "lexical", "hybrid"), start=1):
        # Queries that are not cached.
        write_line({"mode": mode, **await alone(url, path, queries[300 * start : 300 * (start + 1)], mode)})
    bodies = [json.dumps({"query": query}).encode() for query in queries]
    for mode in ("dense", "lexical", "hybrid"):
        asked = [json.dumps({"query": query, "mode": mode}).encode() for query in queries]
        for clients in CLIENTS:
            write_line({"load": mode, **await crowd(url, path, asked, clients=clients, seconds=seconds)})
    write_line({"load": "overload", **await crowd(url, path, bodies, clients=OVERLOAD, seconds=min(20.0, seconds))})
    write_line({"load": "after", **await alone(url, path, queries[:100], "hybrid")})


def percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th and 99th percentiles."""
    return {f"{name}_p{rank}": round(float(np.percentile(values, rank)), 2) for rank in (50, 95, 99)}


def write_line(figures: dict[str, Any]) -> None:
    """Write one line of JSON."""
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
            queries = read_queries(given.queries)
            await measure(client, given.collection, queries, given.seconds)


if __name__ == "__main__":
    asyncio.run(main())
