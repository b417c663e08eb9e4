"""`phoserve worker`: index the documents that the API accepted, on any number of machines."""

import sys
from typing import Annotated, Final

import typer

from cli.main import app

LONG_DOCUMENTS: Final = 4


@app.command()
def worker(
    queues: Annotated[str, typer.Option(help="The queues to consume, the most urgent first.")] = "interactive,bulk",
    concurrency: Annotated[
        int, typer.Option(help="Long documents indexed concurrently; of short ones eight times as many.", min=1)
    ] = LONG_DOCUMENTS,
) -> None:
    """Run an ingestion worker until SIGTERM; documents in flight are finished first.

    PHOSERVE_ variables give the addresses, as for `phoserve serve`.
    """
    from ingest.worker import run
    from phoserve.adapters.logs import configure_logs
    from phoserve.adapters.process_memory import close_memory

    close_memory()
    configure_logs()
    sys.exit(run(tuple(queues.split(",")), long_documents=concurrency))
