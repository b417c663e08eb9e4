"""Embeddings in the shapes that Cohere's clients send and expect.

Null means the default and unknown fields are ignored, as on the other compatible routes.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class CohereEmbedRequest(Struct, frozen=True, kw_only=True):
    """Texts to embed."""

    texts: list[str] | None = None
    model: Annotated[
        str | None, Meta(description="A name of GET /v1/models, or an alias; the default model without it.")
    ] = None
    input_type: Annotated[
        Literal["search_document", "search_query", "classification", "clustering", "image"] | None,
        Meta(description="`search_query` for queries; the others are embedded as passages."),
    ] = None
    embedding_types: Annotated[list[str] | None, Meta(description="`float` or `base64`, or both.")] = None
    output_dimension: Annotated[int | None, Meta(description="The model's dimension, or a shorter one.")] = None
    truncate: Annotated[
        Literal["NONE", "START", "END"] | None,
        Meta(description="`END`, the default, cuts texts that are too long; `NONE` refuses them. No `START`."),
    ] = None
    images: list[Any] | None = None
    inputs: list[Any] | None = None


class CohereUnits(Struct, frozen=True, kw_only=True):
    """Tokens the encoder read, specials included."""

    input_tokens: int


class CohereVersion(Struct, frozen=True, kw_only=True):
    """The version of Cohere's API whose shape the answer has."""

    version: str


class CohereMeta(Struct, frozen=True, kw_only=True):
    """What was counted; `warnings` name the texts that were cut."""

    api_version: CohereVersion
    billed_units: CohereUnits
    warnings: list[str]


class CohereEmbedResponse(Struct, frozen=True, kw_only=True):
    """Vectors in the texts' order: a list (v1), or a list for each type that was asked for."""

    id: str
    response_type: Literal["embeddings_floats", "embeddings_by_type"]
    embeddings: Annotated[list[list[float]] | dict[str, Any], Meta(description="Vectors, or vectors by type.")]
    texts: list[str]
    meta: CohereMeta
