"""POST /embed, / and /rerank, as clients of text-embeddings-inference (TEI) and Hugging Face know them.

The shapes are those of TEI's documentation: https://huggingface.github.io/text-embeddings-inference/.
"""

from typing import Any, Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, EmbeddingDep, ServicesDep
from api.embedding import EmbeddingCall, check_dimensions, refuse_truncated, shortened, validate_texts
from api.routes.rerank import rank, ranking_view
from api.schemas.rerank import RerankResponse
from api.schemas.tei import TeiEmbedRequest, TeiParameters, TeiRank, TeiRerankRequest
from api.services import Services
from phoserve.contract import InputType
from phoserve.errors import InvalidInput

PROMPTS: Final = {
    "query": InputType.QUERY,
    "passage": InputType.PASSAGE,
    "document": InputType.PASSAGE,
}
"""Names of prompts as models on the hub have them."""


def root(max_body_bytes: int) -> HTTPRouteHandler:
    """Return the handler of `POST /`, where Hugging Face's client sends texts; they may be as long as at `/embed`."""

    @post(
        "/",
        dto=StrictJson,
        return_dto=None,
        status_code=200,
        guards=[readers, check_capacity, check_body],
        include_in_schema=False,
        request_max_body_size=max_body_bytes,
    )
    async def embed_at_root(
        data: JSONBody[TeiEmbedRequest], services: ServicesDep, embedding: EmbeddingDep
    ) -> Response[list[list[float]]]:
        """Embed texts with the default model, as `/embed`, for Hugging Face's client."""
        return await _embed(data, services, embedding)

    return embed_at_root


@post(
    "/embed",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def embed(
    data: JSONBody[TeiEmbedRequest], services: ServicesDep, embedding: EmbeddingDep
) -> Response[list[list[float]]]:
    """Embed texts with the default model, in the shape of text-embeddings-inference."""
    return await _embed(data, services, embedding)


async def _embed(data: TeiEmbedRequest, services: Services, embedding: EmbeddingCall) -> Response[list[list[float]]]:
    model = services.models.default
    wanted = data.parameters or data
    texts = validate_texts(data.inputs, services.limits, name="inputs")
    check_dimensions(wanted.dimensions, model.contract)
    embeddings = await embedding.embed(model, texts, _input_type(wanted))
    if not wanted.truncate:
        refuse_truncated(embeddings, model.contract, name="inputs", remedy='send "truncate": true')
    body: Any = await embedding.encode(shortened(embeddings.vectors, wanted.dimensions))
    return Response(body)


@post(
    "/rerank",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["search"],
)
async def rerank(
    data: JSONBody[TeiRerankRequest], services: ServicesDep, deadline: DeadlineDep
) -> list[TeiRank] | RerankResponse:
    """Order passages by a cross-encoder's score: `texts` in the shape of TEI, `documents` as `/v1/rerank`."""
    if data.texts is None:
        if data.documents is None:
            raise InvalidInput("send the passages as `texts`, or as `documents`", field="texts")
        ranking = await rank(data.query, data.documents, services, deadline, model=data.model)
        return ranking_view(ranking, data.top_n, with_documents=bool(data.return_documents))
    if data.raw_scores:
        raise InvalidInput("scores are between 0 and 1: leave `raw_scores` out", field="raw_scores")
    ranking = await rank(data.query, data.texts, services, deadline, model=data.model, name="texts")
    return [
        TeiRank(index=index, score=score, text=data.texts[index] if data.return_text else UNSET)
        for index, score in ranking.scores
    ]


def _input_type(wanted: TeiParameters) -> InputType:
    """Return what the texts are for. Raises InvalidInput for parameters that cannot be honoured."""
    if wanted.normalize is False:
        raise InvalidInput("vectors have unit length: leave `normalize` out", field="normalize")
    if wanted.truncation_direction not in {None, "right", "Right"}:
        raise InvalidInput("texts are cut at their end: leave `truncation_direction` out", field="truncation_direction")
    if wanted.prompt_name is None:
        return InputType.PASSAGE
    if wanted.prompt_name not in PROMPTS:
        raise InvalidInput(f"there is no such prompt; use {' or '.join(PROMPTS)}", field="prompt_name")
    return PROMPTS[wanted.prompt_name]
