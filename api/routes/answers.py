"""POST /v1/collections/{c}/answers: JSON, or the same as server-sent events."""

from collections.abc import AsyncGenerator

from litestar import Response, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from api.auth import readers
from api.body import StrictJson
from api.dependencies import AnswerDeadlineDep, AnswererDep, GatesDep, LibraryDep, MetricsDep, ServicesDep
from api.metrics import Metrics
from api.routes.search import query_of
from api.schemas.answers import (
    AnswerRequest,
    AnswerResponse,
    DeltaEvent,
    DoneEvent,
    RetrievalEvent,
    citation_view,
    usage_view,
)
from api.schemas.search import SearchRequest, hit_view
from api.sse import KEEP_ALIVE, BackgroundStream, error_event, event, stream
from phoserve.answers.answering import Answerer, Cited, Delta, Done, Event, Retrieved
from phoserve.answers.citations import Citation
from phoserve.answers.ports import ChatMessage
from phoserve.concurrency.deadline import Deadline
from phoserve.errors import PhoserveError
from phoserve.search.retrieval import Hit, Query


@post(
    "/v1/collections/{collection:str}/answers",
    dto=StrictJson,
    return_dto=None,
    status_code=200,
    guards=[readers],
    tags=["answers"],
)
async def answer(
    collection: FromPath[str],
    data: JSONBody[AnswerRequest],
    library: LibraryDep,
    answerer: AnswererDep,
    services: ServicesDep,
    gates: GatesDep,
    answer_deadline: AnswerDeadlineDep,
    metrics: MetricsDep,
) -> Response[AnswerResponse] | Stream:
    """Answer a question from a collection, with citations.

    With `stream` the answer comes as events: `retrieval`, then `delta` and `citation`, then `done`; or `error`.
    """
    query = query_of(
        SearchRequest(
            query=data.question,
            mode=data.mode,
            top_k=data.top_k,
            filter=data.filter,
            weights=data.weights,
            per_document=data.per_document,
            rerank=data.rerank,
        ),
        services.limits,
        field="question",
    )
    await answer_deadline.keep(library.collection(collection))
    events = answer_events(answerer, gates, collection, query, answer_deadline, metrics)
    relay = BackgroundStream(events, answer_deadline)
    if data.stream:
        return stream(_as_sse(await relay.first(), relay))
    return Response(_whole([each async for each in relay if each is not None]))


async def answer_events(
    answerer: Answerer,
    gates: GatesDep,
    collection: str,
    query: Query,
    deadline: Deadline,
    metrics: Metrics,
    history: tuple[ChatMessage, ...] = (),
) -> AsyncGenerator[Event]:
    """The answer's events, holding a place at the gate until the last. Raises Overloaded where there is none."""
    with gates.answers.hold():
        async for each in answerer.answer(collection, query, deadline=deadline, history=history):
            if isinstance(each, Done):
                _count(each, metrics)
            yield each


def _count(done: Done, metrics: Metrics) -> None:
    metrics.observe_stages(done.timings_ms)
    metrics.dropped_citations.inc(done.dropped_citations)
    if done.usage is not None:
        metrics.tokens.labels("llm_prompt").inc(done.usage.prompt)
        metrics.tokens.labels("llm_completion").inc(done.usage.completion)


async def _as_sse(first: Event, rest: BackgroundStream[Event]) -> AsyncGenerator[bytes]:
    yield _event_bytes(first)
    try:
        async for each in rest:
            yield KEEP_ALIVE if each is None else _event_bytes(each)
    except PhoserveError as error:
        yield error_event(error)


def _event_bytes(item: Event) -> bytes:
    match item:
        case Retrieved(hits, mode):
            return event("retrieval", RetrievalEvent(mode=mode, hits=[hit_view(hit) for hit in hits]))
        case Delta(text):
            return event("delta", DeltaEvent(text=text))
        case Cited(citation):
            return event("citation", citation_view(citation))
        case Done():
            return event(
                "done",
                DoneEvent(
                    found=item.found,
                    mode=item.mode,
                    usage=usage_view(item.usage),
                    dropped_citations=item.dropped_citations,
                    timings_ms=item.timings_ms,
                ),
            )


def _whole(events: list[Event]) -> AnswerResponse:
    """The events of a complete answer as one object: what is streamed and what is not cannot differ."""
    text, citations, hits, done = folded(events)
    return AnswerResponse(
        answer=text,
        found=done.found,
        citations=[citation_view(each) for each in citations],
        mode=done.mode,
        usage=usage_view(done.usage),
        dropped_citations=done.dropped_citations,
        hits=[hit_view(hit) for hit in hits],
        timings_ms=done.timings_ms,
    )


def folded(events: list[Event]) -> tuple[str, list[Citation], list[Hit], Done]:
    """Text, citations, hits and ending of a complete answer."""
    text = "".join(each.text for each in events if isinstance(each, Delta))
    citations = [each.citation for each in events if isinstance(each, Cited)]
    [hits] = [each.hits for each in events if isinstance(each, Retrieved)]
    [done] = [each for each in events if isinstance(each, Done)]
    return text, citations, hits, done
