"""The REST API as one ASGI application over ready-made services."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from api.dependencies import always, providers
from api.problems import answer_error
from api.routes import answers, chat, collections, documents, embeddings, events, health, search, tokenize
from api.services import Services


def create_app(services: Services) -> Litestar:
    """The application; it owns nothing in `services`, so closing those is left to who made them."""
    return Litestar(
        route_handlers=[
            health.live,
            health.ready,
            embeddings.create_embeddings,
            embeddings.list_models,
            embeddings.get_model,
            tokenize.tokenize,
            collections.put_collection,
            collections.list_collections,
            collections.get_collection,
            collections.delete_collection,
            *documents.routes(services.limits.max_upload_bytes),
            events.collection_events,
            search.search,
            answers.answer,
            chat.complete,
        ],
        dependencies={**providers(services), "probe": always(health.ReadinessProbe(services))},
        exception_handlers={Exception: answer_error},
        request_max_body_size=services.limits.max_body_bytes,
        state=State({"key_ring": services.keys}),
        openapi_config=OpenAPIConfig(
            title="phoserve",
            version="1",
            path="/schema",
            description="Vietnamese embeddings, search and cited answers.",
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
        logging_config=None,
    )
