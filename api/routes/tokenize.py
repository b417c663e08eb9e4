"""POST /v1/tokenize: a text as the encoder reads it, to see why it is cut or what it costs."""

import asyncio

from litestar import post
from litestar.params import JSONBody

from api.auth import check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, GatesDep, ServicesDep
from api.routes.embeddings import validate_texts
from api.schemas.openai import TokenizedText, TokenizeRequest, TokenizeResponse
from phoserve.contract import InputType
from phoserve.text import TextPipeline


@post(
    "/v1/tokenize",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity],
    tags=["embeddings"],
)
async def tokenize(
    data: JSONBody[TokenizeRequest], services: ServicesDep, gates: GatesDep, deadline: DeadlineDep
) -> TokenizeResponse:
    """Segment and tokenize texts without embedding them."""
    model = services.models.find(data.model)
    texts = validate_texts(data.input, services.limits)
    with gates.requests.hold(), gates.texts.hold(len(texts)):
        rows = await deadline.keep(asyncio.to_thread(_tokenized, model.text, texts, data.input_type))
    return TokenizeResponse(model=model.name, data=rows)


def _tokenized(pipeline: TextPipeline, texts: list[str], input_type: InputType) -> list[TokenizedText]:
    batch = pipeline.encode(texts, input_type)
    counts = pipeline.count_tokens(texts, input_type).tolist()
    bounds = batch.offsets.tolist()
    segmented = pipeline.segment(texts)
    return [
        TokenizedText(
            index=index,
            segmented=segmented[index],
            tokens=batch.ids[bounds[index] : bounds[index + 1]].tolist(),
            count=counts[index],
            truncated=bool(batch.truncated[index]),
        )
        for index in range(len(texts))
    ]
