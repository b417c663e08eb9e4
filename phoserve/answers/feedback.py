"""Answers as they were given, and what people thought of them."""

from collections.abc import Collection as AnyCollection
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec

from phoserve.documents.access import Access, Audience
from phoserve.documents.ports import DocumentRegistry

Vote = Literal["up", "down"]


class AnswerPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that an answer was made from, in the version that was read."""

    document_id: str
    document_key: str
    revision: int
    passage_id: str
    is_cited: bool
    access: Access = ()
    """The groups of the document when it was read."""


class AnswerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and answered, and by what."""

    id: str
    collection_id: str
    question: str
    query_used: str
    answer: str
    mode: str
    found: bool
    confidence: float | None
    passages: tuple[AnswerPassage, ...]
    fingerprint: str
    """Of the encoder that found the passages."""
    llm: str | None
    created_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A vote on an answer; a later one replaces it."""

    answer: AnswerRecord
    vote: Vote
    comment: str
    voter: str
    """The id of the key that was used."""
    voted_at: datetime


class LabelledQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A row for `phoserve eval`: a query, and a document that answers it."""

    query: str
    positive_id: str


class AnswerLog(Protocol):
    """Keeps answers for a while, and those with feedback for good. Every method raises Unavailable."""

    async def record(self, answer: AnswerRecord) -> None:
        """Keep an answer, and forget old ones without feedback."""
        ...

    async def answer(self, collection_id: str, answer_id: str) -> AnswerRecord | None:
        """Return the answer, None if there is none of this id."""
        ...

    async def rate(self, collection_id: str, answer_id: str, vote: Vote, *, comment: str, voter: str) -> bool:
        """Store a vote; False if there is no such answer."""
        ...

    async def feedback(self, collection_id: str, *, vote: Vote | None, limit: int) -> list[Feedback]:
        """Return the newest feedback first."""
        ...


async def visible_answers(
    answers: Sequence[AnswerRecord], audience: Audience, registry: DocumentRegistry
) -> AnyCollection[str]:
    """Return the ids of those answers of which `audience` may see every document that they were made from.

    The groups are those that a document has now; of a deleted one, those it had when it was read.
    """
    if audience.sees_all:
        return {each.id for each in answers}
    keys = {passage.document_key for each in answers for passage in each.passages}
    now = {key: document.access for key, document in (await registry.find_keys(list(keys))).items()}
    return {
        each.id
        for each in answers
        if all(audience.sees(now.get(passage.document_key, passage.access)) for passage in each.passages)
    }


def labelled_queries(feedback: Sequence[Feedback]) -> list[LabelledQuery]:
    """Return the questions that were answered well, with the documents that were cited, each pair once."""
    pairs = {
        (each.answer.query_used, passage.document_id): None
        for each in feedback
        if each.vote == "up"
        for passage in each.answer.passages
        if passage.is_cited
    }
    return [LabelledQuery(query=query, positive_id=document) for query, document in pairs]
