"""The REST API as one ASGI application over ready-made services."""

from dataclasses import replace

from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig

from api.dependencies import AdmissionGates, always, providers
from api.encoded_slashes import PreserveEncodedSlashes
from api.event_streams import EventStreams
from api.metrics import Metrics, prometheus
from api.openapi import CompletedJson
from api.problems import answer_error
from api.rates import ConcurrentRequests
from api.routes import (
    answers,
    chat,
    collection_work,
    collections,
    console,
    documents,
    embeddings,
    events,
    health,
    rerank,
    search,
    tokenize,
)
from api.services import Services
from api.telemetry import Telemetry
from phoserve.embedding.caching import CachingEmbedder
from phoserve.embedding.micro_batching import MicroBatchingEmbedder
from phoserve.embedding.ports import Embedder


def create_app(services: Services) -> Litestar:
    """The application; it owns nothing in `services`, so closing those is left to who made them.

    Whoever serves it calls `app.state.feeds.end()` when it is to stop: some streams have no end of their own.
    """
    services = replace(services, embedder=_embedder(services))
    metrics, gates, feeds = Metrics(), AdmissionGates.of(services.limits), EventStreams()
    for gate in (gates.requests, gates.texts, gates.answers):
        metrics.watch_gate(gate)
    if isinstance(services.embedder, CachingEmbedder):
        metrics.watch_cache(services.embedder)
    app = Litestar(
        route_handlers=[
            health.live,
            health.ready,
            prometheus,
            console.page,
            console.asset,
            embeddings.create_embeddings,
            embeddings.list_models,
            embeddings.get_model,
            tokenize.tokenize,
            rerank.rerank,
            collections.put_collection,
            collections.list_collections,
            collections.get_collection,
            collections.delete_collection,
            collection_work.delete_documents,
            collection_work.reindex_collection,
            *documents.routes(services.limits.max_upload_bytes),
            events.collection_events,
            search.search,
            answers.answer,
            chat.complete,
        ],
        dependencies={
            **providers(services, gates),
            "probe": always(health.ReadinessProbe(services)),
            "metrics": always(metrics),
            "feeds": always(feeds),
        },
        exception_handlers={Exception: answer_error},
        request_max_body_size=services.limits.max_body_bytes,
        state=State(
            {
                "services": services,
                "gates": gates,
                "feeds": feeds,
                "concurrent_requests": ConcurrentRequests(services.limits.requests_at_once),
            }
        ),
        openapi_config=OpenAPIConfig(
            title="phoserve",
            version="1",
            path="/schema",
            description="Vietnamese embeddings, search and cited answers.",
            render_plugins=[CompletedJson(path="/")],
        ),
        logging_config=None,
    )
    app.asgi_handler = Telemetry(PreserveEncodedSlashes(app.asgi_handler), metrics)
    return app


def _embedder(services: Services) -> Embedder:
    """The embedder as requests see it: single texts travel together, recent queries not at all."""
    grouping = MicroBatchingEmbedder(services.embedder)
    entries = services.limits.query_cache_entries
    return CachingEmbedder(grouping, entries) if entries else grouping
