"""Search over the wire."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from api.schemas.documents import ContextField, PlaceField
from api.schemas.weights import Weights
from phoserve.search.retrieval import Hit, SearchMode

FilterField = Annotated[
    dict[str, Any] | None,
    Meta(
        description='Conditions on metadata, all of which must hold: {"year": {"gte": 2020}, "dept": ["hr", "it"]}. '
        "Operators: eq, any, prefix, gt, gte, lt, lte, exists, not; around fields: $all, $any, $not. On titles: "
        '{"$title": "words"} or {"$title": {"prefix": "Nghị định"}}.'
    ),
]
Positive = Annotated[int, Meta(ge=1)]
Collapse = Annotated[bool, Meta(description="Show identical and nearly identical passages once.")]
Diversity = Annotated[
    float, Meta(ge=0.0, le=1.0, description="How much a passage loses for being like those before it (MMR); 0 is off.")
]
QueryUsed = Annotated[
    str | None, Meta(description="The query with its diacritics restored, if that is what was searched for.")
]


class SearchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, and how."""

    query: str
    mode: SearchMode = SearchMode.HYBRID
    top_k: Positive = 10
    offset: Annotated[int, Meta(ge=0)] = 0
    filter: FilterField = None
    min_score: Annotated[float | None, Meta(description="Leaves out hits below; depends on the mode.")] = None
    weights: Weights | None = None
    per_document: Annotated[Positive | None, Meta(description="Maximum number of passages of each document.")] = None
    rerank: bool = False
    collapse: Collapse = False
    diversity: Diversity = 0.0


class SearchHit(Struct, frozen=True, kw_only=True):
    """A passage. `start` and `end` are characters of the document's text, `highlights` spans of this `text`."""

    document_id: str
    passage_id: str
    title: str
    text: str
    headings: tuple[str, ...]
    score: float
    dense_score: float | None
    lexical_score: float | None
    rerank_score: float | None
    start: int
    end: int
    highlights: tuple[tuple[int, int], ...]
    metadata: dict[str, Any]
    context: ContextField
    place: PlaceField
    copies: Annotated[
        tuple[str, ...], Meta(description="Ids of documents with nearly the same passage, not shown (`collapse`).")
    ] = ()


class SearchResponse(Struct, frozen=True, kw_only=True):
    """Hits, best first; `next_offset` asks for the next page and is null at the end."""

    hits: list[SearchHit]
    mode: SearchMode
    next_offset: int | None
    timings_ms: dict[str, float]
    query_used: QueryUsed = None
    warnings: tuple[str, ...] = ()


def hit_view(hit: Hit) -> SearchHit:
    """What a client sees of a hit."""
    passage = hit.passage
    return SearchHit(
        document_id=passage.document_id,
        passage_id=passage.id,
        title=passage.title,
        text=passage.text,
        headings=passage.headings,
        score=hit.score,
        dense_score=hit.dense_score,
        lexical_score=hit.lexical_score,
        rerank_score=hit.rerank_score,
        start=passage.start,
        end=passage.end,
        highlights=hit.highlights,
        metadata=passage.metadata,
        context=passage.context,
        place=passage.place,
        copies=hit.copies,
    )
