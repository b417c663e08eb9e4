"""`phoserve migrate`: bring the registry's database to this release."""

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from cli.main import app
from phoserve.errors import Unavailable

if TYPE_CHECKING:
    from cli.progress import Reporter
    from phoserve.settings import Settings

RETRY_S = 3.0
"""Longer than `LOCK_TIMEOUT_S`, for which statements of others may wait behind a migration."""


@app.command()
def migrate(
    from_qdrant: Annotated[
        str | None,
        typer.Option(help="URL of the Qdrant that holds the records of a release of version 0.1: copy them, once."),
    ] = None,
    wait_s: Annotated[
        float, typer.Option(help="Seconds to wait for a database that does not respond, or whose tables are in use.")
    ] = 60,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Bring the schema of the registry's database to this release, and copy the records of version 0.1 into it.

    The database is PHOSERVE_REGISTRY__URL. Running it again continues what was interrupted and adds the keys of filters
    to documents that an older release wrote during a rollout; otherwise it changes nothing. Stop the API and the
    workers of version 0.1 before you copy their records. `phoserve up` does all of this by itself.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from phoserve.settings import load_settings

    report: Reporter = JsonReporter() if json else ConsoleReporter()
    asyncio.run(_migrate(load_settings(), from_qdrant, wait_s, report))


async def _migrate(settings: "Settings", from_qdrant: str | None, wait_s: float, report: "Reporter") -> None:
    from cli.local_registry import migration_progress
    from phoserve.adapters.sql.schema import migrate
    from phoserve.composition import registry_url

    url = registry_url(settings.registry)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with ExitStack() as steps:
                before, after = await migrate(url, migration_progress(steps, report))
            break
        except Unavailable as error:
            if time.monotonic() >= deadline:
                raise
            report.tell("waiting", f"Waiting: {error}")
            await asyncio.sleep(RETRY_S)
    text = f"the registry's schema is at version {after}" + ("" if before == after else f", was at {before or 'none'}")
    report.tell("migrated", text, before=before, after=after)
    if from_qdrant:
        await _copy(settings, from_qdrant, report)


async def _copy(settings: "Settings", url: str, report: "Reporter") -> None:
    from phoserve.adapters.qdrant.records_v01 import QdrantRecords
    from phoserve.adapters.qdrant.server import connect
    from phoserve.adapters.sql.take_over import TakeOver
    from phoserve.composition import open_registry_database

    key = settings.qdrant.api_key.get_secret_value() if settings.qdrant.api_key else None
    client = connect(url, api_key=key, timeout_s=settings.qdrant.timeout_s)
    database = open_registry_database(settings.registry)
    try:
        job = TakeOver(database, "qdrant-0.1")
        if await job.is_finished():
            report.tell("taken_over", "the records of version 0.1 were copied already; nothing is changed", documents=0)
            return
        records = QdrantRecords(client)
        await records.check()
        with report.step("Copying the documents of version 0.1", total=await records.count()) as bar:
            copied = await job.copy(await records.collections(), records.pages(), bar.done)
        text = f"{copied} documents copied; the collection `documents` of Qdrant is no longer used"
        report.tell("taken_over", text, documents=copied)
    finally:
        await database.close()
        await client.close()
