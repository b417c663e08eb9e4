"""A question about a part of a law by its number is answered with that part alone."""

import pytest

from phoserve.answers.cited import quote_cited_part
from phoserve.documents.records import Passage, PassageUnit
from phoserve.search.retrieval import Hit

LINES = [
    ("Điều 9. Nghỉ phép", "heading", ""),
    ("1. Nhân viên có 12 ngày phép.", "item", "khoản 1 Điều 9"),
    ("3. Nhân viên được nghỉ thêm khi:", "item", "khoản 3 Điều 9"),
    ("a) kết hôn;", "item", "điểm a khoản 3 Điều 9"),
    ("b) con kết hôn.", "item", "điểm b khoản 3 Điều 9"),
    ("Điều 10. Nghỉ không lương", "heading", ""),
    ("Nhân viên thoả thuận với công ty.", "paragraph", ""),
]


def law(title: str = "Nội quy lao động") -> Hit:
    text, units = "", []
    for line, kind, label in LINES:
        units.append(PassageUnit(start=len(text), end=len(text) + len(line), kind=kind, label=label))
        text += f"{line}\n"
    passage = Passage(
        collection="kb", document_id="law", document_key="0" * 32, revision=1, ordinal=0, title=title,
        text=text.rstrip(), headings=("Điều 9. Nghỉ phép",), start=0, end=len(text) - 1, units=tuple(units),
    )  # fmt: skip
    return Hit(passage=passage, score=1.0)


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("Điểm b khoản 3 Điều 9 quy định gì?", "b) con kết hôn."),
        ("khoản 3 Điều 9", "3. Nhân viên được nghỉ thêm khi:\na) kết hôn;\nb) con kết hôn."),
        ("Khoản 1 Điều 9 nội quy lao động nói về gì?", "1. Nhân viên có 12 ngày phép."),
        ("Điều 10 quy định về gì?", "Điều 10. Nghỉ không lương\nNhân viên thoả thuận với công ty."),
        ("nội dung của điều 9 là gì", "\n".join(line for line, *_ in LINES[:5])),
    ],
)
def test_the_part_that_is_asked_for_is_quoted(question: str, quote: str) -> None:
    found = quote_cited_part(question, [law()])
    assert found is not None
    assert (found.quote, found.marker) == (quote, 1)


@pytest.mark.parametrize(
    "question",
    [
        "Điều 11 quy định gì?",
        "khoản 2 Điều 9",
        "Theo Điều 9 cưới được nghỉ mấy ngày?",
        "Nghỉ phép mấy ngày?",
        "Điểm c khoản 3 Điều 9",
    ],
)
def test_other_questions_are_not_answered_so(question: str) -> None:
    assert quote_cited_part(question, [law()]) is None
