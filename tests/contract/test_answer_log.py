"""What every AnswerLog promises."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from phoserve.adapters.sql import answer_log
from phoserve.adapters.sql.answer_log import SqlAnswerLog
from phoserve.adapters.sql.database import open_database
from phoserve.adapters.sql.registry import SqlRegistry
from phoserve.adapters.sql.schema import migrate
from phoserve.answers.feedback import AnswerLog, AnswerPassage, AnswerRecord, LabelledQuery, labelled_queries
from tests.support.memory import MemoryAnswerLog


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def log(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> AsyncIterator[AnswerLog]:
    if request.param == "memory":
        yield MemoryAnswerLog()
        return
    database = open_database(new_database(request.param))
    yield SqlAnswerLog(database, keep_hours=1)
    await database.close()


def record(id_: str, *, collection: str = "c1", question: str = "Nghỉ mấy ngày?") -> AnswerRecord:
    cited, read = (
        AnswerPassage(document_id=name, document_key=name, revision=2, passage_id=name, is_cited=name == "leave")
        for name in ("leave", "pay")
    )
    return AnswerRecord(
        id=id_,
        collection_id=collection,
        question=question,
        query_used=question,
        answer="Ba ngày [1].",
        mode="extractive",
        found=True,
        confidence=0.8,
        passages=(cited, read),
        fingerprint="f",
        llm=None,
    )


async def test_a_vote_keeps_question_passages_and_versions(log: AnswerLog) -> None:
    await log.record(record("a"))
    assert await log.rate("c1", "a", "down", comment="", voter="k")
    assert await log.rate("c1", "a", "up", comment="Đúng rồi", voter="k")
    [found] = await log.feedback("c1", vote=None, limit=10)
    assert (found.vote, found.comment, found.voter) == ("up", "Đúng rồi", "k")
    assert found.answer == msgspec.structs.replace(record("a"), created_at=found.answer.created_at)
    assert datetime.now(UTC) - found.voted_at < timedelta(minutes=5)
    assert labelled_queries([found]) == [LabelledQuery(query="Nghỉ mấy ngày?", positive_id="leave")]


async def test_votes_are_of_their_collection_and_kind(log: AnswerLog) -> None:
    for id_, collection in (("a", "c1"), ("b", "c1"), ("c", "c2")):
        await log.record(record(id_, collection=collection))
    assert not await log.rate("c2", "a", "up", comment="", voter="k")
    assert not await log.rate("c1", "unknown", "up", comment="", voter="k")
    assert await log.rate("c1", "a", "up", comment="", voter="k")
    assert await log.rate("c1", "b", "down", comment="", voter="k")
    assert [each.answer.id for each in await log.feedback("c1", vote=None, limit=10)] == ["b", "a"]
    assert [each.answer.id for each in await log.feedback("c1", vote="up", limit=10)] == ["a"]
    assert len(await log.feedback("c1", vote=None, limit=1)) == 1
    assert await log.feedback("c2", vote=None, limit=10) == []


async def test_old_answers_without_feedback_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    await migrate(url)
    database = open_database(url)
    monkeypatch.setattr(answer_log, "PRUNED_SHARE", 2.0)
    patient, brief = SqlAnswerLog(database, keep_hours=1), SqlAnswerLog(database, keep_hours=1e-9)
    await patient.record(record("voted"))
    assert await patient.rate("c1", "voted", "up", comment="", voter="k")
    await patient.record(record("old"))
    await brief.record(record("new"))
    assert not await brief.rate("c1", "old", "up", comment="", voter="k")
    assert [each.answer.id for each in await brief.feedback("c1", vote=None, limit=9)] == ["voted"]
    await SqlRegistry(database).remove_collection("c1")
    assert await brief.feedback("c1", vote=None, limit=9) == []
    await database.close()
