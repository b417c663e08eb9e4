"""The domain errors: what can go wrong, said once, for every caller to map to its own protocol."""


class PhoserveError(Exception):
    """Base of all errors this project raises on purpose; the message says what to do."""


class ConfigurationError(PhoserveError):
    """A setting, a file or the environment is wrong; nothing can start until it is mended."""


class ContractMismatch(ConfigurationError):
    """Two parts disagree about the model: serving on would mix vectors of different models."""


class InvalidInput(PhoserveError):
    """The caller's input is wrong; sending it again unchanged cannot succeed.

    `field` is a JSON path into the request, such as `input[3]` or `documents[0].text`.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(InvalidInput):
    """The input is over a limit; the message names the limit."""


class UnsupportedParameter(InvalidInput):
    """A parameter that this server, or the LLM behind it, does not support."""


class NotFound(PhoserveError):
    """The named thing does not exist, or the caller may not know that it does."""


class CollectionNotFound(NotFound):
    """No such collection."""

    def __init__(self, name: str) -> None:
        super().__init__(f"collection {name!r} does not exist; create it with PUT /v1/collections/{name}")
        self.name = name


class DocumentNotFound(NotFound):
    """No such document in the collection."""

    def __init__(self, collection: str, document_id: str) -> None:
        super().__init__(f"document {document_id!r} does not exist in collection {collection!r}")
        self.collection = collection
        self.document_id = document_id


class Conflict(PhoserveError):
    """The state of the thing does not allow this now, or somebody else changed it first."""


class Overloaded(PhoserveError):
    """More work is waiting than may wait; try again after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(PhoserveError):
    """A dependency (`triton`, `qdrant`, `llm`, ...) does not answer; try again after `retry_after_s` seconds."""

    def __init__(self, dependency: str, message: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(message)
        self.dependency = dependency
        self.retry_after_s = retry_after_s


class DeadlineExceeded(PhoserveError):
    """The answer did not come within the caller's time limit."""
