"""POST /v1/collections/{c}/search."""

from dataclasses import replace

from litestar import post
from litestar.params import FromPath, JSONBody

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, GatesDep, LibraryDep, MetricsDep, PrincipalDep, ServicesDep
from api.filters import parse_filter
from api.schemas.search import SearchRequest, SearchResponse, check_metadata_choice, found_documents, hit_views
from api.schemas.weights import fusion_of
from phoserve.concurrency.timings import Timings
from phoserve.documents.access import Audience
from phoserve.errors import InvalidInput, TooLarge
from phoserve.search.retrieval import Query
from phoserve.settings import LimitSettings


@post(
    "/v1/collections/{collection:str}/search",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["search"],
)
async def search(
    collection: FromPath[str],
    data: JSONBody[SearchRequest],
    library: LibraryDep,
    services: ServicesDep,
    gates: GatesDep,
    principal: PrincipalDep,
    deadline: DeadlineDep,
    metrics: MetricsDep,
) -> SearchResponse:
    """Find the passages of a collection that best answer a query."""
    query = query_of(data, services.limits, principal.audience)
    timings = Timings()
    with gates.requests.hold(), timings.stage("total"):
        with timings.stage("collection"):
            searched = await deadline.keep(library.collection(collection))
        retriever = services.retriever_of(searched)
        query = replace(query, weights=query.weights or searched.fusion)
        found = await deadline.keep(retriever.search(searched.id, query, deadline=deadline, timings=timings))
    metrics.observe_stages(timings.ms)
    return SearchResponse(
        hits=hit_views(found.hits, data.metadata),
        documents=found_documents(found.hits, data.metadata),
        mode=query.mode,
        next_offset=query.offset + query.top_k if found.more else None,
        timings_ms=timings.ms,
        query_used=found.query_used,
        warnings=found.warnings,
    )


def query_of(data: SearchRequest, limits: LimitSettings, audience: Audience, *, field: str = "query") -> Query:
    """Return the query of `audience` within the server's limits. Raises InvalidInput or TooLarge."""
    validate_question(data.query, limits, field=field)
    check_metadata_choice(data.metadata)
    if data.top_k > limits.max_top_k:
        raise InvalidInput(f"is at most {limits.max_top_k}; page with `offset`", field="top_k")
    if data.offset + data.top_k > limits.max_candidates:
        raise InvalidInput(
            f"paging ends at {limits.max_candidates} passages; narrow the search with a filter", field="offset"
        )
    return Query(
        text=data.query,
        mode=data.mode,
        top_k=data.top_k,
        offset=data.offset,
        where=parse_filter(data.filter),
        audience=audience,
        min_score=data.min_score,
        weights=fusion_of(data.weights),
        per_document=data.per_document,
        rerank=data.rerank,
        collapse=data.collapse,
        diversity=data.diversity,
    )


def validate_question(text: str, limits: LimitSettings, *, field: str) -> str:
    """`text` if it is neither blank nor too long. Raises InvalidInput or TooLarge."""
    if not text.strip():
        raise InvalidInput("is blank", field=field)
    if len(text) > limits.max_query_characters:
        raise TooLarge(f"is over {limits.max_query_characters} characters", field=field)
    return text
