import pytest

from phoserve.text.articles import ArticleReference, asked_parts, parts_of, references_in

LAW = """Chương II
Điều 9. Tài liệu quý hiếm
1. Nội dung theo khoản 6 Điều 4.
3. Khoản ba:
a) điểm a;
đ) điểm đ.
Điều 10a. Phí
2. Mức phí.
Theo Điều 12 của Luật này."""


def test_what_begins_in_a_text() -> None:
    assert parts_of(LAW) == [
        "chapter:2",
        "article:9",
        "article:9/clause:1",
        "article:9/clause:3",
        "article:9/point:a",
        "article:9/clause:3/point:a",
        "article:9/point:đ",
        "article:9/clause:3/point:đ",
        "article:10a",
        "article:10a/clause:2",
    ]


def test_numbers_without_a_blank_before_them() -> None:
    assert parts_of("Điều3. Phí\n1. Mức phí\nPhụ lục2") == ["article:3", "article:3/clause:1", "annex:2"]


@pytest.mark.parametrize("text", ["", "1. Mua hàng\n2. Trả tiền", "Theo Điều 4 và khoản 6.", "điều hòa\nmục tiêu"])
def test_texts_that_are_no_law(text: str) -> None:
    assert parts_of(text) == []


@pytest.mark.parametrize(
    ("query", "references"),
    [
        ("khoản 6 Điều 4", [ArticleReference("4", "6")]),
        ("Điều 4 khoản 6", [ArticleReference("4", "6")]),
        ("Điều 4, khoản 6, điểm b nói gì", [ArticleReference("4", "6", "b")]),
        ("Điểm b khoản 3 Điều 9", [ArticleReference("9", "3", "b")]),
        ("diem đ khoan 03 cua dieu 9", [ArticleReference("9", "3", "đ")]),
        ("Điều 11 quy định gì?", [ArticleReference("11")]),
        ("so sánh Điều 4 và Điều 5", [ArticleReference("4"), ArticleReference("5")]),
        ("khoản 2 điều11", [ArticleReference("11", "2")]),
        ("điều kiện nghỉ phép", []),
        ("khoản 6", []),
    ],
)
def test_what_a_query_asks_for(query: str, references: list[ArticleReference]) -> None:
    assert references_in(query) == references


def test_the_most_specific_part_comes_first() -> None:
    assert [part.forms for part in asked_parts("điểm b khoản 3 Điều 9, chương II")] == [
        ("article:9/clause:3/point:b", "article:9/clause:3", "article:9"),
        ("chapter:2",),
    ]


def test_labels_of_clauses_name_them_exactly() -> None:
    text = "Điều 9. Tài liệu\nkhoản 2 Điều 9\nđiểm a khoản 3 Điều 9\na) Điểm a."
    assert set(parts_of(text)) == {
        "article:9",
        "article:9/clause:2",
        "article:9/clause:3",
        "article:9/clause:3/point:a",
        "article:9/point:a",
    }


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ("Điều 15.2.b nghị định 30", ("15", "2", "b")),
        ("điều 15.2", ("15", "2", None)),
        ("Đ.15 k.2", ("15", "2", None)),
        ("k2 đ15", ("15", "2", None)),
        ("k.2, d.15", ("15", "2", None)),
    ],
)
def test_articles_written_shortly(query: str, reference: tuple[str, str, str | None]) -> None:
    assert references_in(query) == [reference]


@pytest.mark.parametrize("query", ["phiên bản 15.2", "k2", "áp dụng 15.2.b", "đ15"])
def test_other_numbers_are_no_articles(query: str) -> None:
    assert references_in(query) == []


@pytest.mark.parametrize("asked", ["Phần thứ hai", "phan thu hai", "Phần II", "phần 2"])
def test_parts_by_word_and_number(asked: str) -> None:
    for heading in ("PHẦN THỨ HAI", "Phần II", "Phần 2. Quy định cụ thể"):
        assert asked_parts(asked)[0].forms[0] in parts_of(f"{heading}\nNội dung")
