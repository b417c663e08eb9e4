"""Reranking in the shape that Cohere's and Jina's clients send and expect."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType


class RerankDocument(Struct, frozen=True, kw_only=True):
    """A passage to score."""

    text: str


class RerankRequest(Struct, frozen=True, kw_only=True):
    """Passages to order by how well they answer the query; unknown fields are ignored."""

    query: str
    documents: Annotated[list[str | RerankDocument], Meta(min_length=1)]
    model: Annotated[str | None, Meta(description="A reranker of GET /v1/models; the default one without it.")] = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = False


class RerankResult(Struct, frozen=True, kw_only=True):
    """A passage's place in the request, and its score."""

    index: int
    relevance_score: float
    document: RerankDocument | UnsetType = UNSET


class RerankResponse(Struct, frozen=True, kw_only=True):
    """Best first."""

    id: str
    model: str
    results: list[RerankResult]
