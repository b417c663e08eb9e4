"""POST /v1/embeddings and GET /v1/models, as OpenAI's clients know them."""

from functools import partial

import msgspec
import numpy as np
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET
from numpy.typing import NDArray

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import EmbeddingDep, LibraryDep, PrincipalDep, ServicesDep
from api.embedding import (
    ITEMS_PER_PIECE,
    check_dimensions,
    encode_vectors,
    refuse_truncated,
    shortened,
    validate_texts,
    vector_values,
)
from api.keys import Principal
from api.schemas.chat import MODEL_PREFIX
from api.schemas.openai import (
    EmbeddingItem,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ModelCard,
    ModelList,
    TokenUsage,
)
from api.services import Services
from phoserve.contract import InputType, ModelContract
from phoserve.documents.library import Library
from phoserve.embedding.ports import FloatMatrix


@post(
    ["/v1/embeddings", "/embeddings"],
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def create_embeddings(
    data: JSONBody[EmbeddingsRequest], services: ServicesDep, embedding: EmbeddingDep
) -> Response[EmbeddingsResponse]:
    """Embed one text or a list of texts. `/embeddings` is the same, for clients whose base URL has no version."""
    model = services.models.find(data.model)
    contract = model.contract
    texts = validate_texts(data.input, services.limits)
    check_dimensions(data.dimensions, contract)
    embeddings = await embedding.embed(model, texts, data.input_type or InputType.PASSAGE)
    if data.truncate == "none":
        refuse_truncated(embeddings, contract)
    vectors = shortened(embeddings.vectors, data.dimensions)
    encode = partial(_encoded, vectors, embeddings.truncated, as_base64=data.encoding_format == "base64")
    items = await encode_vectors(services.loop_turns, encode, len(vectors))
    tokens = int(embeddings.tokens.sum())
    usage = TokenUsage(prompt_tokens=tokens, total_tokens=tokens)
    return Response(_RawEmbeddings(data=items, model=contract.name, usage=usage))  # type: ignore[arg-type]  # encoded


@get(["/v1/models", "/models"], guards=[readers], tags=["embeddings"])
async def list_models(services: ServicesDep, library: LibraryDep, principal: PrincipalDep) -> ModelList:
    """The embedding models, the default one first, then rerankers, then each collection that the key may read."""
    return ModelList(data=await _cards(services, library, principal))


@get("/v1/models/{model:path}", guards=[readers], tags=["embeddings"])
async def get_model(
    model: FromPath[str], services: ServicesDep, library: LibraryDep, principal: PrincipalDep
) -> ModelCard:
    """The model of that name."""
    wanted = model.strip("/")
    for card in await _cards(services, library, principal):
        if card.id == wanted:
            return card
    if wanted in services.rerankers:
        return _reranker_card(wanted)
    return _card(services.models.find(wanted).contract)


class _RawEmbeddings(msgspec.Struct, frozen=True, kw_only=True):
    """An `EmbeddingsResponse` whose vectors are encoded already."""

    object: str = "list"
    data: msgspec.Raw
    model: str
    usage: TokenUsage


def _encoded(vectors: FloatMatrix, truncated: NDArray[np.bool_], first: int, *, as_base64: bool) -> bytes:
    """Return `ITEMS_PER_PIECE` items from the position `first` on as JSON, without the brackets of the list."""
    part = slice(first, first + ITEMS_PER_PIECE)
    values = vector_values(vectors[part], as_base64=as_base64)
    items = [
        EmbeddingItem(index=first + number, embedding=value, truncated=cut)
        for number, (value, cut) in enumerate(zip(values, truncated[part].tolist(), strict=True))
    ]
    return msgspec.json.encode(items)[1:-1]


async def _cards(services: Services, library: Library, principal: Principal) -> list[ModelCard]:
    collections = [each.name for each in await library.collections() if principal.may_touch(each.name)]
    return [
        *(_card(model.contract) for model in services.models.models),
        *(_reranker_card(name) for name in services.rerankers),
        *(ModelCard(id=MODEL_PREFIX + name, kind="collection") for name in collections),
    ]


def _card(contract: ModelContract) -> ModelCard:
    return ModelCard(
        id=contract.name,
        kind="embedding",
        dim=contract.dim,
        dims=list(contract.dims) if contract.dims else UNSET,
        max_tokens=contract.max_tokens,
        fingerprint=contract.fingerprint,
    )


def _reranker_card(name: str) -> ModelCard:
    return ModelCard(id=name, kind="reranker")
