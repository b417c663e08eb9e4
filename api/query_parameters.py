"""Query parameters that no route has: a misspelled filter must not list everything."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.routes import HTTPRoute

from api.hints import near_name
from phoserve.errors import InvalidInput

STRICT_PATHS: Final = ("/v1/collections", "/v1/keys", "/v1/audit")
"""Routes of this API. Those that are compatible with other APIs ignore what they do not know."""
IGNORED_PREFIX: Final = "_"
"""Of parameters that only keep caches from answering, such as `_=1700000000`."""
MAX_ECHOED: Final = 64

KnownParameters = Mapping[tuple[str, str], frozenset[str]]
"""The names of the query parameters, by template of the path and method."""


def known_parameters(app: Litestar) -> KnownParameters:
    """Return the query parameters of each route."""
    return {
        (route.path_format, str(method)): frozenset(each.field_alias for each in model.expected_query_params)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (_, model) in route.route_handler_map.items()
    }


def check_query(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raise InvalidInput for a query parameter that the route does not have."""
    scope: Mapping[str, Any] = connection.scope
    if not scope["query_string"] or not scope["path"].startswith(STRICT_PATHS):
        return
    parameters: KnownParameters = connection.app.state.query_parameters
    known = parameters[scope["path_template"], scope["method"]]
    for name in connection.query_params:
        if name not in known and not name.startswith(IGNORED_PREFIX):
            raise InvalidInput(_message(name, known), field=name[:MAX_ECHOED])


def _message(name: str, known: Iterable[str]) -> str:
    hint = near_name(name[:MAX_ECHOED], sorted(known), "parameters")
    return f"there is no query parameter `{name[:MAX_ECHOED]}` here{hint}"
