"""Settings, one small group per concern, from `PHOSERVE_<GROUP>__<NAME>` variables.

Only composition roots read them; everything else is handed what it needs.
"""

from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ModelSettings(BaseModel):
    """Where the model's folder (contract and tokenizer files; weights are not needed here) lies."""

    folder: Path = Path("/models/phobert_simcse")


class TritonSettings(BaseModel):
    """How to reach Triton's gRPC endpoint."""

    url: str = "127.0.0.1:8001"
    timeout_s: float = 30.0
    admin_secret: SecretStr | None = None


class LimitSettings(BaseModel, frozen=True):
    """What one request may ask for, and how much the API takes on at once."""

    max_body_bytes: int = 32 * 1024 * 1024
    max_upload_bytes: int = 512 * 1024 * 1024
    """A multipart upload, all files together."""
    max_texts: int = 2048
    """Texts in one embeddings request."""
    max_documents: int = 1000
    """JSON documents in one request."""
    max_query_characters: int = 4000
    max_top_k: int = 100
    max_candidates: int = 1000
    """Passages one search may page through."""
    timeout_s: float = 30.0
    """Time a request may take; a client may ask for less with the header `X-Request-Timeout` (seconds)."""
    answer_timeout_s: float = 120.0
    """The same for answers, which wait for an LLM."""
    max_in_flight: int = 64
    """Searches, answers and embeddings requests served at once; one more is answered 429."""
    max_texts_in_flight: int = 8192
    """Texts being embedded at once, over all requests."""
    max_answers_in_flight: int = 16
    requests_per_s: float | None = None
    """Of one key, on average; None for no limit."""
    request_burst: int = 50
    """Requests a key may make at once after a pause."""
    requests_at_once: int = 64
    """Of one key."""
    query_cache_entries: int = 4096
    """Query embeddings remembered; 0 for none."""


class Settings(BaseSettings):
    """All groups together."""

    model_config = SettingsConfigDict(env_prefix="PHOSERVE_", env_nested_delimiter="__", extra="forbid")

    model: ModelSettings = ModelSettings()
    triton: TritonSettings = TritonSettings()
    limits: LimitSettings = LimitSettings()
