"""POST /v1/tokenize: a text as the encoder reads it, to see why it is cut or what it costs."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from litestar import post
from litestar.params import JSONBody

from api.auth import check_body, check_capacity, readers
from api.body import StrictJson
from api.dependencies import DeadlineDep, GatesDep, ServicesDep
from api.embedding import validate_texts
from api.schemas.openai import TokenizedText, TokenizeRequest, TokenizeResponse
from api.services import Services
from phoserve.contract import InputType
from phoserve.text import TextPipeline

SLICE_CHARACTERS: Final = 16_384
"""Characters that are tokenized in one turn: about ten milliseconds."""


@post(
    "/v1/tokenize",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_capacity, check_body],
    tags=["embeddings"],
)
async def tokenize(
    data: JSONBody[TokenizeRequest], services: ServicesDep, gates: GatesDep, deadline: DeadlineDep
) -> TokenizeResponse:
    """Segment and tokenize texts without embedding them."""
    model = services.models.find(data.model)
    texts = validate_texts(data.input, services.limits)
    rows: list[TokenizedText] = []
    with gates.requests.hold(), gates.texts.hold(len(texts)):
        for part in _slices(texts):
            rows += await deadline.keep(
                _in_turn(services, partial(_tokenized, model.text, part, len(rows), data.input_type))
            )
    return TokenizeResponse(model=model.name, data=rows)


async def _in_turn(services: Services, work: Callable[[], list[TokenizedText]]) -> list[TokenizedText]:
    async with services.thread_turns.take():
        return await asyncio.to_thread(work)


def _slices(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in parts of about `SLICE_CHARACTERS`."""
    part: list[str] = []
    characters = 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if characters >= SLICE_CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def _tokenized(pipeline: TextPipeline, texts: list[str], first: int, input_type: InputType) -> list[TokenizedText]:
    batch = pipeline.encode(texts, input_type)
    counts = pipeline.count_tokens(texts, input_type).tolist()
    bounds = batch.offsets.tolist()
    segmented = pipeline.segment(texts)
    return [
        TokenizedText(
            index=first + index,
            segmented=segmented[index],
            tokens=batch.ids[bounds[index] : bounds[index + 1]].tolist(),
            count=counts[index],
            truncated=bool(batch.truncated[index]),
        )
        for index in range(len(texts))
    ]
