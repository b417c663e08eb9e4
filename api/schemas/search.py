"""Search over the wire."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.documents import ContextField, PlaceField
from api.schemas.weights import Weights
from phoserve.documents.filters import field_names
from phoserve.errors import InvalidInput
from phoserve.search.retrieval import Hit, SearchMode

MAX_METADATA_FIELDS: Final = 64

FilterField = Annotated[
    dict[str, Any] | None,
    Meta(
        description='Conditions on metadata, all of which must hold: {"year": {"gte": 2020}, "dept": ["hr", "it"]}. '
        "Operators: eq, any, prefix, gt, gte, lt, lte, exists, not; around fields: $all, $any, $not. On titles: "
        '{"$title": "words"} or {"$title": {"prefix": "Nghị định"}}.'
    ),
]
MetadataChoice = Annotated[
    Literal["hits", "documents", "none"] | Annotated[list[str], Meta(max_length=MAX_METADATA_FIELDS)],
    Meta(
        description="Where to return the metadata of documents: with each hit, once for each document in `documents`, "
        "or not at all; or the names of fields (`year`, `author.name`) to return with each hit."
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
    metadata: MetadataChoice = "hits"


class FoundDocument(Struct, frozen=True, kw_only=True):
    """A document that hits are from."""

    title: str
    metadata: dict[str, Any]


DocumentsField = Annotated[
    dict[str, FoundDocument] | UnsetType,
    Meta(description='The documents of the hits by id, with `"metadata": "documents"`.'),
]


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
    documents: DocumentsField = UNSET


def hit_views(hits: Sequence[Hit], metadata: MetadataChoice = "hits") -> list[SearchHit]:
    """Return what a client sees of hits."""
    return [hit_view(hit, metadata) for hit in hits]


def found_documents(hits: Sequence[Hit], metadata: MetadataChoice) -> dict[str, FoundDocument] | UnsetType:
    """Return the documents of hits by id, if the client wants their metadata there."""
    if metadata != "documents":
        return UNSET
    passages = {hit.passage.document_id: hit.passage for hit in hits}
    return {id_: FoundDocument(title=each.title, metadata=each.metadata) for id_, each in passages.items()}


def check_metadata_choice(metadata: MetadataChoice) -> None:
    """Raise InvalidInput for a name that no field can have."""
    for position, name in enumerate(metadata if isinstance(metadata, list) else ()):
        try:
            field_names(name)
        except InvalidInput as error:
            raise InvalidInput(str(error), field=f"metadata[{position}]") from None


def chosen_metadata(metadata: Mapping[str, Any], choice: MetadataChoice) -> dict[str, Any]:
    """Return the part of a document's metadata that a hit has."""
    if not isinstance(choice, list):
        return dict(metadata) if choice == "hits" else {}
    chosen: dict[str, Any] = {}
    for name in choice:
        _copy_field(metadata, field_names(name), chosen)
    return chosen


def _copy_field(source: Any, names: Sequence[str], target: dict[str, Any]) -> None:
    first, *rest = names
    if not isinstance(source, Mapping) or first not in source:
        return
    if not rest:
        target[first] = source[first]
    elif isinstance(source[first], Mapping):
        inner = target.setdefault(first, {})
        if inner is not source[first]:  # else it is there as a whole
            _copy_field(source[first], rest, inner)


def hit_view(hit: Hit, metadata: MetadataChoice = "hits") -> SearchHit:
    """Return what a client sees of a hit."""
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
        metadata=chosen_metadata(passage.metadata, metadata),
        context=passage.context,
        place=passage.place,
        copies=hit.copies,
    )
