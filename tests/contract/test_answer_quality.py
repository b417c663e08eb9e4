"""Extractive answers over the sample documents stay right, and foreign questions stay unanswered."""

import numpy as np

from loadtests.answer_quality import COLLECTION, examples_of, filled, outcome, sample_rows
from phoserve.answers.evidence import weights_for
from phoserve.answers.extractive import Extract, extract
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.search.retrieval import Query

BUNDLED = "phoserve-bundled-vi"


async def answer(question: str) -> Extract:
    async with filled(sample_rows()) as retriever:
        query = Query(text=question, top_k=5)
        found = await retriever.search(COLLECTION.id, query, deadline=Deadline.after(30), timings=Timings())
        return await extract(question, found.hits, retriever.embedder, min_confidence=None, timeout_s=30)


async def test_the_test_questions_reach_the_aim() -> None:
    test, foreign = await examples_of(["test", "test_foreign"])
    weights = weights_for(BUNDLED)
    right = [
        confidence >= weights.min_confidence and is_right
        for confidence, is_right in (outcome(each, weights) for each in test)
    ]
    given = [outcome(each, weights)[0] >= weights.min_confidence for each in foreign]
    assert len(test) >= 150
    assert len(foreign) >= 150
    assert np.mean(right) >= 0.85
    assert np.mean(given) <= 0.05


async def test_the_readme_question_is_answered_with_its_list() -> None:
    found = await answer("sắp cưới thì công ty cho mấy hôm")
    assert "Bản thân kết hôn: ba ngày." in found.citations[0].quote
    assert not found.citations[0].quote.startswith(("-", "#"))


async def test_a_foreign_question_is_not() -> None:
    assert (await answer("Ai là tổng thống Mỹ?")).citations == ()
