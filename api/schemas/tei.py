"""Embeddings and scores in the shapes that clients of text-embeddings-inference (TEI) send and expect.

Null means the default and unknown fields are ignored, as on the other compatible routes.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.rerank import RerankDocument


class TeiParameters(Struct, frozen=True, kw_only=True):
    """How texts are embedded."""

    normalize: Annotated[bool | None, Meta(description="Vectors have unit length; `false` is refused.")] = None
    truncate: Annotated[
        bool | None, Meta(description="Cut texts that are longer than the model takes; refused by default.")
    ] = None
    truncation_direction: str | None = None
    prompt_name: Annotated[
        str | None, Meta(description="`query` or `passage`, for models that were trained with instructions.")
    ] = None
    dimensions: Annotated[int | None, Meta(description="The model's dimension, or a shorter one it offers.")] = None


class TeiEmbedRequest(TeiParameters, frozen=True, kw_only=True):
    """Texts to embed with the default model; Hugging Face's client sends the other fields in `parameters`."""

    inputs: Annotated[str | list[str | int | list[int]], Meta(description="One text, or a list of texts.")]
    parameters: TeiParameters | None = None


class TeiRerankRequest(Struct, frozen=True, kw_only=True):
    """Passages to score: `texts` as TEI's clients send them, or `documents` as Infinity's and vLLM's do."""

    query: str
    texts: list[str] | None = None
    documents: list[str | RerankDocument] | None = None
    model: Annotated[str | None, Meta(description="A reranker of GET /v1/models; the default one without it.")] = None
    raw_scores: Annotated[bool | None, Meta(description="Scores are between 0 and 1; `true` is refused.")] = None
    return_text: bool | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None


class TeiRank(Struct, frozen=True, kw_only=True):
    """A passage's place in the request, and its score."""

    index: int
    score: float
    text: str | UnsetType = UNSET
