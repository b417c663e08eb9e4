"""Embeddings, tokens and models, in the shapes OpenAI's clients send and expect.

Unknown fields are ignored here: those clients send some that mean nothing to us.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from phoserve.contract import InputType

Text = str
Truncate = Literal["none", "end"]


class EmbeddingsRequest(Struct, frozen=True, kw_only=True):
    """Texts to embed."""

    input: Annotated[Text | list[Text | int | list[int]], Meta(description="One text, or a list of texts.")]
    model: Annotated[
        str | None, Meta(description="A name of GET /v1/models, or an alias; the default model without it.")
    ] = None
    encoding_format: Annotated[
        Literal["float", "base64"] | None, Meta(description="`float`, the default, or `base64`.")
    ] = None
    dimensions: Annotated[int | None, Meta(description="The model's dimension, or a shorter one it offers.")] = None
    user: str | None = None
    input_type: Annotated[
        InputType | None, Meta(description="What the texts are for; passages to search in by default.")
    ] = None
    truncate: Annotated[
        Truncate | None,
        Meta(description="`none` refuses texts that are longer than the model takes; `end`, the default, cuts them."),
    ] = None


class EmbeddingItem(Struct, frozen=True, kw_only=True):
    """One vector: floats, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    truncated: bool


class TokenUsage(Struct, frozen=True, kw_only=True):
    """Tokens the encoder read, specials included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Struct, frozen=True, kw_only=True):
    """Vectors in the texts' order."""

    object: Literal["list"] = "list"
    data: list[EmbeddingItem]
    model: str
    usage: TokenUsage


class ModelCard(Struct, frozen=True, kw_only=True):
    """An embedding model, a reranker, or a collection as a model of chat completions."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "phoserve"
    kind: Literal["embedding", "reranker", "collection"]
    dim: int | UnsetType = UNSET
    dims: Annotated[list[int] | UnsetType, Meta(description="Shorter dimensions that requests may ask for.")] = UNSET
    max_tokens: int | UnsetType = UNSET
    fingerprint: str | UnsetType = UNSET


class ModelList(Struct, frozen=True, kw_only=True):
    """The models served."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class TokenizeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts to tokenize."""

    input: str | list[str]
    model: str | None = None
    input_type: InputType = InputType.PASSAGE


class TokenizedText(Struct, frozen=True, kw_only=True):
    """One text as the encoder reads it."""

    index: int
    segmented: Annotated[str, Meta(description="The text after normalisation and word segmentation.")]
    tokens: Annotated[list[int], Meta(description="Token ids, specials included, truncated to the model's maximum.")]
    count: Annotated[int, Meta(description="Tokens before truncation, specials included.")]
    truncated: bool


class TokenizeResponse(Struct, frozen=True, kw_only=True):
    """Tokens in the texts' order."""

    model: str
    data: list[TokenizedText]
