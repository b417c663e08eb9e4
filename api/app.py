"""The REST API as one ASGI application over services."""

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig

from api.auth import readers
from api.browser_guard import BrowserGuard
from api.dependencies import providers
from api.encoded_slashes import PreserveEncodedSlashes
from api.openapi import CompletedJson
from api.problems import answer_error
from api.routes import (
    answers,
    audit,
    chat,
    collection_work,
    collections,
    console,
    documents,
    embeddings,
    events,
    feedback,
    health,
    keys,
    metrics,
    rerank,
    search,
    tokenize,
)
from api.services import Services
from api.telemetry import Telemetry


def create_app(services: Services) -> Litestar:
    """Build the application over `services`, which stay open when it stops.

    The server calls `services.event_streams.end_all()` on shutdown, because some streams are endless.
    """
    limits = services.limits
    app = Litestar(
        route_handlers=[
            health.live,
            health.ready,
            metrics.prometheus,
            console.page,
            console.asset,
            Router(
                "/",
                route_handlers=[embeddings.create_embeddings, tokenize.tokenize, rerank.rerank],
                request_max_body_size=limits.max_body_bytes,
            ),
            embeddings.list_models,
            embeddings.get_model,
            collections.put_collection,
            collections.list_collections,
            collections.get_collection,
            collections.delete_collection,
            collections.change_model,
            collections.get_model,
            collections.cancel_model_change,
            collection_work.delete_documents,
            collection_work.reindex_collection,
            *documents.routes(limits.max_upload_bytes),
            events.collection_events,
            search.search,
            answers.answer,
            feedback.give_feedback,
            feedback.list_feedback,
            chat.complete,
            keys.add_key,
            keys.list_keys,
            keys.revoke_key,
            audit.list_events,
        ],
        dependencies=providers(),
        exception_handlers={Exception: answer_error},
        request_max_body_size=min(limits.max_question_bytes, limits.max_body_bytes),
        state=State({"services": services}),
        openapi_config=OpenAPIConfig(
            title="phoserve",
            version="1",
            openapi_router=Router("/schema", route_handlers=[], guards=[readers], include_in_schema=False),
            description="Vietnamese embeddings, search and cited answers.",
            render_plugins=[CompletedJson(path="/")],
        ),
        logging_config=None,
    )
    http = services.http
    guarded = BrowserGuard(
        PreserveEncodedSlashes(app.asgi_handler),
        any_host=not services.keys.is_open,
        allowed_hosts=http.allowed_hosts,
        cors_origins=http.cors_origins,
    )
    app.asgi_handler = Telemetry(guarded, services.metrics, services.addresses)
    return app
