"""What a search pays for the registry: requests with and without its look-up of the collection, taking turns.

`python -m loadtests.registry_lookup DATABASE [--searches 2000]` sends searches to the API in this process, with stores
in memory and the registry in DATABASE (`sqlite`, `postgres` or a URL). The collection is known (no look-up), cached for
a second as in production, or read for each search.
"""

import argparse
import asyncio
import itertools
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, cast

import httpx
import numpy as np
import structlog

from api.app import create_app
from loadtests.databases import database_url
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents import collection_cache
from phoserve.settings import LimitSettings
from tests.support.services import index_queued, memory_services

FRESH_S: Final = {"none": float("inf"), "cached for 1 s": collection_cache.FRESH_S, "each search": 0.0}
DOCUMENTS: Final = 20
SEARCHES_A_TURN: Final = 50


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(description="Measure what a search pays for the registry.")
    parser.add_argument("database")
    parser.add_argument("--searches", type=int, default=2000)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with database_url(given.database) as url, tempfile.TemporaryDirectory() as folder:
        times = asyncio.run(_measure(url, Path(folder), given.searches))
    sys.stdout.write(f"{'look-ups':<16} {'p50 ms':>8} {'p95 ms':>8}\n")
    for name, each in times.items():
        sys.stdout.write(f"{name:<16} {np.median(each):>8.2f} {np.percentile(each, 95):>8.2f}\n")


async def _measure(url: str, folder: Path, searches: int) -> dict[str, list[float]]:
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    services = memory_services(folder, registry=registry, limits=LimitSettings(requests_per_s=1e6, max_documents=1000))
    times: dict[str, list[float]] = {name: [] for name in FRESH_S}
    transport = httpx.ASGITransport(cast(Any, create_app(services)), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        (await http.put("/v1/collections/kb")).raise_for_status()
        documents = [{"id": f"d{n}", "text": f"Điều {n}. Nghỉ phép mười hai ngày."} for n in range(DOCUMENTS)]
        (await http.post("/v1/collections/kb/documents", json={"documents": documents})).raise_for_status()
        await index_queued(services)
        for _, name in itertools.product(range(searches // SEARCHES_A_TURN), FRESH_S):
            collection_cache.FRESH_S = FRESH_S[name]  # type: ignore[misc]
            for _ in range(SEARCHES_A_TURN):
                started = time.perf_counter()
                answer = await http.post("/v1/collections/kb/search", json={"query": "nghỉ phép"})
                times[name].append((time.perf_counter() - started) * 1e3)
                answer.raise_for_status()
    await registry.close()
    return times


if __name__ == "__main__":
    main()
