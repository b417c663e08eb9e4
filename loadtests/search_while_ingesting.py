"""Search latency of a running phoserve during bulk ingestion, compared with idle.

python -m loadtests.search_while_ingesting --corpus CORPUS.jsonl.gz --queries QUERIES.jsonl.gz [--url URL]

Half of the corpus is indexed first and searched while idle. Then the other half is sent, and the same number of
searches runs during its indexing. Finally the searches run idle again.
"""

import argparse
import asyncio
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import httpx

from cli.evaluation import CorpusRow
from cli.rows import read_rows
from loadtests.benchmark.texts import read_queries
from loadtests.search import alone, fill, write_line

QUERIES = 200


async def compare(client: httpx.AsyncClient, rows: Sequence[CorpusRow], queries: Sequence[str]) -> None:
    """Print the latencies before, during and after ingestion, and their ratios."""
    url, path = str(client.base_url), "/v1/collections/load/search"
    half = len(rows) // 2
    turns = iter(queries)  # none is cached
    await fill(client, "load", rows[:half])
    await alone(url, path, list(islice(turns, 20)), "hybrid")
    before = await alone(url, path, list(islice(turns, QUERIES)), "hybrid")
    filling = asyncio.create_task(fill(client, "load", rows[half:]))
    await asyncio.sleep(2)
    during = await alone(url, path, list(islice(turns, QUERIES)), "hybrid")
    counts = (await client.get("/v1/collections/load")).raise_for_status().json()["documents"]
    if not counts.get("queued"):
        raise SystemExit("everything was indexed before the searches ended: use a larger corpus")
    await filling
    after = await alone(url, path, list(islice(turns, QUERIES)), "hybrid")
    for name, figures in (("before", before), ("during", during), ("after", after)):
        write_line({"search": name, **figures})
    write_line(
        {
            f"p95_over_{name}": round(during["wall_ms_p95"] / rest["wall_ms_p95"], 2)
            for name, rest in (("before", before), ("after", after))
        }
    )


async def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Time searches while idle and while documents are indexed.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=6000)
    given = parser.parse_args()
    queries = read_queries(given.queries)
    async with httpx.AsyncClient(base_url=given.url, timeout=120) as client:
        await compare(client, read_rows(given.corpus, CorpusRow)[: given.documents], queries)


if __name__ == "__main__":
    asyncio.run(main())
