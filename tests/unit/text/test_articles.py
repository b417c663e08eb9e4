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
