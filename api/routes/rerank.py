"""POST /v1/rerank and /v2/rerank, as Cohere's and Jina's clients know it."""

from uuid import uuid4

from litestar import post
from litestar.params import JSONBody

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, GatesDep, ServicesDep
from api.routes.embeddings import check_text_length
from api.routes.search import validate_question
from api.schemas.rerank import RerankDocument, RerankRequest, RerankResponse, RerankResult
from phoserve.errors import InvalidInput, TooLarge


@post(
    ["/v1/rerank", "/v2/rerank"],
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["search"],
)
async def rerank(
    data: JSONBody[RerankRequest], services: ServicesDep, gates: GatesDep, deadline: DeadlineDep
) -> RerankResponse:
    """Order passages by a cross-encoder's score for a query."""
    reranker, limits = services.find_reranker(data.model), services.limits
    validate_question(data.query, limits, field="query")
    if len(data.documents) > limits.max_rerank_documents:
        raise TooLarge(f"at most {limits.max_rerank_documents} documents go into one request", field="documents")
    texts = [each if isinstance(each, str) else each.text for each in data.documents]
    for position, text in enumerate(texts):
        if not text.strip():
            raise InvalidInput("is blank", field=f"documents[{position}]")
        check_text_length(text, limits, field=f"documents[{position}]")
    with gates.requests.hold(), gates.texts.hold(len(texts)):
        scores = await deadline.keep(reranker.rerank(data.query, texts, timeout_s=deadline.left_s()))
    ranked = sorted(enumerate(scores.tolist()), key=lambda each: -each[1])[: data.top_n]
    results = [
        RerankResult(index=index, relevance_score=score, document=RerankDocument(text=texts[index]))
        if data.return_documents
        else RerankResult(index=index, relevance_score=score)
        for index, score in ranked
    ]
    return RerankResponse(id=uuid4().hex, model=reranker.name, results=results)
