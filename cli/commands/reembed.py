"""`phoserve reembed`: switch to another model without ingesting again and without interrupting searches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.main import app

if TYPE_CHECKING:
    from cli.progress import Reporter
    from ingest.reembed import Reembedding
    from phoserve.settings import Settings


@app.command()
def reembed(
    state: Annotated[
        Path | None,
        typer.Option(help="State folder of a local platform, stopped; without it, what the PHOSERVE_ variables name."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The new model's folder; PHOSERVE_MODEL__FOLDER by default.")
    ] = None,
    switch: Annotated[bool, typer.Option(help="Activate the new model at the end.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Report in JSON lines on standard output.")] = False,
) -> None:
    """Embed every passage again with a new model, then activate it.

    PHOSERVE_TRITON__URL is the server of the new model. Start API and workers with the new model afterwards; until
    then the old ones answer searches from the old passages. You may interrupt it and run it again at any time.
    """
    from cli.progress import ConsoleReporter, JsonReporter, Reporter
    from phoserve.settings import load_settings

    report: Reporter = JsonReporter() if as_json else ConsoleReporter()
    settings = load_settings()
    folder = model or settings.model.folder
    where = _local(state.expanduser().absolute(), folder, report) if state else _deployed(settings, folder)
    asyncio.run(_reembed(where, report, switch=switch))


async def _reembed(where: "AbstractAsyncContextManager[Reembedding]", report: "Reporter", *, switch: bool) -> None:
    async with where as job:
        before = await job.index.active_model()
        with report.step("Embedding again", total=await job.total()) as bar:
            copied = await job.copy(bar.done)
        if not switch:
            report.tell("copied", f"{copied} documents are embedded; run again to switch", documents=copied)
            return
        with report.step("Switching, and catching up"):
            outcome = await job.switch()
        copied += outcome.copied
        text = f"{copied} documents embedded by {job.index.fingerprint}, which is active now"
        if outcome.queued:
            text += f"; {outcome.queued} are queued for indexing from their originals"
        report.tell(
            "reembedded", text, documents=copied, queued=outcome.queued, before=before, model=job.index.fingerprint
        )


@asynccontextmanager
async def _deployed(settings: "Settings", model: Path) -> "AsyncIterator[Reembedding]":
    from ingest.reembed import Reembedding
    from ingest.staging import StagingTools
    from phoserve.composition import open_embedders, open_qdrant, open_registry
    from phoserve.text import TextPipeline

    text = await asyncio.to_thread(TextPipeline.load, model)
    embedders = open_embedders(settings, text.contract)
    try:
        async with open_registry(settings.registry) as registry, open_qdrant(settings.qdrant, text.contract) as index:
            yield Reembedding(registry, index, StagingTools(embedders.bulk, text))
    finally:
        await embedders.close()


@asynccontextmanager
async def _local(state: Path, model: Path, report: "Reporter") -> "AsyncIterator[Reembedding]":
    from cli.local import running_triton
    from cli.local_registry import open_local_registry
    from cli.preflight import open_state
    from ingest.reembed import Reembedding
    from ingest.staging import StagingTools
    from phoserve.adapters.edge.index import EdgePassageIndex
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
            job = Reembedding(registry, index, StagingTools(embedder, text))
            try:
                yield job
            finally:
                await job.close()
                await index.close()
                await embedder.close()
