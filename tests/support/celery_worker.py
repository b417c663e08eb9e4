"""A Celery worker as a process of its own, over stores in a folder: `python -m tests.support.celery_worker FOLDER URL`.

It prints one JSON line with the number of documents in each state, and of passages, whenever they change.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import structlog

import export.bundled
from ingest.celery_tasks import make_worker, register
from ingest.pipeline import Pipeline, PipelineOptions
from ingest.pipeline_loop import PipelineLoop
from ingest.reconcile import Reconciler
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from phoserve.adapters.celery_queue import CeleryQueue, broker_app
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry
from phoserve.text import TextPipeline
from tests.support.embedders import WordHashEmbedder
from tests.support.registry import sqlite_registry

MODEL = Path(export.bundled.__path__[0])
LEASE = timedelta(seconds=2)
RECONCILE_EVERY_S = 1.0


@asynccontextmanager
async def pipeline(folder: Path, url: str) -> AsyncIterator[Pipeline]:
    """The pipeline over the folder's stores, reconciled all the while; embedding takes a fifth of a second."""
    text = TextPipeline.load(MODEL)
    registry, index = sqlite_registry(folder), EdgePassageIndex(folder / "index", text.contract)
    sources, queue = ObjectStoreSources(folder / "originals"), CeleryQueue(url)
    async with AsyncExitStack() as stack:
        for store in (registry, index, queue):
            stack.push_async_callback(store.close)
        reconciler = Reconciler(registry, PassageStores([index]), sources, queue)
        for loop in (reconciler.run_forever(every_s=RECONCILE_EVERY_S), report(registry, index)):
            stack.callback(asyncio.create_task(loop).cancel)
        tools = StagingTools(WordHashEmbedder(text.contract, delay_s=0.2), text)
        models = IndexingModels([IndexingModel(index, tools)])
        options = PipelineOptions(lease=LEASE)
        yield Pipeline(registry=registry, models=models, sources=sources, options=options)


async def report(registry: DocumentRegistry, index: EdgePassageIndex) -> None:
    """Print the counts whenever they change."""
    last = ""
    while True:
        counts = {state.value: number for state, number in (await registry.counts()).items()}
        line = json.dumps(counts | {"passages": await index.count(), "staged": len(await index.staged())})
        if line != last:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            last = line
        await asyncio.sleep(0.05)


def main() -> None:
    """Work until SIGTERM."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for the counts
    folder, url = Path(sys.argv[1]), sys.argv[2]
    app = broker_app(url)
    with PipelineLoop(lambda: pipeline(folder, url), long_documents=1) as pipelines:
        register(app, pipelines)
        make_worker(app, long_documents=1).start()


if __name__ == "__main__":
    main()
