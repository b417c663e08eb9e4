"""`phoserve reconcile`: see through what was begun and not finished, now instead of within seconds."""

import asyncio
from typing import Annotated

import typer

from cli.main import app
from cli.progress import ConsoleReporter, JsonReporter, Reporter
from ingest.reconcile import Reconciler
from phoserve.composition import open_stores
from phoserve.settings import Settings, load_settings


@app.command()
def reconcile(
    ignore_leases: Annotated[
        bool, typer.Option("--nobody-works", help="All workers are stopped: do not wait for what they held.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Queue every document that is due, finish deletions, remove passages of no document.

    Workers do this every few seconds by themselves; where everything is comes from PHOSERVE_ variables.
    """
    report: Reporter = JsonReporter() if json else ConsoleReporter()
    queued = asyncio.run(_reconcile(load_settings(), ignore_leases=ignore_leases))
    report.tell("reconciled", f"{queued} documents queued", queued=queued)


async def _reconcile(settings: Settings, *, ignore_leases: bool) -> int:
    async with open_stores(settings) as stores:
        reconciler = Reconciler(stores.registry, stores.index, stores.sources, stores.queue)
        return await reconciler.run_once(ignore_leases=ignore_leases)
