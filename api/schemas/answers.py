"""Answers over the wire."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct

from api.schemas.documents import ContextField, PlaceField
from api.schemas.search import (
    Collapse,
    Diversity,
    DocumentsField,
    FilterField,
    MetadataChoice,
    Positive,
    SearchHit,
)
from api.schemas.weights import Weights
from phoserve.answers.citations import Citation, Support
from phoserve.answers.events import Done, Note
from phoserve.answers.ports import TokenCounts
from phoserve.search.retrieval import SearchMode


class Turn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier turn of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class AnswerRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to answer, and from which passages."""

    question: Annotated[
        str | None, Meta(description="May be left out where the last of `messages` is the user's question.")
    ] = None
    messages: Annotated[
        list[Turn] | None, Meta(description="The conversation before the question, oldest turn first.")
    ] = None
    top_k: Annotated[Positive, Meta(description="Passages to answer from.")] = 5
    mode: SearchMode = SearchMode.HYBRID
    filter: FilterField = None
    weights: Weights | None = None
    per_document: Positive | None = None
    rerank: bool = False
    collapse: Collapse = True
    diversity: Diversity = 0.0
    metadata: MetadataChoice = "hits"
    include_reasoning: Annotated[bool, Meta(description="Return what the LLM wrote to think, too.")] = False
    include_support: Annotated[
        bool, Meta(description="Return each sentence of the answer with the sentences of passages that support it.")
    ] = False
    stream: bool = False


class CitationView(Struct, frozen=True, kw_only=True):
    """A sentence the answer rests on; `marker` is its number in the text, `start` and `end` are document characters."""

    marker: int
    document_id: str
    passage_id: str
    revision: int
    title: str
    headings: tuple[str, ...]
    start: int
    end: int
    quote: str
    context: ContextField
    place: PlaceField


class SupportView(Struct, frozen=True, kw_only=True):
    """A sentence of the answer, `answer[start:end]`, with what it rests on; empty where it has no marker."""

    start: int
    end: int
    citations: list[CitationView]


class Usage(Struct, frozen=True, kw_only=True):
    """The LLM's tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class NoteView(Struct, frozen=True, kw_only=True):
    """What to know about the answer: `quotation`, `partial`, `fallback` or `incomplete`, with a sentence for people."""

    code: str
    message: str


class AnswerResponse(Struct, frozen=True, kw_only=True):
    """The answer with its citations; `found` is false where the documents do not answer the question."""

    id: Annotated[str, Meta(description="For feedback.")]
    answer: str
    found: bool
    citations: list[CitationView]
    mode: Annotated[str, Meta(description="`generated` by an LLM, or `extractive`: the documents' own sentences.")]
    usage: Usage | None
    dropped_citations: int
    hits: list[SearchHit]
    timings_ms: dict[str, float]
    query_used: Annotated[
        str, Meta(description="The query of the search: the question, rewritten as a standalone one.")
    ]
    finish_reason: Annotated[str, Meta(description="`stop`; `length` where the LLM's answer was cut.")]
    fallback: Annotated[bool, Meta(description="The LLM failed, so the answer is extractive.")]
    confidence: Annotated[
        float | None, Meta(description="Of an extractive answer: the probability that it answers the question.")
    ]
    notes: list[NoteView]
    support: list[SupportView] | None = None
    reasoning: str | None = None
    warnings: tuple[str, ...] = ()
    documents: DocumentsField = UNSET


class RetrievalEvent(Struct, frozen=True, kw_only=True):
    """Event `retrieval`: the passages that markers count, from 1."""

    mode: str
    hits: list[SearchHit]
    query_used: str
    warnings: tuple[str, ...] = ()
    documents: DocumentsField = UNSET


class DeltaEvent(Struct, frozen=True, kw_only=True):
    """Event `delta`: the next piece of the answer. Event `reasoning`: of what the LLM writes to think."""

    text: str


class RestartEvent(Struct, frozen=True, kw_only=True):
    """Event `restart`: discard the text and the citations so far; `code` is `reasoning` or the LLM's failure."""

    code: str
    detail: str


class DoneEvent(Struct, frozen=True, kw_only=True):
    """Event `done`: the answer is complete; `id` is for feedback."""

    id: str
    found: bool
    mode: str
    usage: Usage | None
    dropped_citations: int
    timings_ms: dict[str, float]
    finish_reason: str
    fallback: bool
    confidence: float | None
    notes: list[NoteView]
    support: list[SupportView] | None = None


def done_event(done: Done, *, include_support: bool) -> DoneEvent:
    """Return what a client sees of the end of an answer."""
    return DoneEvent(
        id=done.id,
        found=done.found,
        mode=done.mode,
        usage=usage_view(done.usage),
        dropped_citations=done.dropped_citations,
        timings_ms=done.timings_ms,
        finish_reason=done.finish_reason,
        fallback=done.fallback,
        confidence=done.confidence,
        notes=note_views(done.notes),
        support=support_views(done.support) if include_support else None,
    )


def support_views(support: tuple[Support, ...]) -> list[SupportView]:
    """Return what a client sees of the support of each sentence."""
    return [
        SupportView(start=each.start, end=each.end, citations=[citation_view(cited) for cited in each.citations])
        for each in support
    ]


def citation_view(citation: Citation) -> CitationView:
    """Return what a client sees of a citation."""
    return CitationView(
        marker=citation.marker,
        document_id=citation.passage.document_id,
        passage_id=citation.passage.id,
        revision=citation.passage.revision,
        title=citation.passage.title,
        headings=citation.passage.headings,
        start=citation.start,
        end=citation.end,
        quote=citation.quote,
        context=citation.passage.context_at(citation.start - citation.passage.start),
        place=citation.passage.place_at(citation.start - citation.passage.start),
    )


def note_views(notes: tuple[Note, ...]) -> list[NoteView]:
    """Return what a client sees of the notes."""
    return [NoteView(code=each.code, message=each.message) for each in notes]


def usage_view(usage: TokenCounts | None) -> Usage | None:
    """Return what a client sees of the LLM's tokens."""
    if usage is None:
        return None
    return Usage(
        prompt_tokens=usage.prompt, completion_tokens=usage.completion, total_tokens=usage.prompt + usage.completion
    )
