"""`phoserve reconcile`: finish interrupted work now instead of within seconds."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cli.main import app

if TYPE_CHECKING:
    from phoserve.settings import Settings


@app.command()
def reconcile(
    ignore_leases: Annotated[
        bool, typer.Option("--ignore-leases", help="Do not wait for leases to expire: all workers are stopped.")
    ] = False,
    nobody_works: Annotated[bool, typer.Option("--nobody-works", hidden=True)] = False,  # its name in version 0.1
    json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Queue every document that is due, finish deletions, remove orphaned passages.

    Workers do this every few seconds. PHOSERVE_ variables give the addresses.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from phoserve.settings import load_settings

    report: Reporter = JsonReporter() if json else ConsoleReporter()
    queued = asyncio.run(_reconcile(load_settings(), ignore_leases=ignore_leases or nobody_works))
    report.tell("reconciled", f"{queued} documents queued", queued=queued)


async def _reconcile(settings: "Settings", *, ignore_leases: bool) -> int:
    from ingest.reconcile import Reconciler
    from phoserve.composition import open_stores

    async with open_stores(settings) as stores:
        reconciler = Reconciler(stores.registry, stores.indexes, stores.sources, stores.queue)
        return await reconciler.run_once(ignore_leases=ignore_leases)
