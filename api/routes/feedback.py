"""POST /v1/collections/{c}/answers/{id}/feedback, and what was given so far."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from api.auth import check_body, readers, writers
from api.body import StrictJson
from api.dependencies import AuditDep, DeadlineDep, LibraryDep, PrincipalDep, ServicesDep
from api.services import Services
from phoserve.answers.feedback import AnswerLog, Feedback, LabelledQuery, Vote, labelled_queries, visible_answers
from phoserve.errors import NotFound

CHAT_PREFIX = "chatcmpl-"
MAX_FEEDBACK = 10_000


class FeedbackRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vote on an answer."""

    vote: Vote
    comment: Annotated[str, Meta(max_length=4000)] = ""


class FeedbackList(Struct, frozen=True, kw_only=True):
    """Feedback, newest first, and its questions as labels for `phoserve eval`."""

    feedback: list[Feedback]
    labels: list[LabelledQuery]


@post(
    "/v1/collections/{collection:str}/answers/{answer_id:str}/feedback",
    dto=StrictJson,
    return_dto=None,
    status_code=204,
    guards=[readers, check_body],
    tags=["answers"],
)
async def give_feedback(
    collection: FromPath[str],
    answer_id: FromPath[str],
    data: JSONBody[FeedbackRequest],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    audit: AuditDep,
    deadline: DeadlineDep,
) -> None:
    """Store a vote on an answer, by the `id` that came with it; a later vote replaces it."""
    answers = _answer_log(services)
    id_ = answer_id.removeprefix(CHAT_PREFIX)
    with audit.record("give_feedback", principal, collection=collection, answer=id_, vote=data.vote):
        found = await deadline.keep(library.collection(collection))
        answer = await deadline.keep(answers.answer(found.id, id_))
        visible = await deadline.keep(
            visible_answers([answer] if answer else [], principal.audience, services.stores.registry)
        )
        is_rated = bool(visible) and await deadline.keep(
            answers.rate(found.id, id_, data.vote, comment=data.comment, voter=principal.id)
        )
        if not is_rated:
            raise NotFound(f"answer {answer_id!r} does not exist or is too old for feedback")


@get("/v1/collections/{collection:str}/feedback", guards=[writers], tags=["answers"])
async def list_feedback(
    collection: FromPath[str],
    library: LibraryDep,
    services: ServicesDep,
    principal: PrincipalDep,
    deadline: DeadlineDep,
    vote: FromQuery[Vote | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_FEEDBACK)] = 1000,
) -> FeedbackList:
    """Return the newest feedback on a collection's answers, without those from documents that the key may not see."""
    found = await deadline.keep(library.collection(collection))
    # What is left out is not known before it is read.
    fetched = limit if principal.audience.sees_all else MAX_FEEDBACK
    newest = await deadline.keep(_answer_log(services).feedback(found.id, vote=vote, limit=fetched))
    answers = [each.answer for each in newest]
    visible = await deadline.keep(visible_answers(answers, principal.audience, services.stores.registry))
    feedback = [each for each in newest if each.answer.id in visible][:limit]
    return FeedbackList(feedback=feedback, labels=labelled_queries(feedback))


def _answer_log(services: Services) -> AnswerLog:
    if services.stores.answers is None:
        raise NotFound("this server keeps no answers: set PHOSERVE_ANSWERS__KEEP_HOURS above 0")
    return services.stores.answers
