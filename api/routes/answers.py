"""POST /v1/collections/{c}/answers: JSON, or the same as server-sent events."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import structlog
from litestar import Request, Response, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from api.auth import KeyNotValid, check_body, readers, while_valid
from api.body import StrictJson
from api.dependencies import AnswerDeadlineDep, GatesDep, LibraryDep, MetricsDep, PrincipalDep, ServicesDep
from api.metrics import Metrics
from api.routes.search import query_of
from api.schemas.answers import (
    AnswerRequest,
    AnswerResponse,
    DeltaEvent,
    RestartEvent,
    RetrievalEvent,
    citation_view,
    done_event,
    note_views,
    support_views,
    usage_view,
)
from api.schemas.search import SearchRequest, found_documents, hit_views
from api.services import Services
from api.sse import KEEP_ALIVE, BackgroundStream, error_event, event, stream
from phoserve.answers.answering import Conversation
from phoserve.answers.citations import Citation
from phoserve.answers.events import GENERATED, Cited, Delta, Done, Event, Restarted, Retrieved, Thought
from phoserve.answers.feedback import AnswerPassage, AnswerRecord
from phoserve.answers.ports import ChatMessage
from phoserve.documents.collections import Collection
from phoserve.errors import InvalidInput, PhoserveError
from phoserve.search.retrieval import Hit
from phoserve.settings import LimitSettings

log = structlog.get_logger(__name__)


@post(
    "/v1/collections/{collection:str}/answers",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers, check_body],
    tags=["answers"],
)
async def answer(
    collection: FromPath[str],
    data: JSONBody[AnswerRequest],
    library: LibraryDep,
    services: ServicesDep,
    gates: GatesDep,
    principal: PrincipalDep,
    answer_deadline: AnswerDeadlineDep,
    metrics: MetricsDep,
    request: Request[Any, Any, Any],
) -> Response[AnswerResponse] | Stream:
    """Answer a question from a collection, with citations.

    With `stream` the answer comes as events: `retrieval`, then `delta`, `citation`, `reasoning` and `restart`, then
    `done`; or `error`.
    """
    question, history = _conversation(data, services.limits)
    query = query_of(
        SearchRequest(
            query=question,
            mode=data.mode,
            top_k=data.top_k,
            filter=data.filter,
            weights=data.weights,
            per_document=data.per_document,
            rerank=data.rerank,
            collapse=data.collapse,
            diversity=data.diversity,
            metadata=data.metadata,
        ),
        services.limits,
        principal.audience,
        field="question",
    )
    searched = await answer_deadline.keep(library.collection(collection))
    query = replace(query, weights=query.weights or searched.fusion)
    conversation = Conversation(history=history, include_support=data.include_support)
    answering = services.answerer_of(searched).answer(
        searched.id, query, deadline=answer_deadline, conversation=conversation
    )
    recorded = recorded_events(answering, services, searched, question)
    relay = BackgroundStream(gated_events(recorded, gates, metrics), answer_deadline)
    if data.stream:
        first = await relay.first()
        return stream(_as_sse(first, while_valid(request, collection, aiter(relay)), data))
    return Response(_whole([each async for each in relay if each is not None], data))


async def gated_events(answering: AsyncGenerator[Event], gates: GatesDep, metrics: Metrics) -> AsyncGenerator[Event]:
    """Yield an answer's events, holding a place at the gate until the last. Raises Overloaded where there is none."""
    with gates.answers.hold():
        async for each in answering:
            if isinstance(each, Done):
                _count(each, metrics)
            yield each


async def recorded_events(
    answering: AsyncGenerator[Event], services: Services, collection: Collection, question: str, *, answer_id: str = ""
) -> AsyncGenerator[Event]:
    """Yield an answer's events, its end with an id; by then the answer is kept for feedback, as far as possible."""
    events: list[Event] = []
    async with aclosing(answering):
        async for each in answering:
            if isinstance(each, Done):
                each = replace(each, id=answer_id or uuid4().hex)
            events.append(each)
            if isinstance(each, Done) and services.stores.answers is not None:
                try:
                    await services.stores.answers.record(_record(events, services, collection, question))
                except PhoserveError as error:
                    log.warning("answer_not_kept", error=str(error))
            yield each


def _record(events: list[Event], services: Services, collection: Collection, question: str) -> AnswerRecord:
    whole = fold(events)
    cited = {each.marker for each in whole.citations}
    chat = services.chat
    return AnswerRecord(
        id=whole.done.id,
        collection_id=collection.id,
        question=question,
        query_used=whole.query_used,
        answer=whole.text,
        mode=whole.done.mode,
        found=whole.done.found,
        confidence=whole.done.confidence,
        passages=tuple(
            AnswerPassage(
                document_id=hit.passage.document_id,
                document_key=hit.passage.document_key,
                revision=hit.passage.revision,
                passage_id=hit.passage.id,
                is_cited=marker in cited,
                access=hit.passage.access,
            )
            for marker, hit in enumerate(whole.hits, start=1)
        ),
        fingerprint=services.directory.of(collection).fingerprint,
        llm=chat.name if chat and whole.done.mode == GENERATED else None,
    )


def _conversation(data: AnswerRequest, limits: LimitSettings) -> tuple[str, tuple[ChatMessage, ...]]:
    """Return the question and the turns before it. Raises InvalidInput."""
    turns = [ChatMessage(each.role, each.content) for each in data.messages or []]
    if sum(len(each.content) for each in turns) > limits.max_conversation_characters:
        raise InvalidInput(f"is over {limits.max_conversation_characters} characters", field="messages")
    if data.question is not None:
        return data.question, tuple(turns)
    if not turns or turns[-1].role != "user":
        raise InvalidInput("give a `question`, or `messages` that end with one of the user's", field="question")
    return turns[-1].content, tuple(turns[:-1])


def _count(done: Done, metrics: Metrics) -> None:
    metrics.observe_stages(done.timings_ms)
    metrics.dropped_citations.inc(done.dropped_citations)
    metrics.answers.labels(done.mode, str(done.found).lower(), str(done.fallback).lower()).inc()
    if done.usage is not None:
        metrics.tokens.labels("llm_prompt").inc(done.usage.prompt)
        metrics.tokens.labels("llm_completion").inc(done.usage.completion)


async def _as_sse(first: Event, rest: AsyncGenerator[Event | None], request: AnswerRequest) -> AsyncGenerator[bytes]:
    yield _event_bytes(first, request)
    try:
        async with aclosing(rest):
            async for each in rest:
                if each is None:
                    yield KEEP_ALIVE
                elif request.include_reasoning or not isinstance(each, Thought):
                    yield _event_bytes(each, request)
    except (PhoserveError, KeyNotValid) as error:
        yield error_event(error)


def _event_bytes(item: Event, request: AnswerRequest) -> bytes:
    match item:
        case Retrieved(hits, mode, query_used, warnings):
            retrieval = RetrievalEvent(
                mode=mode,
                hits=hit_views(hits, request.metadata),
                documents=found_documents(hits, request.metadata),
                query_used=query_used,
                warnings=warnings,
            )
            return event("retrieval", retrieval)
        case Delta(text):
            return event("delta", DeltaEvent(text=text))
        case Thought(text):
            return event("reasoning", DeltaEvent(text=text))
        case Cited(citation):
            return event("citation", citation_view(citation))
        case Restarted(code, detail):
            return event("restart", RestartEvent(code=code, detail=detail))
        case Done():
            return event("done", done_event(item, include_support=request.include_support))


def _whole(events: list[Event], request: AnswerRequest) -> AnswerResponse:
    """Return the events of a complete answer as one object: what is streamed and what is not cannot differ."""
    whole = fold(events)
    return AnswerResponse(
        id=whole.done.id,
        answer=whole.text,
        found=whole.done.found,
        citations=[citation_view(each) for each in whole.citations],
        mode=whole.done.mode,
        usage=usage_view(whole.done.usage),
        dropped_citations=whole.done.dropped_citations,
        hits=hit_views(whole.hits, request.metadata),
        documents=found_documents(whole.hits, request.metadata),
        timings_ms=whole.done.timings_ms,
        query_used=whole.query_used,
        warnings=whole.warnings,
        finish_reason=whole.done.finish_reason,
        fallback=whole.done.fallback,
        confidence=whole.done.confidence,
        notes=note_views(whole.done.notes),
        support=support_views(whole.done.support) if request.include_support else None,
        reasoning=whole.reasoning if request.include_reasoning else None,
    )


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """A complete answer."""

    text: str
    citations: list[Citation]
    hits: list[Hit]
    query_used: str
    warnings: tuple[str, ...]
    reasoning: str
    done: Done


def fold(events: Sequence[Event]) -> WholeAnswer:
    """Return the complete answer that `events` are."""
    [retrieved] = [each for each in events if isinstance(each, Retrieved)]
    [done] = [each for each in events if isinstance(each, Done)]
    restarts = [position for position, each in enumerate(events) if isinstance(each, Restarted)]
    valid = events[restarts[-1] :] if restarts else events
    return WholeAnswer(
        text="".join(each.text for each in valid if isinstance(each, Delta)),
        citations=[each.citation for each in valid if isinstance(each, Cited)],
        hits=retrieved.hits,
        query_used=retrieved.query_used,
        warnings=retrieved.warnings,
        reasoning="".join(each.text for each in events if isinstance(each, Thought)),
        done=done,
    )
