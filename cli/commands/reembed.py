"""`phoserve reembed`: change collections to another model without ingesting again and without interrupting searches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.main import app

if TYPE_CHECKING:
    from cli.progress import Bar, Reporter
    from ingest.reembed import Changed, Reembedder
    from ingest.staging import IndexingModels
    from phoserve.documents.collections import Collection
    from phoserve.documents.ports import ActivePassageStore, DocumentRegistry
    from phoserve.embedding.ports import Embedder
    from phoserve.settings import Settings
    from phoserve.text import TextPipeline

POLL_S = 1.0


@app.command()
def reembed(
    state: Annotated[
        Path | None,
        typer.Option(help="State folder of a local platform, stopped; without it, what the PHOSERVE_ variables name."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The new model's folder; PHOSERVE_MODEL__FOLDER by default.")
    ] = None,
    collection: Annotated[
        list[str] | None, typer.Option("--collection", "-c", help="Only this collection; repeat it for more.")
    ] = None,
    switch: Annotated[bool, typer.Option(help="Change to the new model at the end.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Embed the passages of every collection again with a new model, then change the collections to it.

    PHOSERVE_TRITON__URL is the server of the new model. Start API and workers with the new model afterwards; for an
    hour the old ones answer searches from the old passages. You may interrupt it and run it again at any time. Where
    both models are served, POST /v1/collections/NAME/model does the same for one collection.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from phoserve.settings import load_settings

    report: Reporter = JsonReporter() if as_json else ConsoleReporter()
    settings = load_settings()
    folder = model or settings.model.folder
    where = _local(state.expanduser().absolute(), folder, report) if state else _deployed(settings, folder)
    asyncio.run(_reembed(where, report, frozenset(collection or ()), switch=switch))


async def _reembed(
    where: "AbstractAsyncContextManager[Reembedder]", report: "Reporter", names: frozenset[str], *, switch: bool
) -> None:
    from phoserve.errors import CollectionNotFound

    async with where as job:
        collections = [each for each in await job.registry.collections() if not each.deleting]
        for name in names - {each.name for each in collections}:
            raise CollectionNotFound(name)
        new = job.models.default
        chosen = [e for e in collections if (not names or e.name in names) and e.fingerprint != new.fingerprint]
        copied = queued = 0
        for each in chosen:
            documents = sum((await job.registry.counts(each.id)).values())
            with report.step(f"Embedding {each.name} again", total=documents) as bar:
                if switch:
                    outcome = await _change(job, each, bar)
                else:
                    outcome = await job.copy(each, new.fingerprint, lambda done, _, bar=bar: bar.done(done))  # type: ignore[misc]
            copied, queued = copied + outcome.copied, queued + outcome.queued
        if not switch:
            report.tell("copied", f"{copied} documents are embedded; run again to switch", documents=copied)
            return
        if not names:
            await new.index.activate()
        text = f"{copied} documents embedded by {new.tools.text.contract.name}, the model of their collections now"
        if queued:
            text += f"; {queued} are queued for indexing from their originals"
        before = sorted({each.fingerprint for each in chosen})
        report.tell("reembedded", text, documents=copied, queued=queued, before=before, model=new.fingerprint)


async def _change(job: "Reembedder", collection: "Collection", bar: "Bar") -> "Changed":
    """Change one collection to the new model; while another process works on it, wait."""
    from ingest.reembed import Changed, ChangeStopped

    contract = job.models.default.tools.text.contract
    outcome = None
    while outcome is None:
        found = await job.registry.collection(collection.name)
        if found.fingerprint == contract.fingerprint:
            return Changed(0, 0)
        started = found.start_reembedding(contract.name, contract.fingerprint)
        if started is found or (found := await job.registry.update_collection(started) or found) is not started:
            with suppress(ChangeStopped):
                outcome = await job.change(found, lambda done, _: bar.done(done))
        if outcome is None:
            await asyncio.sleep(POLL_S)
    await job.run_once()  # what is kept no longer
    return outcome


@asynccontextmanager
async def _deployed(settings: "Settings", model: Path) -> "AsyncIterator[Reembedder]":
    from ingest.inline import InlineWorkers
    from ingest.reembed import Reembedder
    from phoserve.adapters.sources import ObjectStoreSources
    from phoserve.composition import open_embedders, open_qdrant, open_registry
    from phoserve.text import TextPipeline

    text = await asyncio.to_thread(TextPipeline.load, model)
    embedders = open_embedders(settings, text.contract)
    try:
        async with open_registry(settings.registry) as registry, open_qdrant(settings.qdrant, text.contract) as index:
            models = await _models(registry, index, embedders.bulk, text)
            # Nothing runs what is queued here: the workers' reconciling does.
            yield Reembedder(registry, models, ObjectStoreSources(settings.sources.url), InlineWorkers())
    finally:
        await embedders.close()


@asynccontextmanager
async def _local(state: Path, model: Path, report: "Reporter") -> "AsyncIterator[Reembedder]":
    from cli.local import running_triton
    from cli.local_registry import open_local_registry
    from cli.preflight import open_state
    from ingest.inline import InlineWorkers
    from ingest.reembed import Reembedder
    from phoserve.adapters.edge.index import EdgePassageIndex
    from phoserve.adapters.sources import ObjectStoreSources
    from phoserve.adapters.triton.embedder import TritonEmbedder
    from phoserve.text import TextPipeline

    with open_state(state):
        text = await asyncio.to_thread(TextPipeline.load, model)
        async with (
            running_triton(model, state / "triton", report) as triton,
            open_local_registry(state, report) as registry,
        ):
            embedder = TritonEmbedder(triton.ports.grpc_url, text.contract)
            index = EdgePassageIndex(state / "index", text.contract)
            sources = ObjectStoreSources(state / "originals")
            try:
                models = await _models(registry, index, embedder, text)
                # No other process uses the folder, so former passages need not be kept.
                yield Reembedder(registry, models, sources, InlineWorkers(), kept=timedelta())
            finally:
                await index.close()
                await embedder.close()


async def _models(
    registry: "DocumentRegistry", index: "ActivePassageStore", embedder: "Embedder", text: "TextPipeline"
) -> "IndexingModels":
    """Return the new model alone, once every collection has a model."""
    from ingest.staging import IndexingModel, IndexingModels, StagingTools
    from phoserve.documents.active_model import settle_models

    models = IndexingModels([IndexingModel(index, StagingTools(embedder, text))])
    await settle_models(registry, models.indexes, lambda _: "")
    return models
