"""Settings, one small group per concern, from `PHOSERVE_<GROUP>__<NAME>` variables.

Only composition roots read them. Other modules receive values as arguments.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from phoserve.errors import ConfigurationError

PREFIX: Final = "PHOSERVE_"
NESTED: Final = "__"


class Group(BaseModel):
    """A group of settings. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Group):
    """The model's folder with contract and tokenizer files. Weights are not needed here."""

    folder: Path = Path("/models/phobert_simcse")


class ModelServer(Group):
    """Triton servers of one model."""

    url: str
    fallback_url: str | None = None


class ModelsSettings(Group):
    """Models in addition to the default one, and more names for them."""

    folders: tuple[Path, ...] = ()
    """Folders (contract and tokenizer) of more embedding models, as JSON: `["/models/bge-m3"]`."""
    servers: dict[Path, ModelServer] = {}
    """Triton servers of models that have their own, by folder: `{"/models/bge-m3": {"url": "bge-m3:8001"}}`."""
    rerankers: dict[str, str] = {}
    """Public Triton models of cross-encoders by the names that requests use; the first is the default."""
    aliases: dict[str, str] = {}
    """More names of embedding models, as JSON: `{"text-embedding-3-small": "phobert_simcse"}`."""


class TritonSettings(Group):
    """Triton's gRPC endpoint."""

    url: str = "127.0.0.1:8001"
    """HOST:PORT, or dns:///NAME:PORT for all addresses of a name, round robin."""
    fallback_url: str | None = None
    """A second server, on CPUs, for the time when the first is unavailable."""
    timeout_s: float = 30.0
    reranker: str | None = None
    """Name of the cross-encoder in responses, if Triton serves one (`phobert_reranker`)."""
    admin_secret: SecretStr | None = None
    """Secret of Triton's admin protocols, for `phoserve rollout`."""
    api_key: SecretStr | None = None
    """Key of Triton's inference, statistics and model configurations, where the server requires one."""

    @property
    def key(self) -> str | None:
        """The API key itself; None where none is set."""
        return self.api_key.get_secret_value() or None if self.api_key else None


class QdrantSettings(Group):
    """The Qdrant server of a platform of several processes."""

    url: str = "http://127.0.0.1:6333"
    api_key: SecretStr | None = None
    grpc_port: int = Field(default=6334, ge=0, le=65535)
    """Port for gRPC, 0 for REST. REST is also used, with a warning, if only the port of `url` accepts connections."""
    timeout_s: float = 10.0
    shards: int = 1
    """Shards of a new collection. Like the next three settings, it does not change existing collections."""
    replicas: int = 1
    """Copies of each shard, at most the number of peers. Writes wait for a majority."""
    on_disk: bool = False
    """Keep vectors and terms on disk instead of in memory."""
    quantization: Literal["none", "int8", "binary"] = "none"
    """Quantisation for graph search: a quarter of the memory, or a thirty-second for models that tolerate it."""


class RegistrySettings(Group):
    """The database of collections and documents."""

    url: SecretStr = SecretStr("postgresql://phoserve@127.0.0.1:5432/phoserve")
    """postgresql://USER:PASSWORD@HOST:5432/NAME with parameters of libpq, such as
    ?sslmode=verify-full&sslrootcert=FILE."""
    password: SecretStr | None = None
    """In place of the URL's password, so that a secret need hold nothing else."""
    password_file: Path | None = None
    """In place of both: read for every new connection, so that a rotated password takes effect without a restart."""
    pool_size: int = 10
    """Connections of one process at most."""
    timeout_s: float = 10.0
    """For one transaction, including the wait for a connection."""
    connect_timeout_s: float = 5.0


class RedisSettings(Group):
    """The Redis that wakes the workers. Its data may be lost."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")


class SourceSettings(Group):
    """Location of the originals: a folder, or a URL such as s3://BUCKET/PREFIX."""

    url: str = "file:///originals"


class WorkerSettings(Group):
    """The process `phoserve worker`."""

    heartbeat_file: Path | None = None
    """File that is touched every few seconds while the worker runs and reaches its broker."""
    metrics_port: int | None = None
    """Port of the worker's Prometheus metrics; none by default."""
    lease_s: float = 20.0
    """A worker without a heartbeat for this long is considered dead, and another takes its document."""
    reconcile_every_s: float = 5.0


class LimitSettings(Group):
    """Limits of one request, and of concurrent work in the API."""

    max_body_bytes: int = 32 * 1024 * 1024
    """Size of a JSON body with documents, or with texts to embed, rerank or tokenize."""
    max_question_bytes: int = 1024 * 1024
    """Size of other JSON bodies, such as a search or a conversation."""
    max_upload_bytes: int = 512 * 1024 * 1024
    """Size of a multipart upload, all files together."""
    max_texts: int = 2048
    """Texts in one embeddings request."""
    max_rerank_documents: int = 256
    max_documents: int = 1000
    """JSON documents in one request."""
    max_query_characters: int = 4000
    max_conversation_characters: int = 64_000
    """Total length of the turns before a question."""
    max_top_k: int = 100
    max_candidates: int = 1000
    """Passages that one search may page through."""
    timeout_s: float = 30.0
    """Deadline of a request; a client may set an earlier one with the header `X-Request-Timeout` (seconds)."""
    answer_timeout_s: float = 120.0
    """Deadline of an answer, which waits for an LLM."""
    max_in_flight: int = 64
    """Searches, answers and embeddings requests in flight; further ones return 429.

    Of this and of the next two, one of several active keys has three quarters at most.
    """
    max_texts_in_flight: int = 8192
    """Texts in flight to the encoder, over all requests."""
    max_answers_in_flight: int = 16
    drain_s: int = 10
    """Time for requests in flight to end after SIGTERM; a streamed answer needs `answer_timeout_s`."""
    requests_per_s: float | None = None
    """Average rate of one key; None for no limit."""
    request_burst: int = 50
    """Burst of one key after a pause."""
    requests_at_once: int = 64
    """Requests of one key in flight."""
    max_text_characters: int = 200_000
    """Of one text to embed, rerank or tokenize; a model reads far less."""
    query_cache_entries: int = 4096
    """Cached query embeddings; 0 disables the cache."""


class HttpSettings(Group):
    """Who may connect to the API, and how long a connection may take."""

    allowed_hosts: str = ""
    """Comma-separated host names that requests may name in addition to the listening address; "*" allows any.

    By default loopback names are allowed without API keys, and any name with them.
    """
    cors_origins: str = ""
    """Origins, with commas, such as https://app.example.com, whose pages may call the API from a browser."""
    trusted_proxies: str = ""
    """Addresses or networks, with commas, whose X-Forwarded-For header names the client; "*" trusts any."""
    header_timeout_s: float = 10.0
    """Time a client has to send a request's line and headers."""
    body_timeout_s: float = 30.0
    """Longest pause while a client sends a body; its average over twice this time is a KiB/s at least."""
    max_connections: int = 4000
    max_connections_per_client: int = 1000
    """Of one address that is no trusted proxy."""
    max_event_streams: int = 200
    """Streams of `GET .../events` open at once, over all clients."""
    max_event_streams_per_key: int = 20
    max_failed_keys_per_minute: int = 20
    """Requests with a wrong key that one address may send; more are answered 429."""
    metrics_port: int | None = None
    """A second port that serves /metrics without a key, for Prometheus inside the cluster."""


class KeySettings(Group):
    """API keys; without keys, the API listens on loopback only."""

    file: Path | None = None
    """A JSON list of keys (docs/api.md), reloaded when it changes."""
    inline: SecretStr | None = None
    """The list itself, for platforms that pass secrets in variables."""
    required: bool = False
    """Require a key although neither list is set: the registry's keys are the only ones (`phoserve keys add`)."""
    outage_s: float = Field(default=3600.0, ge=0)
    """How long the registry's keys stay valid in a process that cannot reach the registry."""

    @property
    def are_required(self) -> bool:
        """Whether access needs a key."""
        return self.required or self.file is not None or self.inline is not None


class AuditSettings(Group):
    """How long audit events stay in the registry. The log has all of them too."""

    keep_days: float = Field(default=90.0, ge=0)
    """0 stores none."""
    max_events: int = Field(default=1_000_000, ge=1)
    """About how many there are at most; the oldest ones are removed."""


class LlmSettings(Group):
    """The OpenAI-compatible server for generated answers; without a URL, answers are extractive (docs/llm.md)."""

    url: str | None = None
    """Such as http://127.0.0.1:11434/v1."""
    model: str = "default"
    api_key: SecretStr = SecretStr("")
    max_tokens: int = 1024
    """Limit of a reply, unless the request sets it."""
    temperature: float = 0.1
    context_tokens: int = 8192
    """Tokens the model reads and writes at most, together: passages that do not fit are cut between units."""
    first_token_timeout_s: float = 60.0
    idle_timeout_s: float = 30.0
    """Between two pieces of a reply."""
    max_retries: int = 2
    """After a refused connection, 408, 409, 429 or 5xx, before the first piece of a reply."""
    extra_body: dict[str, Any] = {}
    """More fields for every request, as JSON: `{"chat_template_kwargs": {"enable_thinking": false}}`."""


class AnswerSettings(Group):
    """Wording of answers, and the evidence that they need."""

    instructions: str | None = None
    """Instead of the built-in prompt; `{not_found}` is replaced by the sentence below."""
    not_found: str | None = None
    """Instead of a sentence in the language of the question."""
    fallback: bool = True
    """Give an extractive answer where the LLM fails; otherwise the failure is returned."""
    window: int = 1
    """Passages before and after each hit that the LLM reads too, as far as they fit its context."""
    keep_images: bool = False
    """Keep images in the LLM's text, whose addresses are loaded by the client that displays it."""
    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability that it answers the question, below which no extractive answer is given; None for what was measured
    (docs/llm.md): 0.541 with the bundled encoder, 0.642 with others."""
    keep_hours: Annotated[float, Field(ge=0)] = 24.0
    """How long answers are kept for feedback; those with feedback stay. 0 keeps none."""
    min_evidence: float | None = None
    """Of version 0.1, on another scale: it has no effect. Use `min_confidence`."""


class TracingSettings(Group):
    """Address of the trace collector, such as http://collector:4318/v1/traces; none by default."""

    otlp_endpoint: str | None = None


class Settings(BaseSettings):
    """All groups together."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="forbid")

    model: ModelSettings = ModelSettings()
    models: ModelsSettings = ModelsSettings()
    triton: TritonSettings = TritonSettings()
    qdrant: QdrantSettings = QdrantSettings()
    registry: RegistrySettings = RegistrySettings()
    redis: RedisSettings = RedisSettings()
    sources: SourceSettings = SourceSettings()
    worker: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    http: HttpSettings = HttpSettings()
    keys: KeySettings = KeySettings()
    audit: AuditSettings = AuditSettings()
    llm: LlmSettings = LlmSettings()
    answers: AnswerSettings = AnswerSettings()
    tracing: TracingSettings = TracingSettings()


def load_settings() -> Settings:
    """Load the settings from this process's environment. Raises ConfigurationError that names each wrong variable."""
    wrong = [f"{name}: unknown group of settings" for name in _unknown_variables()]
    try:
        settings = Settings()
    except ValidationError as error:
        wrong += [f"{_variable(each['loc'])}: {_describe(each)}" for each in error.errors()]
    if wrong:
        raise ConfigurationError(f"the settings are wrong: {'; '.join(wrong)}")
    return settings


def _unknown_variables() -> list[str]:
    """Return variables of unknown groups, which pydantic would ignore."""
    groups = tuple(f"{PREFIX}{group}{NESTED}".upper() for group in Settings.model_fields)
    names = [name for name in os.environ if name.upper().startswith(PREFIX) and NESTED in name]
    return sorted(name for name in names if not name.upper().startswith(groups))


def _variable(path: tuple[int | str, ...]) -> str:
    return PREFIX + NESTED.join(str(part).upper() for part in path)


def _describe(error: ErrorDetails) -> str:
    if error["type"] != "extra_forbidden":
        return error["msg"]
    group, *_ = error["loc"]
    fields: Mapping[str, Any] = getattr(Settings.model_fields[str(group)].annotation, "model_fields", {})
    near = get_close_matches(str(error["loc"][-1]).lower(), fields, n=1)
    return f"unknown setting; did you mean {_variable((group, near[0]))}?" if near else "unknown setting"
