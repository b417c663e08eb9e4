"""Answers and their feedback in the registry's database."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from phoserve.adapters.sql.database import Database
from phoserve.adapters.sql.rows import microseconds
from phoserve.adapters.sql.tables import answers
from phoserve.answers.feedback import AnswerRecord, Feedback, Vote

PRUNED_SHARE: Final = 0.02
"""Of the records that are written: they also remove the old ones."""


class SqlAnswerLog:
    """An `AnswerLog` that processes share through a database; answers without feedback are kept for `keep_hours`."""

    def __init__(self, database: Database, *, keep_hours: float) -> None:
        self._database = database
        self._keep = timedelta(hours=keep_hours)

    async def record(self, answer: AnswerRecord) -> None:
        """Keep an answer, and now and then forget old ones without feedback."""
        row = {
            "id": answer.id,
            "collection_id": answer.collection_id,
            "record": msgspec.to_builtins(answer),
            "created_us": microseconds(answer.created_at),
        }
        oldest = microseconds(datetime.now(UTC) - self._keep)
        prunes = random.random() < PRUNED_SHARE  # noqa: S311

        def write(connection: Connection) -> None:
            connection.execute(insert(answers), row)
            if prunes:
                connection.execute(delete(answers).where(answers.c.vote.is_(None), answers.c.created_us < oldest))

        await self._database.write(write)

    async def answer(self, collection_id: str, answer_id: str) -> AnswerRecord | None:
        """Return the answer, None if there is none of this id."""
        statement = select(answers.c.record).where(answers.c.id == answer_id, answers.c.collection_id == collection_id)
        record = await self._database.read(lambda connection: connection.execute(statement).scalar())
        return None if record is None else msgspec.convert(record, AnswerRecord)

    async def rate(self, collection_id: str, answer_id: str, vote: Vote, *, comment: str, voter: str) -> bool:
        """Store a vote; False if there is no such answer."""
        statement = (
            update(answers)
            .where(answers.c.id == answer_id, answers.c.collection_id == collection_id)
            .values(vote=vote, comment=comment, voter=voter, voted_us=microseconds(datetime.now(UTC)))
        )
        return await self._database.write(lambda connection: bool(connection.execute(statement).rowcount))

    async def feedback(self, collection_id: str, *, vote: Vote | None, limit: int) -> list[Feedback]:
        """Return the newest feedback first."""
        statement = (
            select(answers)
            .where(answers.c.collection_id == collection_id, answers.c.vote.is_not(None))
            .order_by(answers.c.voted_us.desc())
            .limit(limit)
        )
        if vote is not None:
            statement = statement.where(answers.c.vote == vote)
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [_feedback_of(row) for row in rows]


def _feedback_of(row: Any) -> Feedback:
    return Feedback(
        answer=msgspec.convert(row["record"], AnswerRecord),
        vote=row["vote"],
        comment=row["comment"] or "",
        voter=row["voter"] or "",
        voted_at=datetime.fromtimestamp(row["voted_us"] / 1e6, UTC),
    )
