"""POST /v1/chat/completions: a collection as a model, so that chat front ends plug in."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from uuid import uuid4

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody
from litestar.response import Stream

from api.auth import KeyNotValid, check_body, readers, while_valid
from api.body import StrictJson
from api.dependencies import AnswerDeadlineDep, GatesDep, LibraryDep, MetricsDep, PrincipalDep, ServicesDep
from api.problems import openai_error, problem_of
from api.routes.answers import fold, gated_events, recorded_events
from api.routes.search import validate_question
from api.schemas.answers import CitationView, Usage, citation_view, note_views, usage_view
from api.schemas.chat import (
    MODEL_PREFIX,
    NO_TOOLS,
    ChatChunk,
    ChatMessageIn,
    ChatRequest,
    ChatResponse,
    Choice,
    ChunkChoice,
    ReplyMessage,
    chat_options,
    text_of,
)
from api.sse import KEEP_ALIVE, BackgroundStream, stream
from phoserve.answers.answering import Conversation
from phoserve.answers.events import Cited, Delta, Done, Event, Thought
from phoserve.answers.ports import ChatMessage
from phoserve.errors import CollectionNotFound, InvalidInput, NotFound, PhoserveError, UnsupportedParameter
from phoserve.search.retrieval import Query
from phoserve.settings import LimitSettings

DONE: Final = b"data: [DONE]\n\n"
NO_USAGE: Final = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)
TOP_K: Final = 5


@post(
    "/v1/chat/completions",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_body],
    tags=["answers"],
)
async def complete(
    data: JSONBody[ChatRequest],
    library: LibraryDep,
    services: ServicesDep,
    gates: GatesDep,
    principal: PrincipalDep,
    answer_deadline: AnswerDeadlineDep,
    metrics: MetricsDep,
    request: Request[Any, Any, Any],
) -> Response[ChatResponse] | Stream:
    """Answer the last user message from the collection that `model` names.

    Sampling parameters go to the LLM; what cannot be honoured is refused with 400.
    """
    options = chat_options(data)
    collection = data.model.removeprefix(MODEL_PREFIX)
    try:
        if not principal.may_touch(collection):
            raise CollectionNotFound(collection)
        searched = await answer_deadline.keep(library.collection(collection))
    except CollectionNotFound:
        raise NotFound(
            f"the model {data.model!r} does not exist; answers come from a collection: use collection/NAME, "
            "one of those that GET /v1/models lists"
        ) from None
    question, history = _conversation(data.messages, services.limits)
    query = Query(
        text=question,
        top_k=data.top_k or TOP_K,
        collapse=True,
        weights=searched.fusion,
        audience=principal.audience,
    )
    conversation = Conversation(history=history, options=options, can_fall_back=False)
    answering = services.answerer_of(searched).answer(
        searched.id, query, deadline=answer_deadline, conversation=conversation
    )
    reply = _Reply(data.model, include_reasoning=bool(data.include_reasoning))
    recorded = recorded_events(answering, services, searched, question, answer_id=reply.answer_id)
    relay = BackgroundStream(gated_events(recorded, gates, metrics), answer_deadline)
    if data.stream:
        await relay.first()
        include_usage = data.stream_options is not None and bool(data.stream_options.include_usage)
        valid = while_valid(request, collection, aiter(relay))
        return stream(_chunks(valid, reply, include_usage=include_usage))
    return Response(reply.whole([each async for each in relay if each is not None]))


class _Reply:
    """What all pieces of one reply have in common."""

    def __init__(self, model: str, *, include_reasoning: bool) -> None:
        self.answer_id = uuid4().hex
        self.id = f"chatcmpl-{self.answer_id}"
        self.created = int(time.time())
        self.model = model
        self.include_reasoning = include_reasoning

    def whole(self, events: list[Event]) -> ChatResponse:
        """Return a complete reply."""
        answer = fold(events)
        reasoning = answer.reasoning if self.include_reasoning else msgspec.UNSET
        message = ReplyMessage(content=answer.text, reasoning_content=reasoning)
        return ChatResponse(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[Choice(message=message, finish_reason=answer.done.finish_reason)],
            usage=usage_view(answer.done.usage) or NO_USAGE,
            citations=[citation_view(each) for each in answer.citations],
            query_used=answer.query_used,
            confidence=answer.done.confidence,
            notes=note_views(answer.done.notes),
        )

    def chunk(self, *choices: ChunkChoice, **more: Any) -> bytes:
        """Return one chunk as a server-sent event."""
        chunk = ChatChunk(id=self.id, created=self.created, model=self.model, choices=list(choices), **more)
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


async def _chunks(events: AsyncGenerator[Event | None], reply: _Reply, *, include_usage: bool) -> AsyncGenerator[bytes]:
    citations: list[CitationView] = []
    yield reply.chunk(ChunkChoice(delta={"role": "assistant", "content": ""}))
    try:
        async with aclosing(events):
            async for each in events:
                match each:
                    case None:
                        yield KEEP_ALIVE
                    case Delta(text):
                        yield reply.chunk(ChunkChoice(delta={"content": text}))
                    case Thought(text) if reply.include_reasoning:
                        yield reply.chunk(ChunkChoice(delta={"reasoning_content": text}))
                    case Cited(citation):
                        citations.append(citation_view(citation))
                    case Done():
                        yield reply.chunk(
                            ChunkChoice(delta={}, finish_reason=each.finish_reason),
                            citations=citations,
                            confidence=msgspec.UNSET if each.confidence is None else each.confidence,
                            notes=note_views(each.notes),
                        )
                        if include_usage:
                            yield reply.chunk(usage=usage_view(each.usage) or NO_USAGE)
                        yield DONE
    except (PhoserveError, KeyNotValid) as error:
        yield b"data: " + msgspec.json.encode(openai_error(problem_of(error))) + b"\n\n"


def _conversation(messages: list[ChatMessageIn], limits: LimitSettings) -> tuple[str, tuple[ChatMessage, ...]]:
    """Return the last user message and the turns before it. Raises InvalidInput and UnsupportedParameter."""
    turns: list[ChatMessage] = []
    for position, each in enumerate(messages):
        if each.role in {"tool", "function"}:
            raise UnsupportedParameter(
                f"messages of role {each.role!r} are not supported: {NO_TOOLS}", field=f"messages[{position}].role"
            )
        text = text_of(each, field=f"messages[{position}].content")
        if each.role in {"user", "assistant"}:
            turns.append(ChatMessage(each.role, text))
    if not turns or turns[-1].role != "user":
        raise InvalidInput("the last message is to be the user's question", field="messages")
    if sum(len(each.content) for each in turns[:-1]) > limits.max_conversation_characters:
        raise InvalidInput(f"is over {limits.max_conversation_characters} characters", field="messages")
    return validate_question(turns[-1].content, limits, field="messages"), tuple(turns[:-1])
