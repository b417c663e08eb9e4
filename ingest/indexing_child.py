"""The indexing process of a local platform: `python -m ingest.indexing_child`, started by `ingest.indexing_process`.

Reads tasks from standard input and processes them with a pipeline of its own. It ends with its parent.
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from typing import Final

import structlog

from ingest.indexing_messages import (
    NICENESS,
    IndexResult,
    Link,
    Measured,
    Opened,
    Opening,
    Ran,
    RelayedIndex,
    Run,
)
from ingest.metrics import IngestMetrics
from ingest.pipeline import Pipeline
from ingest.reembed import Reembedder
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.edge.frames import next_value, packed, portable
from phoserve.adapters.logs import configure_logs
from phoserve.adapters.process_memory import close_memory
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.composition import open_models
from phoserve.concurrency.priority import lower_priority
from phoserve.concurrency.tasks import TaskSet

MEASURED_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


async def serve(messages: int, answers: int) -> None:
    """Process tasks until the parent closes the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(messages, "rb"))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(answers, "wb"))
    link = Link(lambda message: transport.write(packed(message)))
    with suppress(EOFError):
        opening: Opening = await next_value(reader)
        configure_logs(opening.log_file)
        async with AsyncExitStack() as stack:
            metrics = IngestMetrics()
            pipeline = await _open_pipeline(opening, link, metrics, stack)
            reembedder = Reembedder(pipeline.registry, pipeline.models, pipeline.sources, link)
            tasks = TaskSet()
            stack.push_async_callback(tasks.cancel)  # each releases its document
            tasks.begin(reembedder.run_forever())
            tasks.begin(_report(metrics, link))
            link.send(Opened())
            while True:
                message = await next_value(reader)
                if isinstance(message, IndexResult):
                    link.receive(message)
                elif isinstance(message, Run):
                    tasks.begin(_process(pipeline, message, link))


async def _open_pipeline(opening: Opening, link: Link, metrics: IngestMetrics, stack: AsyncExitStack) -> Pipeline:
    models = await open_models(opening.settings, opening.model, stack)
    registry = SqlRegistry(open_database(opening.registry_url))
    stack.push_async_callback(registry.close)
    indexing = [
        IndexingModel(
            RelayedIndex(link, each.text.contract.fingerprint),
            StagingTools(each.embedders.bulk, each.text, metrics=metrics),
        )
        for each in models
    ]
    sources = ObjectStoreSources(opening.originals)
    return Pipeline(registry=registry, models=IndexingModels(indexing), sources=sources)


async def _process(pipeline: Pipeline, run: Run, link: Link) -> None:
    error: Exception | None = None
    try:
        await pipeline.process(run.task)
    except Exception as raised:  # the parent logs every error
        error = portable(raised, "ingestion")
    link.send(Ran(run.number, error))


async def _report(metrics: IngestMetrics, link: Link) -> None:
    while True:
        await asyncio.sleep(MEASURED_EVERY_S)
        link.send(Measured(list(metrics.registry.collect())))


def main() -> None:
    """Lower the priority of this process, and serve."""
    lower_priority(NICENESS)
    close_memory()
    # The parent stops this process, also if the terminal signals all processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints may come between the frames
    asyncio.run(serve(os.dup(0), answers))


if __name__ == "__main__":
    main()
