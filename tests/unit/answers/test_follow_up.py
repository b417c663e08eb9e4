"""Follow-up questions become standalone, by rules or by an LLM."""

import pytest

from phoserve.answers.follow_up import MAX_CARRIED_CHARACTERS, is_follow_up, rewrite, stand_alone
from phoserve.answers.ports import ChatMessage
from tests.support.chat import ScriptedChat

FIRST = "Bản thân kết hôn được nghỉ mấy ngày?"


def turns(*questions: str) -> list[ChatMessage]:
    return [
        turn for each in questions for turn in (ChatMessage("user", each), ChatMessage("assistant", "Ba ngày [1]."))
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Còn con kết hôn thì sao?", "Còn con kết hôn thì sao (Bản thân được nghỉ mấy ngày)?"),
        ("Nộp trong bao lâu?", "Nộp trong bao lâu (Bản thân kết hôn được nghỉ)?"),
        ("Máy lọc không khí Mây Lành dùng cho phòng bao nhiêu mét vuông?", None),
    ],
)
def test_what_is_left_out_is_carried_over(question: str, expected: str | None) -> None:
    assert stand_alone(question, turns(FIRST)) == (expected or question)


def test_a_chain_of_follow_ups_keeps_its_subject() -> None:
    assert "kết hôn" in stand_alone("Nộp ở đâu?", turns(FIRST, "Cần giấy tờ gì?"))


def test_a_number_is_replaced_by_the_new_one_of_its_unit() -> None:
    assert stand_alone("Còn 24 tháng?", turns("Lãi 6 tháng bao nhiêu?")) == "Còn 24 tháng (Lãi bao nhiêu)?"
    assert "12" in stand_alone("Còn 24 tháng?", turns("Điều 12 có lãi bao nhiêu?"))


def test_without_turns_nothing_changes() -> None:
    assert stand_alone("Còn ô tô?", []) == "Còn ô tô?"
    assert stand_alone("Còn ô tô?", [ChatMessage("assistant", "Chào bạn")]) == "Còn ô tô?"


def test_a_long_turn_is_not_carried_whole() -> None:
    assert len(stand_alone("Còn ô tô?", turns("xe máy " * 1000))) < MAX_CARRIED_CHARACTERS + 20


@pytest.mark.parametrize("question", ["What about cars?", "nó ở đâu", "Trường hợp này ai duyệt đơn xin nghỉ phép năm?"])
def test_follow_ups_are_recognised(question: str) -> None:
    assert is_follow_up(question)


async def test_an_llm_rewrites() -> None:
    chat = ScriptedChat('"Con kết hôn được nghỉ mấy ngày?"')
    text, usage = await rewrite("Còn con thì sao?", turns(FIRST), chat, timeout_s=5)
    assert text == "Con kết hôn được nghỉ mấy ngày?"
    assert usage is not None
    assert FIRST in chat.asked[0][-1].content


@pytest.mark.parametrize("script", ["", "dòng một\ndòng hai", "rất dài " * 100])
async def test_an_unusable_reply_is_replaced_by_the_rules(script: str) -> None:
    text, _ = await rewrite("Còn con kết hôn?", turns(FIRST), ScriptedChat(script), timeout_s=5)
    assert text == stand_alone("Còn con kết hôn?", turns(FIRST))
