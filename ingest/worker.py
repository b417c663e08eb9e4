"""The deployed Celery worker: `phoserve worker` runs it with the settings of its environment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector, start_http_server

from ingest.celery_tasks import beat, make_worker, register
from ingest.metrics import IngestMetrics
from ingest.pipeline import Pipeline, PipelineOptions
from ingest.pipeline_loop import PipelineLoop
from ingest.reconcile import Reconciler
from ingest.reembed import Reembedder
from ingest.staging import indexing_models
from phoserve.adapters.celery_queue import QUEUES, broker_app
from phoserve.adapters.redis_lease import RedisLease
from phoserve.adapters.tracing import export_traces
from phoserve.composition import open_stores
from phoserve.errors import ConfigurationError
from phoserve.settings import Settings, load_settings

SERVICE: Final = "phoserve-worker"


def run(queues: tuple[str, ...] = QUEUES, *, long_documents: int) -> int:
    """Process tasks until SIGTERM and return the exit status. Raises ConfigurationError."""
    if wrong := set(queues) - set(QUEUES):
        raise ConfigurationError(f"unknown queue {', '.join(sorted(wrong))}; choose from {', '.join(QUEUES)}")
    settings, metrics = load_settings(), IngestMetrics()
    app = broker_app(settings.redis.url.get_secret_value())
    with ExitStack() as stack:
        stack.enter_context(export_traces(SERVICE, settings.tracing.otlp_endpoint))
        stack.enter_context(_metrics_port(settings.worker.metrics_port, metrics))
        loop = stack.enter_context(PipelineLoop(lambda: pipeline(settings, metrics), long_documents=long_documents))
        register(app, loop)
        if settings.worker.heartbeat_file is not None:
            beat(app, loop, settings.worker.heartbeat_file)
        worker = make_worker(app, queues=queues, long_documents=long_documents)
        worker.start()
        return int(worker.exitcode or 0)


@asynccontextmanager
async def pipeline(settings: Settings, metrics: IngestMetrics) -> AsyncIterator[Pipeline]:
    """Open the pipeline over the platform's stores. One of all workers reconciles in each interval."""
    async with open_stores(settings) as stores, AsyncExitStack() as stack:
        reconciler = Reconciler(stores.registry, stores.indexes, stores.sources, stores.queue)
        lease = RedisLease(settings.redis.url.get_secret_value(), "reconcile")
        stack.push_async_callback(lease.close)
        every_s = settings.worker.reconcile_every_s
        reconciling = asyncio.create_task(reconciler.run_forever(every_s=every_s, lease=lease))
        stack.callback(reconciling.cancel)
        models = indexing_models(stores.directory, metrics)
        reembedder = Reembedder(stores.registry, models, stores.sources, stores.queue)
        reembedding = asyncio.create_task(reembedder.run_forever())
        stack.callback(reembedding.cancel)
        yield Pipeline(
            registry=stores.registry,
            models=models,
            sources=stores.sources,
            options=PipelineOptions(lease=timedelta(seconds=settings.worker.lease_s)),
        )


@contextmanager
def _metrics_port(port: int | None, metrics: IngestMetrics) -> Iterator[None]:
    """Serve the worker's Prometheus metrics, if a port is set."""
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=metrics.registry)
    if port is None:
        yield
        return
    server, thread = start_http_server(port, registry=metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
