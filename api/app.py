"""The REST API as one ASGI application over services."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response, Router, route
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig

from api.auth import readers
from api.browser_guard import BrowserGuard
from api.dependencies import providers
from api.encoded_slashes import PreserveEncodedSlashes
from api.openapi import CompletedJson
from api.problems import answer_error
from api.query_parameters import known_parameters
from api.routes import (
    answers,
    audit,
    chat,
    cohere,
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
    tei,
    tokenize,
)
from api.services import Services
from api.telemetry import Telemetry


def create_app(services: Services) -> Litestar:
    """Build the application over `services`, which stay open when it stops.

    The server calls `services.event_streams.end_all()` on shutdown, because some streams are endless.
    """
    limits = services.limits
    handlers: list[HTTPRouteHandler | Router] = [
        health.live,
        health.ready,
        metrics.prometheus,
        console.page,
        console.asset,
        tei.root(limits.max_body_bytes),
        Router(
            "/",
            route_handlers=[
                embeddings.create_embeddings,
                tokenize.tokenize,
                rerank.rerank,
                tei.embed,
                tei.rerank,
                cohere.embed_v1,
                cohere.embed_v2,
            ],
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
    ]
    app = Litestar(
        route_handlers=[_allow_methods(handlers), *handlers],
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
    app.state.query_parameters = known_parameters(app)
    http = services.http
    guarded = BrowserGuard(
        PreserveEncodedSlashes(app.asgi_handler),
        any_host=not services.keys.is_open,
        allowed_hosts=http.allowed_hosts,
        cors_origins=http.cors_origins,
    )
    app.asgi_handler = Telemetry(guarded, services.metrics, services.addresses)
    return app


def _allow_methods(handlers: Sequence[HTTPRouteHandler | Router]) -> HTTPRouteHandler:
    """Answer OPTIONS with the methods of all handlers of a path; Litestar's own names those of the first only."""
    paths = {path for each in handlers if isinstance(each, HTTPRouteHandler) for path in each.paths}

    @route(sorted(paths), http_method=HttpMethod.OPTIONS, include_in_schema=False, sync_to_thread=False)
    def allow(request: Request[Any, Any, Any]) -> Response[None]:
        template = request.scope["path_template"]
        [methods] = [each.methods for each in request.app.routes if each.path_format == template]
        return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))})

    return allow
