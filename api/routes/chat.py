"""POST /v1/chat/completions: a collection as a model, so that chat front ends plug in."""

import time
from collections.abc import AsyncGenerator
from typing import Any, Final
from uuid import uuid4

import msgspec
from litestar import Response, post
from litestar.params import JSONBody
from litestar.response import Stream

from api.auth import readers
from api.body import StrictJson
from api.dependencies import AnswerDeadlineDep, AnswererDep, GatesDep, LibraryDep, MetricsDep, PrincipalDep, ServicesDep
from api.problems import openai_error, problem_of
from api.routes.answers import answer_events, folded
from api.routes.search import validate_question
from api.schemas.answers import CitationView, Usage, citation_view, usage_view
from api.schemas.chat import (
    MODEL_PREFIX,
    ChatChunk,
    ChatMessageIn,
    ChatRequest,
    ChatResponse,
    Choice,
    ChunkChoice,
    ReplyMessage,
)
from api.sse import KEEP_ALIVE, BackgroundStream, stream
from phoserve.answers.answering import Cited, Delta, Done, Event
from phoserve.answers.ports import ChatMessage
from phoserve.errors import CollectionNotFound, InvalidInput, NotFound, PhoserveError
from phoserve.search.retrieval import Query

DONE: Final = b"data: [DONE]\n\n"
NO_USAGE: Final = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)


@post("/v1/chat/completions", dto=StrictJson, return_dto=None, status_code=200, guards=[readers], tags=["answers"])
async def complete(
    data: JSONBody[ChatRequest],
    library: LibraryDep,
    answerer: AnswererDep,
    services: ServicesDep,
    gates: GatesDep,
    principal: PrincipalDep,
    answer_deadline: AnswerDeadlineDep,
    metrics: MetricsDep,
) -> Response[ChatResponse] | Stream:
    """Answer the last user message from the collection that `model` names."""
    collection = data.model.removeprefix(MODEL_PREFIX)
    try:
        if not principal.may_touch(collection):
            raise CollectionNotFound(collection)
        await answer_deadline.keep(library.collection(collection))
    except CollectionNotFound:
        raise NotFound(f"the model {data.model!r} does not exist; GET /v1/models lists those that do") from None
    question, history = _conversation(data.messages)
    validate_question(question, services.limits, field="messages")
    query = Query(text=question, top_k=data.top_k)
    relay = BackgroundStream(
        answer_events(answerer, gates, collection, query, answer_deadline, metrics, history), answer_deadline
    )
    reply = _Reply(data.model)
    if data.stream:
        await relay.first()
        include_usage = data.stream_options is not None and data.stream_options.include_usage
        return stream(_chunks(relay, reply, include_usage=include_usage))
    return Response(reply.whole([each async for each in relay if each is not None]))


class _Reply:
    """What all pieces of one reply have in common."""

    def __init__(self, model: str) -> None:
        self.id = f"chatcmpl-{uuid4().hex}"
        self.created = int(time.time())
        self.model = model

    def whole(self, events: list[Event]) -> ChatResponse:
        text, citations, _, done = folded(events)
        return ChatResponse(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[Choice(message=ReplyMessage(content=text))],
            usage=usage_view(done.usage) or NO_USAGE,
            citations=[citation_view(each) for each in citations],
        )

    def chunk(self, *choices: ChunkChoice, **more: Any) -> bytes:
        chunk = ChatChunk(id=self.id, created=self.created, model=self.model, choices=list(choices), **more)
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


async def _chunks(events: BackgroundStream[Event], reply: _Reply, *, include_usage: bool) -> AsyncGenerator[bytes]:
    citations: list[CitationView] = []
    yield reply.chunk(ChunkChoice(delta={"role": "assistant", "content": ""}))
    try:
        async for each in events:
            match each:
                case None:
                    yield KEEP_ALIVE
                case Delta(text):
                    yield reply.chunk(ChunkChoice(delta={"content": text}))
                case Cited(citation):
                    citations.append(citation_view(citation))
                case Done():
                    yield reply.chunk(ChunkChoice(delta={}, finish_reason="stop"), citations=citations)
                    if include_usage:
                        yield reply.chunk(usage=usage_view(each.usage) or NO_USAGE)
                    yield DONE
    except PhoserveError as error:
        yield b"data: " + msgspec.json.encode(openai_error(problem_of(error))) + b"\n\n"


def _conversation(messages: list[ChatMessageIn]) -> tuple[str, tuple[ChatMessage, ...]]:
    """The last user message, and the turns before it; the client's system messages do not replace ours."""
    turns = [ChatMessage(each.role, _text(each)) for each in messages if each.role in {"user", "assistant"}]
    if not turns or turns[-1].role != "user":
        raise InvalidInput("the last message is to be the user's question", field="messages")
    return turns[-1].content, tuple(turns[:-1])


def _text(message: ChatMessageIn) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.type == "text")
    return message.content or ""
