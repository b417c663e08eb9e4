"""Units are what a person would quote: verbatim, whole, without the bullet before them."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.answers.units import MAX_LIST_CHARACTERS, units
from phoserve.documents.records import Passage, PassageUnit
from phoserve.text.structure import structure_text


def passage(text: str, *headings: str, **more: Any) -> Passage:
    return Passage(
        collection="kb",
        document_id="d",
        document_key="k",
        revision=1,
        ordinal=0,
        title="",
        text=text,
        headings=headings,
        start=0,
        end=len(text),
        **more,
    )


def structured(text: str, limit: int | None = None) -> Passage:
    """The passage with the parts that ingestion records."""
    elements = structure_text(text).elements
    parts = tuple(PassageUnit(start=each.start, end=each.end, kind=str(each.kind)) for each in elements)
    headings = elements[-1].headings if elements else ()
    return passage(text, *headings, units=parts)


def quoted(text: str, *headings: str) -> list[str]:
    return [unit.text(text) for unit in units(passage(text, *headings))]


def quoted_parts(text: str) -> list[str]:
    return [unit.text(text) for unit in units(structured(text))]


LAW = """Điều 5. Nghỉ phép
1. Người lao động được nghỉ trong các trường hợp:
a) Kết hôn: ba ngày;
b) Con kết hôn: một ngày.
2. Lương được trả vào ngày 5.
"""


def test_a_short_item_is_quoted_whole() -> None:
    items = ["Vinh: 9 Lê Lợi. Quản lý: anh Bách.", "Hà Đông: 40 Quang Trung. Quản lý: chị Ngân."]
    text = "Các chi nhánh\n\n" + "\n".join(f"- {item}" for item in items)
    assert quoted(text)[-2:] == quoted_parts(text)[-2:] == items
    long = "Vinh: 9 Lê Lợi. " + "Mở cửa cả tuần. " * 30
    assert quoted(f"- {long}") == quoted_parts(f"- {long}") != [long.strip()]


def test_a_sentence_takes_its_list() -> None:
    text = "# Nghỉ\n\nMỗi năm có phép. Nhân viên được nghỉ khi:\n\n- Kết hôn: ba ngày.\n- Tang: ba ngày.\n\nBáo trước."
    introduced = "Nhân viên được nghỉ khi:\n\n- Kết hôn: ba ngày.\n- Tang: ba ngày."
    assert quoted(text) == quoted_parts(text) == ["Mỗi năm có phép.", introduced, "Báo trước."]


def test_a_clause_takes_its_points() -> None:
    clause = "Người lao động được nghỉ trong các trường hợp:\na) Kết hôn: ba ngày;\nb) Con kết hôn: một ngày."
    assert quoted(LAW, "Điều 5. Nghỉ phép") == [clause, "Lương được trả vào ngày 5."]
    assert quoted_parts(LAW) == [clause, "Lương được trả vào ngày 5."]


def test_a_list_needs_no_colon_before_it() -> None:
    text = "2. Thể thức văn bản bao gồm các thành phần chính\n- a) Quốc hiệu.\n- b) Nơi nhận.\n3. Văn bản có thể dài."
    assert quoted(text)[0] == "Thể thức văn bản bao gồm các thành phần chính\n- a) Quốc hiệu.\n- b) Nơi nhận."
    assert quoted("Hồ sơ gồm\n1. Đơn.\n2. Ảnh.") == ["Hồ sơ gồm\n1. Đơn.\n2. Ảnh."]
    # A sentence that ends, and items of the same rank, introduce nothing.
    assert quoted("Hồ sơ được nộp.\n- Đơn xin.\n- Ảnh thẻ.") == ["Hồ sơ được nộp.", "Đơn xin.", "Ảnh thẻ."]
    assert quoted("- Đơn xin\n- Ảnh thẻ") == ["Đơn xin", "Ảnh thẻ"]


def test_a_long_list_is_quoted_by_items_behind_its_introduction() -> None:
    items = [f"- Mục thứ {number}: {'rất dài ' * 20}hết." for number in range(6)]
    text = "Gồm có:\n" + "\n".join(items)
    assert len(text) > MAX_LIST_CHARACTERS
    assert quoted(text) == [f"Gồm có:\n{item[2:]}" for item in items]


def test_a_row_has_its_header() -> None:
    text = "Chức danh | Phụ cấp\nTrưởng phòng | 5.000.000\nNhân viên | 1.000.000"
    assert quoted(text) == [
        "Chức danh | Phụ cấp\nTrưởng phòng | 5.000.000",
        "Chức danh | Phụ cấp\nNhân viên | 1.000.000",
    ]
    assert quoted("| A | B |\n|---|---|\n| xe | 5 ngày |") == ["| A | B |\n| xe | 5 ngày |"]


def test_recorded_parts_decide_what_a_line_is() -> None:
    text = "Chức danh | Phụ cấp\nTrưởng phòng | 5.000.000\nGiờ làm 7 | 8 giờ.\nmã: 7\ntên: Bút"
    kinds = ("table_header", "row", "paragraph", "record")
    starts = (0, text.index("Trưởng"), text.index("Giờ"), text.index("mã"))
    ends = (*(start - 1 for start in starts[1:]), len(text))
    parts = tuple(
        PassageUnit(start=start, end=end, kind=kind) for start, end, kind in zip(starts, ends, kinds, strict=True)
    )
    assert [unit.text(text) for unit in units(passage(text, units=parts))] == [
        "Chức danh | Phụ cấp\nTrưởng phòng | 5.000.000",
        "Giờ làm 7 | 8 giờ.",
        "mã: 7\ntên: Bút",
    ]
    rest = passage(
        text[starts[1] : ends[1]], context=text[: ends[0]], units=(PassageUnit(start=0, end=24, kind="row"),)
    )
    [row] = units(rest)
    assert (row.text(rest.text), row.lead) == ("Trưởng phòng | 5.000.000", "Chức danh | Phụ cấp")


@pytest.mark.parametrize("bullet", ["- ", "* ", "• ", "2. ", "2) ", "(3) ", "a) ", "b. ", "1.2. ", "  - "])
def test_an_item_is_quoted_without_its_bullet(bullet: str) -> None:
    text = f"## Cách trả\n\n{bullet}Ngày thường: 150% đơn giá."
    [unit] = units(passage(text))
    assert (unit.text(text), unit.lead) == ("Ngày thường: 150% đơn giá.", "Cách trả")


def test_a_label_is_context() -> None:
    text = "**Phí kiểm tra?** 120.000 đồng tại nhà. Đồng ý sửa thì được trừ."
    assert [(unit.text(text), unit.lead) for unit in units(passage(text))] == [
        ("120.000 đồng tại nhà.", "Phí kiểm tra?"),
        ("Đồng ý sửa thì được trừ.", "Phí kiểm tra?"),
    ]


def test_a_question_in_a_document_takes_its_answer() -> None:
    text = "Pin bền bao lâu? Khoảng mười tháng. Tuỳ cách dùng."
    assert quoted(text) == [text]


LINES = [
    "# Tiêu đề",
    "- mục:",
    "- con",
    "a) điểm;",
    "1. khoản:",
    "| a | b |",
    "|---|",
    "Câu một. Câu hai:",
    "",
    "**x**",
    "Hỏi gì? Đáp.",
    "**Nhãn:** chữ",
    "a\tb",
    "chữ; ",
    ":",
]


@given(st.lists(st.sampled_from(LINES), max_size=12), st.booleans())
def test_spans_are_verbatim_ordered_and_trimmed(lines: list[str], with_parts: bool) -> None:
    text = "\n".join(lines)
    make = structured if with_parts else passage
    for unit in units(make(text)):
        assert unit.spans
        for start, end in unit.spans:
            assert 0 <= start < end <= len(text)
            assert text[start:end] == text[start:end].strip()
            assert not text[start:end].startswith(("- ", "# ", "1. "))
        ends = [0, *(end for _, end in unit.spans)]
        assert all(start >= before for (start, _), before in zip(unit.spans, ends, strict=False))


def test_time_is_linear() -> None:
    def seconds(text: str) -> float:
        begun = time.perf_counter()
        units(passage(text))
        return time.perf_counter() - begun

    for line in ("- mục: ", "| a ", "a:\n\n", "**", "1. ", "x? "):
        seconds(line * 100)
        assert seconds(line * 20_000) < 5.0
