"""Errors as HTTP responses: problem details (RFC 9457), and OpenAI's shape on its routes."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler

from api.encoded_slashes import restore_slashes
from api.hints import OPENAI_MISSING, hint_for, missing_route
from phoserve.answers.ports import LlmOverloaded, LlmTimeout, LlmUnavailable
from phoserve.errors import (
    ConfigurationError,
    Conflict,
    DeadlineExceeded,
    EngineFailed,
    Forbidden,
    InvalidInput,
    ModelNotFound,
    NotFound,
    Overloaded,
    PhoserveError,
    TooLarge,
    Unavailable,
    UnsupportedParameter,
)

STATUS: Final[Mapping[type[PhoserveError], HTTPStatus]] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnsupportedParameter: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotFound: HTTPStatus.NOT_FOUND,
    Forbidden: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    # A running server with an invalid configuration is unavailable until an operator fixes it.
    ConfigurationError: HTTPStatus.SERVICE_UNAVAILABLE,
}
CODES: Final = {422: "invalid_input", 413: "too_large", 429: "overloaded", 503: "unavailable", 504: "deadline_exceeded"}
OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
MODEL_NOT_FOUND: Final = "model_not_found"  # as OpenAI names it
OPENAI_PATHS: Final = ("/v1/embeddings", "/v1/models", "/v1/chat/", "/embeddings", "/models", *OPENAI_MISSING)
TEI_PATHS: Final = ("/", "/embed", "/rerank")
TEI_TYPES: Final = {422: "Validation", 413: "Validation", 429: "Overloaded", 503: "Unhealthy"}
MAX_ECHOED_CHARACTERS: Final = 500
VERBS: Final = ("is ", "has ")
"""How a message about a field begins whose subject is the field."""
DISCONNECTED: Final = "client disconnected prematurely"
"""Litestar's words for a client that leaves while its body is read."""

log = structlog.get_logger(__name__)


class FieldProblem(msgspec.Struct, frozen=True):
    """An error of one field; `field` is a JSON path such as `documents[0].text`."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
    """A stable name of the kind of problem, for programs."""
    errors: tuple[FieldProblem, ...] = ()
    request_id: str | None = None


class OpenAIErrorBody(msgspec.Struct, frozen=True):
    """The content of OpenAI's error object."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class TeiError(msgspec.Struct, frozen=True):
    """The error object of text-embeddings-inference."""

    error: str
    error_type: str


class OpenAIError(msgspec.Struct, frozen=True):
    """OpenAI's error object."""

    error: OpenAIErrorBody


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Return the response for any exception. An unexpected one is logged and returned without its message."""
    if isinstance(error, ValidationException):
        error = _with_names_of_query(error, request.scope.get("route_handler"))
    problem = problem_of(error, request_id=request.scope.get("request_id"))  # type: ignore[arg-type]
    if isinstance(error, NotFoundException):
        # Litestar's own, where no route has the path; the use cases raise NotFound.
        routes = (route.path for route in request.app.routes)
        detail = missing_route(request.scope["path"], routes)[:MAX_ECHOED_CHARACTERS]
        problem = msgspec.structs.replace(problem, detail=detail)
    problem = msgspec.structs.replace(problem, detail=restore_slashes(problem.detail))
    headers = _headers(error)
    if request.scope["path"].startswith(OPENAI_PATHS):
        return Response(openai_error(problem), status_code=problem.status, headers=headers)
    if request.scope["path"] in TEI_PATHS:
        return Response(tei_error(problem), status_code=problem.status, headers=headers)
    return Response(problem, status_code=problem.status, headers=headers, media_type="application/problem+json")


def problem_of(error: Exception, *, request_id: str | None = None) -> Problem:
    """Return the problem details for an exception."""
    match error:
        case PhoserveError():
            status, detail, errors = status_of(error), _sentence(error), _fields(error)
        case ValidationException():
            status, errors = HTTPStatus.UNPROCESSABLE_ENTITY, _validation_fields(error)
            detail = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in errors)
        case InternalServerException() if error.detail == DISCONNECTED:
            # No client receives this response. It must not count as a server error in the access log.
            status, detail, errors = HTTPStatus.BAD_REQUEST, "the connection ended before the request did", ()
        case MethodNotAllowedException():
            allowed = (error.headers or {}).get("allow", "").split(", ")
            status, errors = HTTPStatus.METHOD_NOT_ALLOWED, ()
            detail = f"this method is not allowed here; use {' or '.join(sorted({*allowed} - {'OPTIONS'}))}"
        case HTTPException():
            status, detail, errors = HTTPStatus(error.status_code), error.detail, ()
        case _:
            log.error("unexpected_error", exc_info=error, request_id=request_id)
            status, errors = HTTPStatus.INTERNAL_SERVER_ERROR, ()
            detail = "internal error; the server's log has the details with this request id"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and isinstance(error, PhoserveError):
        log.warning("request_failed", error=str(error), kind=type(error).__name__, request_id=request_id)
    return Problem(
        title=status.phrase,
        status=int(status),
        detail=detail[:MAX_ECHOED_CHARACTERS],
        code=_code(error, status),
        errors=errors,
        request_id=request_id,
    )


def status_of(error: PhoserveError) -> HTTPStatus:
    """Return the status of the nearest class of `error` in `STATUS`."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def openai_error(problem: Problem) -> OpenAIError:
    """Convert `problem` to OpenAI's shape."""
    fault = "server_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    kind = fault if problem.code == MODEL_NOT_FOUND else OPENAI_TYPES.get(problem.status, fault)
    param = problem.errors[0].field if problem.errors else None
    return OpenAIError(OpenAIErrorBody(message=problem.detail, type=kind, param=param or None, code=problem.code))


def tei_error(problem: Problem) -> TeiError:
    """Convert `problem` to the shape of text-embeddings-inference."""
    return TeiError(error=problem.detail, error_type=TEI_TYPES.get(problem.status, "Backend"))


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, Overloaded | Unavailable):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, HTTPException) and error.headers:
        return dict(error.headers)
    return {}


def _sentence(error: PhoserveError) -> str:
    """Return the message, with the name of its field where it begins with the verb: "query is blank"."""
    message, field = str(error), getattr(error, "field", None)
    return f"{field} {message}" if field and message.startswith(VERBS) else message


def _fields(error: PhoserveError) -> tuple[FieldProblem, ...]:
    if isinstance(error, ModelNotFound):
        return (FieldProblem("model", str(error)),)
    if isinstance(error, InvalidInput) and error.field:
        return (FieldProblem(error.field, str(error)),)
    return ()


def _with_names_of_query(error: ValidationException, handler: Any) -> ValidationException:
    """Return `error` with the parameters as requests name them, and with the values that an enum has."""
    parameters = handler.parsed_fn_signature.parameters if isinstance(handler, BaseRouteHandler) else {}
    entries = [dict(entry) for entry in error.extra] if isinstance(error.extra, list) else []
    for entry in entries:
        field = parameters.get(str(entry.get("key")))
        if field is None:
            continue
        message = str(entry.get("message", ""))
        hint = hint_for(message, "", field.annotation) or hint_for(message, "[0]", field.annotation)
        entry |= {"key": getattr(field.kwarg_definition, "name", None) or entry["key"], "message": message + hint}
    return ValidationException(detail=error.detail, extra=entries) if entries else error


def _validation_fields(error: ValidationException) -> tuple[FieldProblem, ...]:
    """Return Litestar's validation errors of the query string, a header or the path."""
    entries = error.extra if isinstance(error.extra, list) else []
    if any(entry.get("key") == "data" for entry in entries):
        return (FieldProblem("", "the body is empty: send a JSON object"),)
    found = tuple(FieldProblem(str(entry.get("key", "")), str(entry.get("message", ""))) for entry in entries)
    return found or (FieldProblem("", error.detail),)


def _code(error: Exception, status: HTTPStatus) -> str:
    if isinstance(error, ModelNotFound):
        return MODEL_NOT_FOUND
    if isinstance(error, UnsupportedParameter):
        return "unsupported_parameter"
    if isinstance(error, LlmUnavailable | LlmOverloaded | LlmTimeout):
        return error.code
    return CODES.get(status, status.name.lower())
