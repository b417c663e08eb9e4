"""`phoserve worker`: indexes what the API has taken in, on as many machines as wanted."""

import sys
from typing import Annotated

import typer

from cli.main import app
from ingest.celery_tasks import LONG_DOCUMENTS_AT_ONCE
from ingest.worker import run
from phoserve.adapters.logs import configure_logs


@app.command()
def worker(
    queues: Annotated[str, typer.Option(help="Which queues to work off, the most urgent first.")] = "interactive,bulk",
    concurrency: Annotated[
        int, typer.Option(help="Long documents indexed side by side; of short ones eight times as many.", min=1)
    ] = LONG_DOCUMENTS_AT_ONCE,
) -> None:
    """Run an ingestion worker until SIGTERM; documents under way are finished first.

    Where everything is comes from PHOSERVE_ variables, as for `phoserve serve`.
    """
    configure_logs()
    sys.exit(run(tuple(queues.split(",")), long_documents=concurrency))
