"""POST /v1/embeddings and GET /v1/models, as OpenAI's clients know them."""

import base64
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET
from numpy.typing import NDArray

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, GatesDep, LibraryDep, MetricsDep, PrincipalDep, ServicesDep
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
from phoserve.contract import ModelContract
from phoserve.documents.library import Library
from phoserve.embedding.ports import Embeddings, FloatMatrix
from phoserve.errors import InvalidInput, TooLarge
from phoserve.settings import LimitSettings

ITEMS_PER_PIECE: Final = 16
"""Vectors that are encoded at once: a millisecond for 1,024 dimensions."""


@post(
    "/v1/embeddings",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def create_embeddings(
    data: JSONBody[EmbeddingsRequest],
    services: ServicesDep,
    gates: GatesDep,
    deadline: DeadlineDep,
    metrics: MetricsDep,
) -> Response[EmbeddingsResponse]:
    """Embed one text or a list of texts."""
    model = services.models.find(data.model)
    contract = model.contract
    texts = validate_texts(data.input, services.limits)
    _check_dimensions(data.dimensions, contract)
    with gates.requests.hold(), gates.texts.hold(len(texts)):
        embeddings = await deadline.keep(
            model.embedders.interactive.embed(texts, input_type=data.input_type, timeout_s=deadline.left_s())
        )
    if data.truncate == "none":
        _refuse_truncated(embeddings, contract)
    tokens = int(embeddings.tokens.sum())
    metrics.tokens.labels("embedding").inc(tokens)
    vectors = shortened(embeddings.vectors, data.dimensions)
    encoded = await services.loop_turns.map(
        partial(_encoded, vectors, embeddings.truncated, as_base64=data.encoding_format == "base64"),
        range(0, len(vectors), ITEMS_PER_PIECE),
    )
    usage = TokenUsage(prompt_tokens=tokens, total_tokens=tokens)
    body = _RawEmbeddings(data=msgspec.Raw(b"[" + b",".join(encoded) + b"]"), model=contract.name, usage=usage)
    return Response(body)  # type: ignore[arg-type]  # the same, encoded


@get("/v1/models", guards=[readers], tags=["embeddings"])
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


def validate_texts(given: str | Sequence[str | int | list[int]], limits: LimitSettings) -> list[str]:
    """The texts to embed or tokenize. Raises InvalidInput or TooLarge with the position of the offending one."""
    inputs = [given] if isinstance(given, str) else given
    if not inputs:
        raise InvalidInput("input is empty: give at least one text", field="input")
    if len(inputs) > limits.max_texts:
        raise TooLarge(f"input has {len(inputs)} texts; at most {limits.max_texts} go into one request", field="input")
    texts: list[str] = []
    for position, text in enumerate(inputs):
        field = "input" if isinstance(given, str) else f"input[{position}]"
        if not isinstance(text, str):
            raise InvalidInput(
                "token ids of another model's tokenizer mean nothing here: send text "
                "(LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))",
                field=field,
            )
        if not text.strip():
            raise InvalidInput(f"{field} is blank", field=field)
        check_text_length(text, limits, field=field)
        texts.append(text)
    return texts


def check_text_length(text: str, limits: LimitSettings, *, field: str) -> None:
    """Raise TooLarge for a text over `limits.max_text_characters`, before any work on it."""
    if len(text) > limits.max_text_characters:
        raise TooLarge(f"is over {limits.max_text_characters} characters", field=field)


def _check_dimensions(wanted: int | None, contract: ModelContract) -> None:
    if wanted not in (None, contract.dim, *contract.dims):
        choices = ", ".join(map(str, (*contract.dims, contract.dim)))
        raise InvalidInput(
            f"{contract.name} has no vectors of {wanted} dimensions: leave `dimensions` out or ask for {choices}",
            field="dimensions",
        )


def shortened(vectors: FloatMatrix, dimensions: int | None) -> FloatMatrix:
    """The first `dimensions` numbers of each vector, at unit length again."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    short: FloatMatrix = vectors[:, :dimensions]
    unit: FloatMatrix = short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), np.float32(1e-12))
    return unit


def _refuse_truncated(embeddings: Embeddings, contract: ModelContract) -> None:
    too_long = embeddings.truncated.nonzero()[0]
    if len(too_long):
        raise TooLarge(
            f"{len(too_long)} texts are longer than the {contract.max_tokens} tokens the model takes, the first is "
            f"input[{too_long[0]}]; shorten them or pass truncate=end",
            field=f"input[{too_long[0]}]",
        )


class _RawEmbeddings(msgspec.Struct, frozen=True, kw_only=True):
    """An `EmbeddingsResponse` whose vectors are encoded already."""

    object: str = "list"
    data: msgspec.Raw
    model: str
    usage: TokenUsage


def _encoded(vectors: FloatMatrix, truncated: NDArray[np.bool_], first: int, *, as_base64: bool) -> bytes:
    """Return `ITEMS_PER_PIECE` items from the position `first` on as JSON, without the brackets of the list."""
    part = slice(first, first + ITEMS_PER_PIECE)
    rows = vectors[part].astype("<f4", copy=False)
    values: Iterable[list[float] | str] = (
        (base64.b64encode(row.tobytes()).decode() for row in rows) if as_base64 else rows.tolist()
    )
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
