"""The whole platform on one machine: Triton, the index and ingestion as child processes, the rest in this one."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from api.app import create_app
from api.composition import load_key_ring, open_services
from api.keys import check_bind
from api.services import Services
from cli.loading import load_samples
from cli.local_registry import local_registry_url, open_local_registry
from cli.preflight import listening_socket, open_state
from cli.progress import Reporter
from cli.serving_loop import ApiServer, stop_signals
from cli.triton_process import TritonInstallation, TritonOptions, TritonPorts, TritonProcess, TritonSupervisor
from export.repository import assemble_repository
from ingest.indexing_messages import Opening
from ingest.indexing_process import IndexingProcess
from ingest.inline import InlineWorkers
from ingest.parsing.tesseract import INSTALL, find_tesseract
from ingest.reconcile import Reconciler
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.composition import Stores, assemble_stores, open_models
from phoserve.contract import load_contract, served_names
from phoserve.documents.active_model import settle_models
from phoserve.documents.passages import not_served
from phoserve.errors import ContractMismatch
from phoserve.settings import Settings, load_settings

PROFILE: Final = "local"


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What `phoserve up` was asked for."""

    state: Path
    model: Path
    reranker: Path | None = None
    also: tuple[Path, ...] = ()
    """Folders of more models and rerankers."""
    host: str = "127.0.0.1"
    port: int = 8000
    samples: bool = True


async def run(options: LocalOptions, report: Reporter) -> None:
    """Run the platform until SIGINT or SIGTERM.

    Raises ConfigurationError with what to do if it cannot start.
    """
    settings = load_settings()
    check_bind(options.host, load_key_ring(settings.keys))
    stop = asyncio.Event()
    with stop_signals(stop):
        async with AsyncExitStack() as stack:
            starting = asyncio.create_task(_start(options, settings, report, stack))
            if not await _comes_before(starting, stop):
                starting.cancel()
                return
            services, server = await starting
            serving = asyncio.create_task(server.run())
            loading = asyncio.create_task(load_samples(services, report)) if options.samples else None
            await _comes_before(serving, stop)
            report.tell("stopping", "Stopping; requests in flight are finished first.")
            if loading is not None:
                loading.cancel()
            server.stop()
            await serving


@asynccontextmanager
async def running_triton(
    model: Path,
    work: Path,
    report: Reporter,
    *,
    reranker: Path | None = None,
    also: Sequence[Path] = (),
    api_key: str | None = None,
) -> AsyncIterator[TritonProcess]:
    """Run a ready Triton server of the models until the block ends; its inference requires `api_key`, if given."""
    installation = TritonInstallation.find()
    with report.step("Assembling the model repository"):
        await asyncio.to_thread(_assemble, model, reranker, also, work)
    options = TritonOptions(
        repository=work / "models",
        profile=PROFILE,
        work=work,
        admin_secret=secrets.token_urlsafe(24),
        api_key=api_key,
    )
    process = TritonProcess(installation, options, TritonPorts.free())
    try:
        with report.step("Starting Triton"):
            await process.start()
            await process.wait_ready()
        watch = asyncio.create_task(TritonSupervisor(process).run())
        try:
            yield process
        finally:
            watch.cancel()
    finally:
        await process.stop()


@asynccontextmanager
async def open_local_stores(
    options: LocalOptions, settings: Settings, report: Reporter
) -> AsyncIterator[tuple[Stores, CollectorRegistry]]:
    """Open the stores in the state folder, and a process that indexes incoming documents; close all at the end.

    The second value has the metrics of that process.
    """
    async with AsyncExitStack() as stack:
        models = await open_models(settings, options.model, stack)
        indexes: list[EdgeProcessIndex] = []
        with report.step("Opening the index"):
            for model in models:
                indexes.append(await EdgeProcessIndex(options.state / "index", model.text.contract).start())
                stack.push_async_callback(indexes[-1].close)
        registry = await stack.enter_async_context(open_local_registry(options.state, report))
        sources = ObjectStoreSources(options.state / "originals")
        workers = InlineWorkers()
        stores = assemble_stores(settings, models, indexes, registry, sources, workers)
        if missing := await settle_models(registry, stores.indexes, stores.directory.name_of):
            raise ContractMismatch("; ".join(map(not_served, missing)))
        reconciler = Reconciler(registry, stores.indexes, sources, workers)
        await reconciler.run_first()
        indexing = IndexingProcess(
            Opening(
                settings=settings,
                model=options.model,
                registry_url=local_registry_url(options.state),
                originals=str(options.state / "originals"),
                log_file=options.state / "phoserve.log",
            ),
            indexes,
        )
        stack.push_async_callback(indexing.stop)
        indexing.start(workers)
        workers.start(indexing)
        stack.push_async_callback(workers.stop)
        reconciling = asyncio.create_task(reconciler.run_forever())
        stack.callback(reconciling.cancel)
        yield stores, indexing.registry


def local_triton_key(settings: Settings) -> str | None:
    """Return the key that the local Triton requires: the settings', or a random one where the API has keys."""
    return settings.triton.key or (secrets.token_urlsafe(24) if settings.keys.are_required else None)


def local_settings(
    settings: Settings, triton_url: str, options: LocalOptions, triton_key: str | None = None
) -> Settings:
    """Return `settings` with the local Triton server and its models in place of those that they name."""
    folders = [folder for folder in (options.reranker, *options.also) if folder]
    contracts = {folder: load_contract(folder) for folder in folders}
    rerankers = [contract for contract in contracts.values() if contract.task == "rerank"]
    models = settings.models.model_copy(
        update={
            "folders": tuple(folder for folder in folders if contracts[folder].task == "embed"),
            "rerankers": dict(zip([each.name for each in rerankers], served_names(rerankers), strict=True)),
        }
    )
    update = {"url": triton_url, "fallback_url": None, "reranker": None}
    key = SecretStr(triton_key) if triton_key else None
    triton = settings.triton.model_copy(update={**update, "api_key": key})
    return settings.model_copy(update={"triton": triton, "models": models})


async def _start(
    options: LocalOptions, settings: Settings, report: Reporter, stack: AsyncExitStack
) -> tuple[Services, ApiServer]:
    """Start everything but the API's server, which is returned; `stack` takes it all down again."""
    stack.enter_context(open_state(options.state))
    sock = stack.enter_context(listening_socket(options.host, options.port))
    triton_key = local_triton_key(settings)
    triton = await stack.enter_async_context(
        running_triton(
            options.model,
            options.state / "triton",
            report,
            reranker=options.reranker,
            also=options.also,
            api_key=triton_key,
        )
    )
    if find_tesseract() is None:
        report.tell("ocr_missing", f"Scanned pages and images are not read until you {INSTALL}")
    settings = local_settings(settings, triton.ports.grpc_url, options, triton_key)
    stores, metrics = await stack.enter_async_context(open_local_stores(options, settings, report))
    services = await stack.enter_async_context(open_services(settings, stores, registries=(metrics,)))
    host, port = sock.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def started() -> None:
        report.tell("ready", f"phoserve is ready: {url}   (Ctrl-C stops it)", url=url)

    return services, ApiServer(create_app(services), sock, started, drain_s=services.limits.drain_s)


async def _comes_before(task: "asyncio.Task[Any]", stop: asyncio.Event) -> bool:
    """Wait for the first of the two; whether it was the task."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    return task.done()


def _assemble(model: Path, reranker: Path | None, also: Sequence[Path], work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    assemble_repository(model, work / "models", profile=PROFILE, reranker=reranker, also=also)
