"""Answers over the wire."""

from typing import Annotated

from msgspec import Meta, Struct

from api.schemas.search import FilterField, Positive, SearchHit, Weights
from phoserve.answers.citations import Citation
from phoserve.answers.ports import TokenCounts
from phoserve.search.retrieval import SearchMode


class AnswerRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to answer, and from which passages."""

    question: str
    top_k: Annotated[Positive, Meta(description="Passages to answer from.")] = 5
    mode: SearchMode = SearchMode.HYBRID
    filter: FilterField = None
    weights: Weights | None = None
    per_document: Positive | None = None
    rerank: bool = False
    stream: bool = False


class CitationView(Struct, frozen=True, kw_only=True):
    """A sentence the answer rests on; `marker` is its number in the text, `start` and `end` are document characters."""

    marker: int
    document_id: str
    passage_id: str
    title: str
    start: int
    end: int
    quote: str


class Usage(Struct, frozen=True, kw_only=True):
    """The LLM's tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerResponse(Struct, frozen=True, kw_only=True):
    """The answer with its citations; `found` is false where the documents do not answer the question."""

    answer: str
    found: bool
    citations: list[CitationView]
    mode: Annotated[str, Meta(description="`generated` by an LLM, or `extractive`: the documents' own sentences.")]
    usage: Usage | None
    dropped_citations: int
    hits: list[SearchHit]
    timings_ms: dict[str, float]


class RetrievalEvent(Struct, frozen=True, kw_only=True):
    """Event `retrieval`: the passages that markers count, from 1."""

    mode: str
    hits: list[SearchHit]


class DeltaEvent(Struct, frozen=True, kw_only=True):
    """Event `delta`: the next piece of the answer."""

    text: str


class DoneEvent(Struct, frozen=True, kw_only=True):
    """Event `done`: the answer is complete."""

    found: bool
    mode: str
    usage: Usage | None
    dropped_citations: int
    timings_ms: dict[str, float]


def citation_view(citation: Citation) -> CitationView:
    """What a client sees of a citation."""
    return CitationView(
        marker=citation.marker,
        document_id=citation.passage.document_id,
        passage_id=citation.passage.id,
        title=citation.passage.title,
        start=citation.start,
        end=citation.end,
        quote=citation.quote,
    )


def usage_view(usage: TokenCounts | None) -> Usage | None:
    """What a client sees of the LLM's tokens."""
    if usage is None:
        return None
    return Usage(
        prompt_tokens=usage.prompt, completion_tokens=usage.completion, total_tokens=usage.prompt + usage.completion
    )
