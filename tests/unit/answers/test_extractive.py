"""Extractive answers: what a question asks for, what is quoted, and when nothing is."""

import json
import uuid
from importlib.resources import files

import pytest

from phoserve.answers.evidence import FEATURES, OTHER_ENCODERS, weights_for
from phoserve.answers.extractive import Extract, extract
from phoserve.answers.question import Question
from phoserve.documents.records import Passage
from phoserve.search.retrieval import Hit
from tests.support.embedders import WordHashEmbedder

WEDDING = (
    "Ngoài phép năm, nhân viên được nghỉ trong các dịp sau:\n\n- Bản thân kết hôn: ba ngày.\n- Con kết hôn: một ngày."
)
LEAVE = f"# Nghỉ việc riêng\n\n{WEDDING}\n\nCông đoàn gửi vòng hoa, hoặc quà cưới trị giá tương đương."


def hit(text: str, *, document: str = "leave", title: str = "Nghỉ việc riêng", score: float = 1.0) -> Hit:
    passage = Passage(
        collection="kb",
        document_id=document,
        document_key=uuid.uuid5(uuid.NAMESPACE_DNS, document).hex,
        revision=1,
        ordinal=0,
        title=title,
        text=text,
        start=0,
        end=len(text),
    )
    return Hit(passage=passage, score=score, dense_score=0.3)


async def quotes(question: str, *hits: Hit, min_confidence: float | None = 0.0) -> Extract:
    return await extract(question, hits, WordHashEmbedder(), min_confidence=min_confidence, timeout_s=5)


@pytest.mark.parametrize(
    "question",
    ["Sắp cưới thì công ty cho mấy hôm?", "Bản thân kết hôn được nghỉ mấy ngày?", "lấy vợ được nghỉ bao lâu"],
)
async def test_the_list_that_answers_is_quoted_whole(question: str) -> None:
    found = await quotes(question, hit(LEAVE))
    assert found.citations[0].quote == WEDDING
    assert LEAVE[found.citations[0].start : found.citations[0].end] == WEDDING


async def test_nothing_is_quoted_twice() -> None:
    copy = "Nhân viên được nghỉ phép mười hai ngày mỗi năm."
    found = await quotes("Nhân viên được nghỉ phép mấy ngày?", hit(copy), hit(copy, document="copy", score=0.9))
    assert [each.quote for each in found.citations] == [copy]


async def test_a_foreign_question_gets_nothing_and_a_low_confidence() -> None:
    found = await quotes("Ai là tổng thống Mỹ?", hit(LEAVE), min_confidence=None)
    assert found.citations == ()
    assert found.confidence < 0.3


async def test_no_units_give_nothing() -> None:
    assert await quotes("gì", hit("# ")) == Extract((), 0.0)
    assert await quotes("gì") == Extract((), 0.0)


def test_a_question_knows_synonyms_and_the_kind_of_its_answer() -> None:
    question = Question("Gửi xe hơi bao nhiêu tiền?")
    assert question.coverage(question.fold("gửi ô tô")) > question.coverage(question.fold("gửi hàng"))
    assert question.coverage(question.fold("gửi xe hơi")) == 1.0
    assert (question.expects("phí 1.200.000 đồng"), question.expects("ở hầm B2")) == (1.0, -1.0)
    assert Question("Nghỉ mấy hôm?").counts("được năm ngày") == 1.0
    assert Question("Vì sao phải gửi xe?").expects("mười đồng") == 0.0


def test_a_question_without_diacritics_is_compared_without() -> None:
    question = Question("nghi phep nam")
    assert question.coverage(question.fold("Nghỉ phép năm")) == 1.0
    accented = Question("nghỉ phép năm")
    assert accented.coverage(accented.fold("nghi phep nam")) == 0.0


def test_the_weights_fit_the_features() -> None:
    stored = json.loads(files("phoserve.answers").joinpath("data", "evidence.json").read_bytes())
    assert tuple(stored["features"]) == FEATURES
    for name in ("phoserve-bundled-vi", OTHER_ENCODERS):
        weights = weights_for(name)
        assert (len(weights.order), len(weights.confidence)) == (len(FEATURES), len(FEATURES) + 1)
        assert 0 < weights.min_confidence < 1
    assert weights_for("another/model") == weights_for(OTHER_ENCODERS)
