"""POST /v1/embed and /v2/embed, as Cohere's clients know them (https://docs.cohere.com/reference/embed)."""

from typing import Any, Final
from uuid import uuid4

from litestar import Response, post
from litestar.params import JSONBody

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import EmbeddingDep, ServicesDep
from api.embedding import EmbeddingCall, check_dimensions, refuse_truncated, shortened, validate_texts
from api.schemas.cohere import CohereEmbedRequest, CohereEmbedResponse, CohereMeta, CohereUnits, CohereVersion
from api.services import Services
from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embeddings
from phoserve.errors import InvalidInput, UnsupportedParameter

TYPES: Final = ("float", "base64")
MAX_WARNINGS: Final = 100


@post(
    "/v1/embed",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def embed_v1(
    data: JSONBody[CohereEmbedRequest], services: ServicesDep, embedding: EmbeddingDep
) -> Response[CohereEmbedResponse]:
    """Embed texts, in the shape of version 1 of Cohere's API."""
    return await _embed(data, services, embedding, version="1", by_type=data.embedding_types is not None)


@post(
    "/v2/embed",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def embed_v2(
    data: JSONBody[CohereEmbedRequest], services: ServicesDep, embedding: EmbeddingDep
) -> Response[CohereEmbedResponse]:
    """Embed texts, in the shape of version 2 of Cohere's API."""
    return await _embed(data, services, embedding, version="2", by_type=True)


async def _embed(
    data: CohereEmbedRequest, services: Services, embedding: EmbeddingCall, *, version: str, by_type: bool
) -> Response[CohereEmbedResponse]:
    _refuse_unsupported(data)
    model = services.models.find(data.model)
    texts = validate_texts(data.texts or [], services.limits, name="texts")
    check_dimensions(data.output_dimension, model.contract, name="output_dimension")
    input_type = InputType.QUERY if data.input_type == "search_query" else InputType.PASSAGE
    embeddings = await embedding.embed(model, texts, input_type)
    if data.truncate == "NONE":
        refuse_truncated(embeddings, model.contract, name="texts", remedy="send truncate=END")
    vectors = shortened(embeddings.vectors, data.output_dimension)
    encoded: Any = {
        each: await embedding.encode(vectors, as_base64=each == "base64")
        for each in dict.fromkeys(data.embedding_types or TYPES[:1])
    }
    body = CohereEmbedResponse(
        id=uuid4().hex,
        response_type="embeddings_by_type" if by_type else "embeddings_floats",
        embeddings=encoded if by_type else encoded["float"],
        texts=texts,
        meta=CohereMeta(
            api_version=CohereVersion(version=version),
            billed_units=CohereUnits(input_tokens=int(embeddings.tokens.sum())),
            warnings=_cut_texts(embeddings, model.contract),
        ),
    )
    return Response(body)


def _cut_texts(embeddings: Embeddings, contract: ModelContract) -> list[str]:
    cut = embeddings.truncated.nonzero()[0].tolist()
    return [f"texts[{each}] was cut to {contract.max_tokens} tokens" for each in cut[:MAX_WARNINGS]]


def _refuse_unsupported(data: CohereEmbedRequest) -> None:
    for name in ("images", "inputs"):
        if getattr(data, name):
            raise UnsupportedParameter(f"`{name}` is not supported: send `texts`", field=name)
    if data.input_type == "image":
        raise UnsupportedParameter("`input_type` is of texts only", field="input_type")
    if data.truncate == "START":
        raise UnsupportedParameter("texts are cut at their end: send END or NONE", field="truncate")
    for each in data.embedding_types or ():
        if each not in TYPES:
            raise InvalidInput(f"{each!r} is no type of vectors here; use float or base64", field="embedding_types")
    if data.embedding_types == []:
        raise InvalidInput("is empty: use float or base64", field="embedding_types")
