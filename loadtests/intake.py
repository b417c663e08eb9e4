"""Documents/s taken in: record committed and original flushed, before anything is indexed.

`python -m loadtests.intake DATABASE [--documents 2000] [--rounds 3]` submits small documents with metadata one by one
and in batches, each size in several rounds that take turns. DATABASE is `sqlite`, `postgres` (the installed server) or
the URL of an empty database. Records, originals and the server's files are on the disk of the temporary folder.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Final

from loadtests.databases import database_url
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from phoserve.documents.records import new_collection
from tests.support.memory import MemoryIndex, MemoryQueue

SIZES: Final = (1, 100)
_NUMBERS: Final = count()


def main() -> None:
    """Measure, print a table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, database_url(arguments.database) as url:
        rates = asyncio.run(_measure(url, Path(folder), arguments.documents, arguments.rounds))
    sys.stdout.write(f"{'documents a request':<20} {'documents/s, median':>20} {'lowest':>8} {'highest':>8}\n")
    for size, each in rates.items():
        sys.stdout.write(f"{size:<20} {statistics.median(each):>20.0f} {min(each):>8.0f} {max(each):>8.0f}\n")


async def _measure(url: str, folder: Path, documents: int, rounds: int) -> dict[int, list[float]]:
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    if await registry.add_collection(new_collection("kb")) is None:
        raise SystemExit("the registry is not empty")
    intake = Intake(
        registry, PassageStores([MemoryIndex("f")]), ObjectStoreSources(folder / "originals"), MemoryQueue()
    )
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size, of_size in rates.items():
            requests = max(1, documents // size // (10 if size == 1 else 1))
            started = time.perf_counter()
            for _ in range(requests):
                await intake.submit("kb", [_draft(next(_NUMBERS)) for _ in range(size)])
            of_size.append(requests * size / (time.perf_counter() - started))
    await registry.close()
    return rates


def _draft(number: int) -> Draft:
    metadata = {"year": 2015 + number % 10, "number": number, "department": "pháp chế", "tags": ["chung", str(number)]}
    content = f"Điều {number}. Người lao động được nghỉ phép mười hai ngày. ".encode() * 20
    return Draft(content, id=f"d{number}", title=f"Nghị định số {number}/NĐ-CP", metadata=metadata)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how fast documents are taken in.")
    parser.add_argument("database")
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
