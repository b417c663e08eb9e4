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


class Settings(BaseSettings):
    """All groups together."""

    model_config = SettingsConfigDict(env_prefix="PHOSERVE_", env_nested_delimiter="__", extra="forbid")

    model: ModelSettings = ModelSettings()
    triton: TritonSettings = TritonSettings()
