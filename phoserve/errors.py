"""The domain errors, which every caller maps to its own protocol."""

from collections.abc import Callable, Sequence
from typing import Any


class PhoserveError(Exception):
    """Base class of all expected errors. The message has the problem and the fix."""

    def __reduce__(self) -> tuple[Callable[..., "PhoserveError"], tuple[Any, ...]]:
        """Return how to rebuild the error in another process: the arguments of subclasses are not their `args`."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[PhoserveError], arguments: tuple[Any, ...], fields: dict[str, Any]) -> PhoserveError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(fields)
    return error


class ConfigurationError(PhoserveError):
    """A setting, a file or the environment is wrong. Nothing can start until it is fixed."""


class ContractMismatch(ConfigurationError):
    """Two parts use different models: continuing would mix vectors of different models."""


class InvalidInput(PhoserveError):
    """The caller's input is wrong. A retry without changes cannot succeed.

    `field` is a JSON path into the request, such as `input[3]` or `documents[0].text`.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(InvalidInput):
    """The input exceeds a limit, which the message names."""


class UnsupportedParameter(InvalidInput):
    """A parameter that this server, or the LLM behind it, does not support."""


class NotFound(PhoserveError):
    """The resource does not exist, or the caller may not access it."""


class ModelNotFound(NotFound):
    """No such model is served."""

    def __init__(self, name: str, available: Sequence[str]) -> None:
        super().__init__(f"the model {name!r} does not exist here; there are: {', '.join(available) or 'none'}")
        self.name = name


class CollectionNotFound(NotFound):
    """The collection does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name!r} does not exist; create it with PUT /v1/collections/{name}")
        self.name = name


class DocumentNotFound(NotFound):
    """The document does not exist in the collection."""

    def __init__(self, collection: str, document_id: str) -> None:
        super().__init__(f"document {document_id!r} does not exist in collection {collection!r}")
        self.collection = collection
        self.document_id = document_id


class Forbidden(PhoserveError):
    """The caller may not do this. Another key may."""


class Conflict(PhoserveError):
    """The state of the resource does not allow this now, or another writer changed it first."""


class Overloaded(PhoserveError):
    """At capacity. Retry after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(PhoserveError):
    """A dependency (`triton`, `qdrant`, `llm`, ...) is unavailable. Retry after `retry_after_s` seconds."""

    def __init__(self, dependency: str, message: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(message)
        self.dependency = dependency
        self.retry_after_s = retry_after_s


class EngineFailed(PhoserveError):
    """The search engine is running and failed on this call; the same call may fail again."""


class DeadlineExceeded(PhoserveError):
    """The caller's deadline passed."""
