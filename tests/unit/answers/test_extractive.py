"""Extractive answers: what a question asks for, what is quoted, and when nothing is."""

import json
import uuid
from importlib.resources import files

import pytest

from phoserve.answers.evidence import FEATURES, OTHER_ENCODERS, weights_for
from phoserve.answers.extractive import Extract, extract
from phoserve.answers.parts import parts_of
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


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("Ai quản lý chi nhánh Vinh?", "Quản lý: anh Cao Xuân Bách.", "Chi nhánh Vinh: 9 Lê Lợi, mở cửa 8 giờ."),
        ("Chủ tịch phường tên gì?", "Chủ tịch: ông Trần Văn Lộc.", "Chủ tịch phường tiếp công dân ngày 10."),
        ("Giám đốc là ai?", "Giám đốc: Đặng Quốc Khánh.", "Giám đốc duyệt đơn trong 3 ngày."),
        ("Mất thẻ gọi số nào?", "Gọi 1900 5588 99 để khóa thẻ.", "Mất thẻ thì nộp 50.000 đồng."),
        ("Số điện thoại phòng nhân sự?", "Phòng nhân sự, máy lẻ 214.", "Phòng nhân sự ở tầng 2."),
        ("Đăng ký kết hôn có mất tiền không?", "Không thu lệ phí.", "Hai bên cùng có mặt tại phường."),
        ("Đăng ký tạm trú mất mấy ngày?", "Giải quyết trong 3 ngày.", "Người ở từ 30 ngày trở lên phải đăng ký."),
        ("Nhận kết quả ở đâu?", "Nhận tại quầy số 4.", "Kết quả có sau hai giờ."),
        ("Bao giờ có lương?", "Lương trả vào ngày 10 hằng tháng.", "Thử việc 60 ngày."),
        ("Nghị định có hiệu lực từ ngày nào?", "Có hiệu lực kể từ ngày ký.", "Nghị định này có bảy chương."),
        ("Mẹ được nghỉ bao lâu mỗi ngày?", "Nghỉ 60 phút mỗi ngày.", "Mẹ nuôi con dưới 12 tháng tuổi."),
    ],
)
def test_a_question_expects_the_kind_of_its_answer(question: str, answer: str, other: str) -> None:
    assert (Question(question).expects(answer), Question(question).expects(other)) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("question", "text", "words"),
    [
        ("nghỉ phép năm mấy ngày", "Ngoài phép năm, được nghỉ ba ngày.", "được nghỉ ba ngày"),
        ("nghi phep nam may ngay", "Gửi đơn. Ngoài phép năm, được nghỉ ba ngày.", "Gửi đơn. Được nghỉ ba ngày"),
        ("annual leave how long", "Besides annual leave, sick leave is paid.", "sick leave is paid"),
        ("Ngoài phép năm còn được nghỉ gì?", "Ngoài phép năm, được nghỉ ba ngày.", "Ngoài phép năm được nghỉ ba ngày"),
        ("trồng cây ngoài trời", "Cây ngoài phép, dù to, bị chặt.", "Cây ngoài phép dù to bị chặt"),
    ],
)
def test_what_a_sentence_sets_aside_is_not_its_subject(question: str, text: str, words: str) -> None:
    asked = Question(question)
    assert asked.fold_subject(text) == asked.fold(words)


async def test_what_a_sentence_sets_aside_is_answered_by_another() -> None:
    leave = "Nhân viên chính thức có 12 ngày phép trong mỗi năm dương lịch."
    found = await quotes(
        "Nhân viên được nghỉ phép bao nhiêu ngày một năm?",
        hit(LEAVE),
        hit(leave, document="annual", title="Nghỉ phép năm", score=0.9),
    )
    assert found.citations[0].quote == leave


def test_a_number_counts_with_its_unit() -> None:
    question = Question("gửi 6 tháng")
    assert question.coverage(question.fold("gửi trong 6 tháng")) == 1.0
    assert question.coverage(question.fold("gửi 6 ngày trong tháng")) == question.coverage(question.fold("gửi"))
    numbered = Question("lớp 10 tuyển mấy em")
    assert numbered.coverage(numbered.fold("lớp 10 tuyển")) > numbered.coverage(numbered.fold("lớp 6 tuyển ngày 10"))
    assert Question("Mất mấy ngày?").counts("ở từ 30 ngày trở lên") == 0.0


def test_a_phone_number_need_not_be_called_one() -> None:
    question = Question("số điện thoại văn phòng")
    assert question.coverage(question.fold("Văn phòng: 0236 3888 245.")) == 1.0
    assert Question("số điện thoại").terms


async def test_another_one_of_a_numbered_kind_is_no_answer() -> None:
    school = hit("# Tuyển sinh lớp 6\n\nNhà trường tuyển 320 học sinh.", title="Tuyển sinh lớp 6")
    assert (await quotes("Lớp 6 tuyển bao nhiêu học sinh?", school)).citations
    assert not (await quotes("Lớp 10 tuyển bao nhiêu học sinh?", school)).citations
    assert (await quotes("Tuyển bao nhiêu học sinh?", school)).citations


async def test_the_row_of_another_number_is_no_answer() -> None:
    rates = hit("Kỳ hạn | Lãi\n6 tháng | 4,9%\n12 tháng | 5,6%\n24 tháng | 5,9%", title="Lãi suất")
    found = await quotes("Gửi 12 tháng lãi bao nhiêu?", rates)
    assert [each.quote for each in found.citations] == ["Kỳ hạn | Lãi", "12 tháng | 5,6%"]
    assert not (await quotes("Gửi 36 tháng lãi bao nhiêu?", rates)).citations


def test_the_newest_turn_of_a_follow_up_counts_most() -> None:
    turns = ["còn tủ lạnh", "tivi bảo hành bao lâu"]
    question = Question("còn tủ lạnh (tivi bảo hành bao lâu)?", turns)
    assert question.coverage(question.fold("tủ lạnh")) > question.coverage(question.fold("tivi"))
    assert question.coverage(question.fold("còn tủ lạnh tivi bảo hành bao lâu")) == pytest.approx(1.0)


async def test_a_follow_up_is_answered_by_what_it_names() -> None:
    rows = ["Bảo hành\n\n- Tivi: bảo hành 24 tháng.\n- Tủ lạnh: bảo hành 10 năm."]
    text, turns = "còn tủ lạnh (tivi bảo hành bao lâu)?", ["còn tủ lạnh", "tivi bảo hành bao lâu"]
    found = await extract(text, [hit(rows[0])], WordHashEmbedder(), min_confidence=0.0, timeout_s=5, turns=turns)
    assert found.citations[0].quote.startswith("Tủ lạnh")


async def test_two_questions_in_one_get_two_quotations() -> None:
    text = "# Lương\n\nLương trả vào ngày 10 hằng tháng. Tạm ứng giữa tháng tối đa 40% lương, trả vào ngày 25."
    found = await quotes("lương trả ngày nào và tạm ứng được bao nhiêu phần trăm?", hit(text))
    assert {"Lương trả vào ngày 10 hằng tháng.", "Tạm ứng giữa tháng tối đa 40% lương, trả vào ngày 25."} == {
        each.quote for each in found.citations
    }


async def test_the_part_of_a_question_without_an_answer_is_named() -> None:
    text = "# Lương\n\nLương của nhân viên trả vào ngày 10 hằng tháng."
    found = await quotes("Lương trả vào ngày nào, ai viết Truyện Kiều?", hit(text), min_confidence=0.4)
    assert [each.quote for each in found.citations] == ["Lương của nhân viên trả vào ngày 10 hằng tháng."]
    assert found.unanswered == ("ai viết Truyện Kiều",)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Mẹ và bé cần giấy tờ gì?", ["Mẹ và bé cần giấy tờ gì?"]),
        ("Mở cửa mấy giờ, đóng cửa mấy giờ?", ["Mở cửa mấy giờ", "đóng cửa mấy giờ"]),
        ("Thẻ vàng và thẻ bạc khác nhau thế nào?", ["Thẻ vàng và thẻ bạc khác nhau thế nào?"]),
        ("Phí thường niên bao nhiêu? Mất thẻ gọi số nào?", ["Phí thường niên bao nhiêu", "Mất thẻ gọi số nào"]),
        ("Nghỉ phép, nghỉ ốm cần báo ai?", ["Nghỉ phép, nghỉ ốm cần báo ai?"]),
    ],
)
def test_parts_of_a_question(question: str, parts: list[str]) -> None:
    found = parts_of(question)
    assert [each.asked for each in found] == parts
    assert all(each.text.startswith(each.asked) for each in found)


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
