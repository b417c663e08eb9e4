"""One collection of a Qdrant server, created on first use. Errors of the client become errors of this project."""

import asyncio
import contextlib
import json
import warnings
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import grpc
import structlog
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from phoserve.adapters.points import TITLE_KEY, TITLE_WORDS
from phoserve.documents.filters import (
    All,
    AnyOf,
    Exists,
    Filter,
    Match,
    Not,
    Prefix,
    Range,
    Scalar,
    TitlePrefix,
    TitleWords,
    quoted_path,
)
from phoserve.errors import EngineFailed, Unavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)
SCROLL_LIMIT: Final = 1000
REST_PORT: Final = 6333
PROBE_TIMEOUT_S: Final = 2.0
KEEPALIVE: Final = {
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    # Only while calls are in flight: servers close connections that ping too often without any.
    "grpc.keepalive_permit_without_calls": 0,
}
"""Without it, calls to a machine that lost its power fail until TCP gives up the connection, after 15 minutes."""
RECONNECT: Final = {
    # gRPC waits up to two minutes between attempts to connect, in which every call fails although the server is back.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.service_config": json.dumps(
        {
            "methodConfig": [
                {
                    "name": [{}],
                    "retryPolicy": {
                        "maxAttempts": 5,
                        "initialBackoff": "0.3s",
                        "maxBackoff": "1s",
                        "backoffMultiplier": 2,
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ]
        }
    ),
}
"""Calls are repeated for about a second, also writes: all of them may be repeated."""
_PASSING: Final = {408, 409, 429}
_WRONG_KEY: Final = {401, 403}
_GRPC_CALLERS_FAULT: Final = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED}
_GRPC_WRONG_KEY: Final = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


@dataclass(frozen=True, slots=True)
class QdrantOptions:
    """The layout of new collections."""

    shards: int = 1
    replicas: int = 1
    on_disk: bool = False
    """Keep vectors and terms on disk instead of in memory."""
    quantization: Literal["none", "int8", "binary"] = "none"
    """Vectors for graph search. The best hits are scored again with the full vectors."""


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """The vectors of a collection and the payload fields for filters and order."""

    indexes: Mapping[str, models.KeywordIndexParams | models.IntegerIndexParams]
    vectors: Mapping[str, models.VectorParams] = field(default_factory=dict)
    sparse_vectors: Mapping[str, models.SparseVectorParams] | None = None
    hnsw: models.HnswConfigDiff | None = None
    quantization: models.ScalarQuantization | models.BinaryQuantization | None = None


def connect(
    url: str, *, api_key: str | None = None, grpc_port: int | None = None, timeout_s: float = 10.0
) -> AsyncQdrantClient:
    """Return a client of the server at `url`, which uses REST without a gRPC port. Nothing is sent yet."""
    with warnings.catch_warnings():
        # Within a cluster the key is sent without TLS. Set an https URL to use TLS.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            api_key=api_key or None,
            prefer_grpc=bool(grpc_port),
            grpc_port=grpc_port or 6334,
            grpc_options={**KEEPALIVE, **RECONNECT},
            timeout=max(1, round(timeout_s)),
            check_compatibility=False,
        )


async def reachable_grpc_port(url: str, port: int) -> int | None:
    """Return `port`, or None with a warning if the server at `url` accepts connections for REST alone.

    Servers behind an HTTP load balancer or a firewall were used with REST before gRPC became the default.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not port or await _accepts(host, port) or not await _accepts(host, parts.port or REST_PORT):
        return port or None
    hint = "open the port, or set PHOSERVE_QDRANT__GRPC_PORT=0 for REST"
    log.warning("qdrant_grpc_unreachable", url=url, grpc_port=port, using="REST, which is slower", hint=hint)
    return None


async def _accepts(host: str, port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    return False


class QdrantCollection:
    """One physical collection, which several processes may create at once."""

    def __init__(self, client: AsyncQdrantClient, name: str, schema: CollectionSchema, options: QdrantOptions) -> None:
        self.client = client
        self.name = name
        self._layout = schema
        self._options = options
        self._made = False
        self._making = asyncio.Lock()

    async def call(self, method: str, **arguments: Any) -> Any:
        """Return the result of the client's `method` for this collection. Raises Unavailable."""
        await self._make()
        try:
            return await answered(getattr(self.client, method)(self.name, **arguments))
        except Unavailable as error:
            if _says_missing(error.__cause__):
                self._made = False  # it was dropped: the next call creates it again
            raise

    async def scroll_all(self, condition: models.Filter, *, payload: Any = True) -> list[models.Record]:
        """Return every record that matches, in no particular order."""
        records: list[models.Record] = []
        offset = None
        while True:
            page, offset = await self.call(
                "scroll", scroll_filter=condition, limit=SCROLL_LIMIT, offset=offset, with_payload=payload
            )
            records += page
            if offset is None:
                return records

    async def _make(self) -> None:
        if self._made:
            return
        async with self._making:
            if not self._made:
                if not await answered(self.client.collection_exists(self.name)):
                    await self._create()
                # Also for an existing collection: its creator may have crashed before it created the indexes, or may
                # have been a version that built a graph for each. Qdrant replaces an index whose parameters differ.
                for name, schema in self._layout.indexes.items():
                    await answered(self.client.create_payload_index(self.name, name, field_schema=schema))
                self._made = True

    async def _create(self) -> None:
        options, schema = self._options, self._layout
        try:
            await answered(
                self.client.create_collection(
                    self.name,
                    vectors_config=schema.vectors,
                    sparse_vectors_config=schema.sparse_vectors,
                    shard_number=options.shards,
                    replication_factor=options.replicas,
                    write_consistency_factor=options.replicas // 2 + 1,
                    on_disk_payload=True,
                    hnsw_config=schema.hnsw,
                    quantization_config=schema.quantization,
                )
            )
        except (Unavailable, EngineFailed):
            if not await answered(self.client.collection_exists(self.name)):
                raise  # otherwise another process was first


async def answered(call: Awaitable[T]) -> T:
    """Return the result of a call of the client. Raises Unavailable if a retry may succeed, else EngineFailed."""
    try:
        return await call
    except ResponseHandlingException as error:
        raise Unavailable("qdrant", f"Qdrant does not answer ({error.source})") from error
    except ResourceExhaustedResponse as error:
        raise Unavailable("qdrant", "Qdrant takes no more for now", retry_after_s=error.retry_after_s) from error
    except UnexpectedResponse as error:
        status = error.status_code or 500
        if status in _WRONG_KEY:
            raise _wrong_key() from error
        if status >= 500 or status in _PASSING or _says_missing(error):
            raise Unavailable("qdrant", f"Qdrant answers {status} {error.reason_phrase}") from error
        raise EngineFailed(f"Qdrant refused the request: {status} {error.reason_phrase}") from error
    except grpc.aio.AioRpcError as error:
        if error.code() in _GRPC_WRONG_KEY:
            raise _wrong_key() from error
        if error.code() in _GRPC_CALLERS_FAULT:
            raise EngineFailed(f"Qdrant refused the request: {error.code().name}: {error.details()}") from error
        raise Unavailable("qdrant", f"Qdrant does not answer ({error.code().name})") from error
    except Exception as error:  # an answer that the client cannot read
        raise EngineFailed(f"Qdrant's client failed: {type(error).__name__}: {error}") from error


def equal(name: str, value: str | int) -> models.FieldCondition:
    """Return the condition that a payload field equals `value`."""
    return models.FieldCondition(key=name, match=models.MatchValue(value=value))


def one_of(name: str, values: Sequence[str]) -> models.FieldCondition:
    """Return the condition that a payload field equals one of `values`."""
    return models.FieldCondition(key=name, match=models.MatchAny(any=list(values)))


class QdrantConditions:
    """The `Conditions` of the server."""

    def equal(self, field: str, value: str) -> Any:
        """Return the condition that the field equals `value`."""
        return equal(field, value)

    def one_of(self, field: str, values: Sequence[str]) -> Any:
        """Return the condition that the field, or an element of its list, is one of `values`."""
        return one_of(field, values)

    def is_empty(self, field: str) -> Any:
        """Return the condition that the field is absent, null or an empty list."""
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=field))

    def group(self, *, must: Sequence[Any] = (), should: Sequence[Any] = (), must_not: Sequence[Any] = ()) -> Any:
        """Return a filter of all `must`, any `should` (if there are some) and none of `must_not`."""
        return models.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


def between(name: str, **bounds: float) -> models.FieldCondition:
    """Return the condition that a payload field is within the bounds."""
    return models.FieldCondition(key=name, range=models.Range(**bounds))


def condition_of(where: Filter, prefix: str = "metadata") -> Any:
    """Return the server's condition for `where` over fields under `prefix`. Raises InvalidInput for a wrong field."""
    match where:
        case Match(name, value):
            return _equals(quoted_path(prefix, name), value)
        case AnyOf(values=()):
            return models.HasIdCondition(has_id=[])
        case AnyOf(name, values):
            return models.Filter(should=[_equals(quoted_path(prefix, name), value) for value in values])
        case Range(name):
            return models.FieldCondition(key=quoted_path(prefix, name), range=_range(where))
        case Exists(name):
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=quoted_path(prefix, name)))
            return models.Filter(must_not=[empty])
        case Prefix() | TitlePrefix() | TitleWords():
            return _of_text(where, prefix)
        case Not(condition):
            return models.Filter(must_not=[condition_of(condition, prefix)])
        case All(conditions):
            return models.Filter(must=[condition_of(condition, prefix) for condition in conditions])


def _of_text(where: Prefix | TitlePrefix | TitleWords, prefix: str) -> Any:
    match where:
        case Prefix(name, start):
            return models.FieldCondition(key=quoted_path(prefix, name), match=models.MatchPrefix(prefix=start))
        case TitlePrefix(start):
            return models.FieldCondition(key=TITLE_KEY, match=models.MatchPrefix(prefix=start))
        case TitleWords(words):
            return models.Filter(must=[equal(TITLE_WORDS, word) for word in words])


def _equals(key: str, value: Scalar) -> models.FieldCondition:
    if isinstance(value, str | bool):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    # A match would distinguish 2024 and 2024.0, which JSON does not.
    return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))


def _range(where: Range) -> models.Range | models.DatetimeRange:
    bounds: dict[str, Any] = {name: getattr(where, name) for name in ("gt", "gte", "lt", "lte")}
    if any(isinstance(bound, str) for bound in bounds.values()):
        return models.DatetimeRange(**bounds)
    return models.Range(**bounds)


def _wrong_key() -> Unavailable:
    return Unavailable("qdrant", "Qdrant refuses the API key; check PHOSERVE_QDRANT__API_KEY")


def _says_missing(error: BaseException | None) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code == 404
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.NOT_FOUND
