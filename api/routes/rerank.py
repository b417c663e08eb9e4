"""POST /v1/rerank and /v2/rerank, as Cohere's and Jina's clients know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from litestar import post
from litestar.params import JSONBody

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, ServicesDep
from api.embedding import check_text_length
from api.routes.search import validate_question
from api.schemas.rerank import RerankDocument, RerankRequest, RerankResponse, RerankResult
from api.services import Services
from phoserve.concurrency.deadline import Deadline
from phoserve.errors import InvalidInput, TooLarge


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores of passages, best first, with the position of each in the request."""

    reranker: str
    texts: list[str]
    scores: list[tuple[int, float]]


@post(
    ["/v1/rerank", "/v2/rerank"],
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["search"],
)
async def rerank(data: JSONBody[RerankRequest], services: ServicesDep, deadline: DeadlineDep) -> RerankResponse:
    """Order passages by a cross-encoder's score for a query."""
    ranking = await rank(data.query, data.documents, services, deadline, model=data.model)
    return ranking_view(ranking, data.top_n, with_documents=bool(data.return_documents))


def ranking_view(ranking: Ranking, top_n: int | None, *, with_documents: bool) -> RerankResponse:
    """Return the best `top_n` in the shape of Cohere's and Jina's APIs."""
    results = [
        RerankResult(index=index, relevance_score=score, document=RerankDocument(text=ranking.texts[index]))
        if with_documents
        else RerankResult(index=index, relevance_score=score)
        for index, score in ranking.scores[:top_n]
    ]
    return RerankResponse(id=uuid4().hex, model=ranking.reranker, results=results)


async def rank(
    query: str,
    documents: Sequence[str | RerankDocument],
    services: Services,
    deadline: Deadline,
    *,
    model: str | None = None,
    name: str = "documents",
) -> Ranking:
    """Score `documents`, which the request has in its field `name`. Raises InvalidInput, TooLarge, Overloaded."""
    reranker, limits = services.find_reranker(model), services.limits
    validate_question(query, limits, field="query")
    if not documents:
        raise InvalidInput("is empty: give at least one passage", field=name)
    if len(documents) > limits.max_rerank_documents:
        raise TooLarge(f"at most {limits.max_rerank_documents} {name} go into one request", field=name)
    texts = [each if isinstance(each, str) else each.text for each in documents]
    for position, text in enumerate(texts):
        field = f"{name}[{position}]"
        if not text.strip():
            raise InvalidInput(f"{field} is blank", field=field)
        check_text_length(text, limits, field=field)
    with services.gates.requests.hold(), services.gates.texts.hold(len(texts)):
        scores = await deadline.keep(reranker.rerank(query, texts, timeout_s=deadline.left_s()))
    return Ranking(reranker.name, texts, sorted(enumerate(scores.tolist()), key=lambda each: -each[1]))
