"""The OpenAPI document of the handlers, completed with their common parts."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from api.problems import OPENAI_PATHS, TEI_PATHS, OpenAIError, Problem, TeiError
from api.schemas.answers import CitationView, DeltaEvent, DoneEvent, RestartEvent, RetrievalEvent
from api.schemas.documents import DocumentsRequest

REF: Final = "#/components/schemas/{name}"
PROBLEMS: Final = {
    "400": "The request line, a header or the form cannot be read, or a parameter is not supported.",
    "401": "No valid key.",
    "403": "The key's role is not sufficient.",
    "404": "It does not exist, or the key may not access it.",
    "405": "The path supports other methods.",
    "409": "It is being changed or deleted.",
    "413": "Above a limit, which the detail names.",
    "415": "The body is not declared as JSON, or as a form of files.",
    "422": "The input is wrong; `errors` names the fields.",
    "429": "At capacity; try again after `Retry-After` seconds.",
    "500": "Internal error.",
    "503": "A dependency is unavailable; try again after `Retry-After` seconds.",
    "504": "The request exceeded its deadline.",
}
OPEN_PATHS: Final = ("/health/",)
DOCUMENTS_PATH: Final = "/v1/collections/{collection}/documents"
STREAMS: Final = {
    "/v1/collections/{collection}/answers": (
        "Events `retrieval`, `delta`, `citation`, `reasoning`, `restart`, `done`, `error`."
    ),
    "/v1/chat/completions": "Chunks in OpenAI's shape, then [DONE].",
    "/v1/collections/{collection}/events": "Events `document` and `end`.",
}
STREAMED_TYPES: Final = [
    Problem,
    OpenAIError,
    TeiError,
    DocumentsRequest,
    RetrievalEvent,
    DeltaEvent,
    RestartEvent,
    DoneEvent,
    CitationView,
]


class CompletedJson(JsonRenderPlugin):
    """Serve the completed document."""

    _completed: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        if self._completed is None:
            self._completed = msgspec.json.encode(completed(openapi_schema))
        return self._completed


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` with the error responses, the key, the upload form and the event streams.

    Bodies are described by msgspec, which checks them: Litestar leaves out limits of values that may be null, and that
    unknown fields are refused.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    bodies = [each for each in _body_types(msgspec.Struct) if each.__name__ in schemas]
    _, described = msgspec.json.schema_components([*bodies, *STREAMED_TYPES], ref_template=REF)
    schemas.update(described)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in document["paths"].items():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                _complete_operation(path, operation)
    made = document["paths"]["/v1/collections/{collection}"]["put"]["responses"]
    made["201"] = {**made["200"], "description": "The collection is new."}
    _describe_uploads(document["paths"][DOCUMENTS_PATH]["post"])
    return document


def _body_types(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Yield the structures of the API's bodies."""
    for each in base.__subclasses__():
        if each.__module__.startswith("api."):
            yield each
        yield from _body_types(each)


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("400", None)
    _describe_optional_body(operation)
    name, media_type = _error_shape(path)
    for status, description in PROBLEMS.items():
        content = {media_type: {"schema": {"$ref": REF.format(name=name)}}}
        responses.setdefault(status, {"description": description, "content": content})
    if path.startswith(OPEN_PATHS):
        responses["503"]["content"].setdefault("application/json", responses["200"]["content"]["application/json"])
    else:
        operation["security"] = [{"key": []}, {}]
    if path in STREAMS:
        ok = responses["200"]
        ok["content"] = ok.get("content", {}) if path != next(reversed(STREAMS)) else {}
        ok["content"]["text/event-stream"] = {"schema": {"type": "string", "description": STREAMS[path]}}


def _error_shape(path: str) -> tuple[str, str]:
    """Return the schema and the media type of a route's errors."""
    if path.startswith(OPENAI_PATHS):
        return "OpenAIError", "application/json"
    if path in TEI_PATHS:
        return "TeiError", "application/json"
    return "Problem", "application/problem+json"


def _describe_optional_body(operation: dict[str, Any]) -> None:
    """Mark a body that may be null as one that may be left out."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        options = content["schema"].get("oneOf", [])
        if {"type": "null"} in options:
            operation["requestBody"]["required"] = False
            [content["schema"]] = [each for each in options if each != {"type": "null"}]


def _describe_uploads(operation: dict[str, Any]) -> None:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    metadata = {
        "type": "string",
        "description": "A JSON object, for every file.",
        "contentMediaType": "application/json",
    }
    form = {"type": "object", "required": ["files"], "properties": {"files": files, "metadata": metadata}}
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": REF.format(name="DocumentsRequest")}},
            "multipart/form-data": {"schema": form},
        },
    }
    operation.setdefault("parameters", []).append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
    )
