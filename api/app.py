"""The REST API as one ASGI application over ready-made services."""

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from api.dependencies import gates_for, providers
from api.problems import answer_error
from api.routes.embeddings import create_embeddings, get_model, list_models
from api.routes.health import ReadinessProbe, live, ready
from api.services import Services


def create_app(services: Services) -> Litestar:
    """The application; it owns nothing in `services`, so closing those is left to who made them."""
    gates = gates_for(services)
    probe = ReadinessProbe(services)
    return Litestar(
        route_handlers=[live, ready, create_embeddings, list_models, get_model],
        dependencies={
            **providers(services, gates),
            "probe": Provide(lambda: probe, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_error},
        request_max_body_size=services.limits.max_body_bytes,
        openapi_config=OpenAPIConfig(
            title="phoserve",
            version="1",
            path="/schema",
            description="Vietnamese embeddings, search and cited answers.",
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
        logging_config=None,
    )
