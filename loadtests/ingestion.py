"""The pipeline compared with the encoder alone, on the same chunks, interleaved in one run.

    python -m loadtests.ingestion PARAGRAPHS.jsonl.xz [--paragraphs 10000] [--rounds 3] [--celery N] [--model FOLDER]

Documents of some paragraphs each are queued in the store. The measured time is from the first worker's start to the
last document's being ready. In this process over the embedded stores, or (`--celery N`) by N workers over Redis and a
Qdrant server: the one at QDRANT_URL, else the tests' stand-in, which takes processor time of its own.
"""

import argparse
import asyncio
import json
import logging
import lzma
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import httpx
import structlog
from prometheus_client.parser import text_string_to_metric_families

import export.bundled
from export.repository import assemble_repository
from ingest.inline import InlineWorkers
from ingest.metrics import IngestMetrics
from ingest.pipeline import Pipeline
from ingest.staging import IndexingModel, IndexingModels, StagingTools
from loadtests.benchmark.processor import processor_seconds
from loadtests.serving import serving
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.composition import open_stores
from phoserve.contract import InputType
from phoserve.documents.collections import new_collection
from phoserve.documents.intake import Draft, Intake
from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, SourceStore, TaskQueue
from phoserve.documents.records import DocumentState
from phoserve.embedding.ports import Embedder, Embeddings
from phoserve.search.ports import PassageIndex
from phoserve.settings import load_settings
from phoserve.text import TextPipeline
from tests.support.deployed import Deployed, deployed
from tests.support.memory import MemoryQueue
from tests.support.registry import sqlite_registry

MODEL: Final = Path(export.bundled.__path__[0])
TEXTS_PER_REQUEST: Final = 64
REQUESTS_IN_FLIGHT: Final = 4
DOCUMENTS_PER_SUBMIT: Final = 500
POLL_S: Final = 0.1
Stages = dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """All documents, from the first worker's start to the last one's being ready."""

    seconds: float
    stages: Stages
    """Seconds by stage, of all documents together."""
    processor: dict[str, float]
    """Core-ms a document by part, this process being `server`."""


class Recording:
    """The embedder, and every text it was asked for."""

    def __init__(self, embedder: Embedder) -> None:
        self.contract = embedder.contract
        self.texts: list[str] = []
        self._embedder = embedder

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        self.texts += texts
        return await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)

    async def close(self) -> None:
        pass


async def compare(documents: Sequence[str], model: Path, *, rounds: int, workers: int) -> None:
    """Print both rates of every round, their medians and the stages' shares; with no `workers`, in this process."""

    def prepare(repository: Path) -> None:
        assemble_repository(model, repository, profile="local")

    text = TextPipeline.load(model)
    rates: dict[str, list[float]] = {"encoder alone": [], "pipeline": []}
    runs: list[Run] = []
    async with serving(model, prepare) as (server, embedder):
        texts = await _texts(documents[:20], embedder, text)  # warms up, and is not counted
        await _alone(embedder, texts)
        texts = await _texts(documents, embedder, text)
        for _ in range(rounds):
            rates["encoder alone"].append(len(texts) / await _alone(embedder, texts))
            if workers:
                runs.append(await _by_workers(documents, model, server.ports.grpc_url, len(texts), workers))
            else:
                runs.append(await _in_process(documents, embedder, text))
            rates["pipeline"].append(len(texts) / runs[-1].seconds)
            say({name: round(each[-1], 1) for name, each in rates.items()})
    alone, pipeline = (statistics.median(each) for each in rates.values())
    say({"documents": len(documents), "passages": len(texts), "encoder_per_s": round(alone, 1)})
    say({"pipeline_per_s": round(pipeline, 1), "of_the_encoder": round(pipeline / alone, 3)})
    stages = sum((Counter(run.stages) for run in runs), Counter[str]())
    total = sum(stages.values())
    say({"stage_shares": {name: round(spent / total, 3) for name, spent in stages.most_common()}})
    parts = {part: statistics.median(run.processor.get(part, 0.0) for run in runs) for part in runs[0].processor}
    say({"core_ms_a_document": {part: round(spent, 2) for part, spent in parts.items() if spent >= 0.05}})


async def _alone(embedder: Embedder, texts: Sequence[str]) -> float:
    """Seconds of the same texts through Triton and nothing else."""
    starts = list(range(0, len(texts), TEXTS_PER_REQUEST))[::-1]

    async def client() -> None:
        while starts:
            first = starts.pop()
            await embedder.embed(texts[first : first + TEXTS_PER_REQUEST], timeout_s=600)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(REQUESTS_IN_FLIGHT)))
    return time.perf_counter() - begun


async def _texts(documents: Sequence[str], embedder: Embedder, text: TextPipeline) -> list[str]:
    recording = Recording(embedder)
    await _in_process(documents, recording, text)
    return recording.texts


async def _in_process(documents: Sequence[str], embedder: Embedder, text: TextPipeline) -> Run:
    """As `phoserve up` does it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry, index = sqlite_registry(folder), await EdgeProcessIndex(folder, text.contract).start()
        sources, workers, metrics = ObjectStoreSources(folder / "originals"), InlineWorkers(), IngestMetrics()
        await _submit(documents, registry, index, sources, workers)
        models = IndexingModels([IndexingModel(index, StagingTools(embedder, text, metrics=metrics))])
        begun, before = time.perf_counter(), processor_seconds(os.getpid())
        workers.start(Pipeline(registry=registry, models=models, sources=sources))
        await _until_ready(registry, len(documents))
        seconds, processor = time.perf_counter() - begun, _spent_since(before, len(documents))
        await workers.stop()
        await registry.close()
        await index.close()
        return Run(seconds, metrics.stage_seconds(), processor)


async def _by_workers(documents: Sequence[str], model: Path, triton_url: str, passages: int, workers: int) -> Run:
    """As it is deployed."""
    with tempfile.TemporaryDirectory() as name, deployed(Path(name), triton_url) as platform:
        # What waits before the start is handed out below, not by a worker's reconciling.
        platform.settings |= {"PHOSERVE_WORKER__RECONCILE_EVERY_S": "3600", "PHOSERVE_MODEL__FOLDER": str(model)}
        os.environ.update(platform.environment)
        async with open_stores(load_settings()) as stores:
            tasks = MemoryQueue()
            await _submit(documents, stores.registry, stores.index, stores.sources, tasks)
            metrics = [await _worker(platform) for _ in range(workers)]
            begun, before = time.perf_counter(), processor_seconds(os.getpid())
            await stores.queue.enqueue(tasks.tasks)
            await _until_ready(stores.registry, len(documents))
            seconds, processor = time.perf_counter() - begun, _spent_since(before, len(documents))
            if await stores.index.count() != passages:
                raise SystemExit("the workers made other passages than this process")
            stages = sum((_stages(url) for url in metrics), Counter[str]())
            return Run(seconds, dict(stages), processor)


def _spent_since(before: dict[str, float], documents: int) -> dict[str, float]:
    after = processor_seconds(os.getpid())
    return {part: (seconds - before.get(part, 0.0)) * 1000 / documents for part, seconds in after.items()}


async def _submit(
    documents: Sequence[str], registry: DocumentRegistry, index: PassageIndex, sources: SourceStore, queue: TaskQueue
) -> None:
    await registry.add_collection(new_collection("kb"))
    intake = Intake(registry, PassageStores([index]), sources, queue)
    drafts = [Draft(text.encode(), id=f"d{n}") for n, text in enumerate(documents)]
    for first in range(0, len(drafts), DOCUMENTS_PER_SUBMIT):
        await intake.submit("kb", drafts[first : first + DOCUMENTS_PER_SUBMIT], bulk=True)


async def _until_ready(registry: DocumentRegistry, documents: int) -> None:
    while True:
        counts = await registry.counts()
        if counts.get(DocumentState.FAILED):
            raise SystemExit(f"documents failed: {counts}")
        if counts.get(DocumentState.READY) == documents:
            return
        await asyncio.sleep(POLL_S)


async def _worker(platform: Deployed) -> str:
    """Start a worker; the address of its metrics, once it takes tasks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    alive = platform.folder / f"alive-{port}"
    platform.worker(PHOSERVE_WORKER__METRICS_PORT=str(port), PHOSERVE_WORKER__HEARTBEAT_FILE=str(alive))
    while not alive.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(POLL_S)
    return f"http://127.0.0.1:{port}/metrics"


def _stages(url: str) -> Counter[str]:
    families = text_string_to_metric_families(httpx.get(url).raise_for_status().text)
    samples = [sample for family in families for sample in family.samples]
    sums = [each for each in samples if each.name == "phoserve_ingest_stage_duration_seconds_sum"]
    return Counter({each.labels["stage"]: each.value for each in sums})


def read_documents(file: Path, *, paragraphs: int, per_document: int) -> list[str]:
    """The first paragraphs of the file (rows with a "text"), some to a document."""
    with lzma.open(file, "rt", encoding="utf-8") as rows:
        texts = [json.loads(row)["text"] for row in islice(rows, paragraphs)]
    return ["\n\n".join(texts[first : first + per_document]) for first in range(0, len(texts), per_document)]


def say(figures: object) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the pipeline against the encoder alone.")
    parser.add_argument("paragraphs_file", type=Path)
    parser.add_argument("--paragraphs", type=int, default=10_000)
    parser.add_argument("--per-document", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--celery", type=int, default=0, metavar="WORKERS")
    parser.add_argument("--model", type=Path, default=MODEL)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    documents = read_documents(
        arguments.paragraphs_file, paragraphs=arguments.paragraphs, per_document=arguments.per_document
    )
    asyncio.run(compare(documents, arguments.model, rounds=arguments.rounds, workers=arguments.celery))


if __name__ == "__main__":
    main()
