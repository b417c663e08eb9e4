"""The registry of a local platform: one SQLite file in the state folder, made from version 0.1 where there is one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from cli.progress import Bar, Reporter
from phoserve.adapters.sql.database import Database, open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import check_schema, migrate
from phoserve.adapters.sql.take_over import TakeOver
from phoserve.documents.records import Document

FILE: Final = "registry.sqlite3"
RECORDS_V01: Final = Path("index") / "documents"
KEPT_V01: Final = Path("index") / "documents-0.1"
SOURCE_V01: Final = "state-0.1"


@asynccontextmanager
async def open_local_registry(state: Path, report: Reporter) -> AsyncIterator[SqlRegistry]:
    """Open the registry in the state folder and close it at the end.

    Records of version 0.1 are copied first; their files stay, in `index/documents-0.1`. Raises ConfigurationError.
    """
    url = local_registry_url(state)
    with ExitStack() as steps:
        await migrate(url, migration_progress(steps, report))
    database = open_database(url)
    try:
        await check_schema(database)
        await _take_over(database, state, report)
        yield SqlRegistry(database)
    finally:
        await database.close()


def local_registry_url(state: Path) -> str:
    """Return the URL of the registry in the state folder."""
    return f"sqlite:///{state / FILE}"


def migration_progress(steps: ExitStack, report: Reporter) -> Callable[[int, int], None]:
    """Return what shows the progress of a migration that rewrites documents, from its first call on."""
    bars: list[Bar] = []

    def seen(done: int, total: int) -> None:
        if not bars:
            bars.append(steps.enter_context(report.step("Preparing the registry for this version", total=total)))
        bars[0].done(done)

    return seen


async def _take_over(database: Database, state: Path, report: Reporter) -> None:
    """Copy the records of version 0.1, if there are any; cut off in the middle, the next start continues."""
    folder = state / RECORDS_V01
    if not (folder / "made").exists():
        return
    job = TakeOver(database, SOURCE_V01)
    if not await job.is_finished():
        from phoserve.adapters.edge.records_v01 import EdgeRecords

        records = await asyncio.to_thread(EdgeRecords, folder)
        try:
            total = await asyncio.to_thread(records.count)
            with report.step("Taking over the documents of version 0.1", total=total) as bar:
                collections = await asyncio.to_thread(records.collections)
                copied = await job.copy(collections, _in_threads(records.pages()), bar.done)
        finally:
            records.close()
        kept = state / KEPT_V01
        text = f"{copied} documents of version 0.1 were taken over; their old records stay in {kept}"
        report.tell("taken_over", text, documents=copied, kept=str(kept))
    folder.rename(state / KEPT_V01)


async def _in_threads(pages: Iterator[list[Document]]) -> AsyncIterator[list[Document]]:
    while page := await asyncio.to_thread(next, pages, None):
        yield page
