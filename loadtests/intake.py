"""Documents/s taken in: record committed and original flushed, before anything is indexed.

`python -m loadtests.intake DATABASE [--documents 2000] [--rounds 3]` submits small documents with metadata one by one,
from 1 and from 8 clients at once, and in batches, in several rounds that take turns. In each round the disk's own rate
is measured too: new files per second, each flushed with its folder and followed by a flushed append, which is the least
that one document alone can cost. DATABASE is `sqlite`, `postgres` (the installed server) or the URL of an empty
database. Records, originals and the server's files are on the disk of the temporary folder. To count flushes, run it
under `strace -f -c -e trace=fsync,fdatasync`.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from loadtests.databases import database_url
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.documents.collections import new_collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from tests.support.memory import MemoryIndex, MemoryQueue

LOADS: Final = {"1 client, one by one": (1, 1), "8 clients, one by one": (8, 1), "1 client, batches of 100": (1, 100)}
"""Clients and documents a request."""
FLUSHES: Final = 100
_NUMBERS: Final = count()


@dataclass(frozen=True, slots=True)
class _Rate:
    documents_per_s: float
    cpu_ms: float
    """Processor time of this process, a document."""


def main() -> None:
    """Measure, print a table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, database_url(arguments.database) as url:
        rates = asyncio.run(_measure(url, Path(folder), arguments.documents, arguments.rounds))
    sys.stdout.write(f"{'':<26}{'documents/s, median':>20}{'lowest':>8}{'highest':>8}{'CPU ms each':>13}\n")
    for name, each in rates.items():
        per_s = [rate.documents_per_s for rate in each]
        cpu_ms = statistics.median(rate.cpu_ms for rate in each)
        sys.stdout.write(
            f"{name:<26}{statistics.median(per_s):>20.0f}{min(per_s):>8.0f}{max(per_s):>8.0f}{cpu_ms:>13.2f}\n"
        )


async def _measure(url: str, folder: Path, documents: int, rounds: int) -> dict[str, list[_Rate]]:
    await migrate(url)
    registry = SqlRegistry(open_database(url))
    if await registry.add_collection(new_collection("kb")) is None:
        raise SystemExit("the registry is not empty")
    intake = Intake(
        registry, PassageStores([MemoryIndex("f")]), ObjectStoreSources(folder / "originals"), MemoryQueue()
    )
    rates: dict[str, list[_Rate]] = {name: [] for name in ("the disk alone", *LOADS)}
    for round_ in range(rounds):
        disk = folder / f"disk-{round_}"
        rates["the disk alone"].append(await _timed(FLUSHES, partial(asyncio.to_thread, _write_flushed, disk)))
        for name, (clients, size) in LOADS.items():
            requests = max(1, documents // size // clients // (10 if size == 1 else 1))
            work = partial(_submit, intake, clients=clients, size=size, requests=requests)
            rates[name].append(await _timed(clients * size * requests, work))
    await registry.close()
    return rates


async def _timed(documents: int, work: Callable[[], Awaitable[None]]) -> _Rate:
    started, cpu_s = time.perf_counter(), time.process_time()
    await work()
    taken_s = time.perf_counter() - started
    return _Rate(documents / taken_s, (time.process_time() - cpu_s) * 1000 / documents)


async def _submit(intake: Intake, *, clients: int, size: int, requests: int) -> None:
    async def client() -> None:
        for _ in range(requests):
            await intake.submit("kb", [_draft(next(_NUMBERS)) for _ in range(size)])

    await asyncio.gather(*(client() for _ in range(clients)))


def _write_flushed(folder: Path) -> None:
    folder.mkdir()
    entries = os.open(folder, os.O_RDONLY)
    with (folder / "log").open("wb") as log:
        for number in range(FLUSHES):
            with (folder / str(number)).open("wb") as file:
                file.write(b"x" * 1500)
                file.flush()
                os.fsync(file.fileno())
            os.fsync(entries)
            log.write(b"x" * 4096)
            log.flush()
            os.fdatasync(log.fileno())
    os.close(entries)


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
