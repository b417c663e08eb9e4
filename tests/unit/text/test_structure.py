import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.blocks import Block, Caption, Code, Footnote, Heading, ListItem, Paragraph, Place, Record, Table
from phoserve.text.headings import article_of
from phoserve.text.structure import Break, Kind, StructuredText, render_blocks, structure_text

LAW = """\
# Luật Căn cước

## Chương I
## QUY ĐỊNH CHUNG
### Điều 1. Phạm vi điều chỉnh
Luật này quy định về căn cước.
Người dân có quyền:
1. Được cấp thẻ, gồm:
a) Thẻ mới;
b) Thẻ đổi.

**Điều 2.** Luật này áp dụng với công dân Việt Nam.
Điều 5 của Luật này không đổi.
Phần thứ hai bao gồm từ “Nơi nhận”.

Chương II
TỔ CHỨC THỰC HIỆN

```
# không phải tiêu đề
```
"""


def parts(structured: StructuredText) -> list[tuple[str, str, tuple[str, ...], str]]:
    text = structured.text
    return [(text[e.start : e.end], e.before.name, e.headings[1:], e.label) for e in structured.elements]


def test_elements_of_a_typed_law() -> None:
    general = "Chương I QUY ĐỊNH CHUNG"
    article = (general, "Điều 1. Phạm vi điều chỉnh")
    second = (general, "Điều 2.")
    assert parts(structure_text(LAW)) == [
        ("# Luật Căn cước", "SECTION", (), ""),
        ("## Chương I\n## QUY ĐỊNH CHUNG", "SECTION", (general,), ""),
        ("### Điều 1. Phạm vi điều chỉnh", "SECTION", article, ""),
        ("Luật này quy định về căn cước.\nNgười dân có quyền:", "WORD", article, "Điều 1"),
        ("1. Được cấp thẻ, gồm:", "ITEM", article, "khoản 1 Điều 1"),
        ("a) Thẻ mới;", "ITEM", article, "điểm a khoản 1 Điều 1"),
        ("b) Thẻ đổi.", "ITEM", article, "điểm b khoản 1 Điều 1"),
        ("**Điều 2.**", "SECTION", second, ""),
        (
            "Luật này áp dụng với công dân Việt Nam.\nĐiều 5 của Luật này không đổi.\n"
            "Phần thứ hai bao gồm từ “Nơi nhận”.",
            "WORD",
            second,
            "Điều 2",
        ),
        ("Chương II\nTỔ CHỨC THỰC HIỆN", "SECTION", ("Chương II TỔ CHỨC THỰC HIỆN",), ""),
        ("```\n# không phải tiêu đề\n```", "WORD", ("Chương II TỔ CHỨC THỰC HIỆN",), ""),
    ]


@pytest.mark.parametrize("title", ["QUY ĐỊNH CHUNG", "Quy định chung"])
def test_a_title_on_the_next_line_belongs_to_its_number(title: str) -> None:
    typed = structure_text(f"Chương I\n\n{title}\n\nĐiều 1. Phạm vi\nLuật này quy định.")
    assert typed.elements[0].headings == (f"Chương I {title}",)
    assert typed.elements[1].headings == (f"Chương I {title}", "Điều 1. Phạm vi")
    blocks = [Paragraph(text=each) for each in ("Chương I", title, "Điều 1. Phạm vi", "Luật này quy định.")]
    rendered = render_blocks(blocks)
    assert [e.headings for e in rendered.elements] == [e.headings for e in typed.elements]


def test_a_short_section_is_no_title() -> None:
    elements = structure_text("# Mục 1\n\nNghỉ phép mười hai ngày\n\n# Mục 2\n\nNghỉ lễ").elements
    assert [e.kind for e in elements] == [Kind.HEADING, Kind.PARAGRAPH] * 2


def test_markdown_levels_nest() -> None:
    text = "# A\n### B\nb\n## C\n# D\n"
    assert [e.headings for e in structure_text(text).elements] == [("A",), ("A", "B"), ("A", "B"), ("A", "C"), ("D",)]


def test_rows_of_a_typed_table_know_their_header() -> None:
    text = "Bảng giá\n\n| Tên | Giá |\n|---|---|\n| Gạo | 15.000 |\n| Muối | 9.000 |\n"
    elements = structure_text(text).elements
    assert [(e.kind, e.before, e.context) for e in elements] == [
        (Kind.PARAGRAPH, Break.PARAGRAPH, ""),
        (Kind.TABLE_HEADER, Break.PARAGRAPH, ""),
        (Kind.ROW, Break.WORD, "Tên | Giá"),
        (Kind.ROW, Break.ITEM, "Tên | Giá"),
    ]


def test_underlined_lines_are_titles() -> None:
    assert [e.headings for e in structure_text("Nội quy\n=======\n\nMục đích\n---\nGiữ trật tự.").elements] == [
        ("Nội quy",),
        ("Nội quy", "Mục đích"),
        ("Nội quy", "Mục đích"),
    ]


def test_a_long_title_is_shortened_in_the_path() -> None:
    (element,) = structure_text("# " + "dài " * 1000).elements
    assert len(element.headings[0]) == 200


def test_a_table_is_rendered_by_rows_with_their_place() -> None:
    table = Table(
        header=("Mã", "Tên"),
        rows=(("1", "Gạo\nST25"), ("", ""), ("2", "")),
        row_numbers=(5, 6, 7),
        place=Place(sheet="Giá"),
    )
    rendered = render_blocks([Heading(text="Bảng giá", level=1), table])
    assert rendered.text == "Bảng giá\n\nMã | Tên\n1 | Gạo ST25\n2 |"
    assert [(e.place.sheet, e.place.row) for e in rendered.elements[2:]] == [("Giá", 5), ("Giá", 7)]


def test_clauses_of_blocks_are_cited_as_laws_do() -> None:
    blocks: list[Block] = [
        Heading(text="Điều 9. Mức phạt", level=3),
        ListItem(text="Phạt tiền:", number="3."),
        ListItem(text="một triệu đồng;", number="a)", level=2),
        ListItem(text="hai triệu đồng.\nc) ba triệu đồng.", number="đ)", level=2),
        Footnote(text="Sửa đổi năm 2024", number="1"),
    ]
    assert [e.label for e in render_blocks(blocks).elements] == [
        "",
        "khoản 3 Điều 9",
        "điểm a khoản 3 Điều 9",
        "điểm đ khoản 3 Điều 9",
        "điểm c khoản 3 Điều 9",
        "",
    ]


words = st.text(st.sampled_from("aăâđư ơọ1.)|\n#-*"), min_size=1, max_size=30)
blocks = st.lists(
    st.builds(Heading, text=words, level=st.integers(1, 6))
    | st.builds(Paragraph, text=words)
    | st.builds(ListItem, text=words, number=st.sampled_from(["-", "1.", "a)", "Điều 3."]))
    | st.builds(Table, header=st.tuples(words, words), rows=st.lists(st.tuples(words, words), max_size=3).map(tuple))
    | st.builds(Record, fields=st.lists(st.tuples(words, words), min_size=1, max_size=3).map(tuple))
    | st.builds(Code, text=words)
    | st.builds(Footnote, text=words, number=st.just("1"))
    | st.builds(Caption, text=words),
    max_size=8,
)


def visible(text: str) -> str:
    return re.sub(r"[\s|:]", "", text)


def text_of(block: Block) -> str:
    match block:
        case Table():
            return "".join([*block.header, *(cell for row in block.rows for cell in row)])
        case Record():
            return "".join(label + value for label, value in block.fields)
        case ListItem() | Footnote():
            is_heading = block.number == "Điều 3."  # one with nothing but its number is shown
            return block.number + block.text if block.text.strip() or is_heading else ""
        case _:
            return block.text


@given(blocks)
def test_rendering_keeps_every_word_once_and_in_order(given_blocks: list[Block]) -> None:
    rendered = render_blocks(given_blocks)
    assert visible(rendered.text) == visible("".join(map(text_of, given_blocks)))
    assert_covered(rendered)


@given(
    st.lists(
        words
        | st.sampled_from(["\n\n", "Điều 5. A\n", "| a | b |\n|--|--|\n", "\n||\n|--|\n", "\n| |\n", "```\n", "---\n"])
    ).map("".join)
)
def test_plain_text_stays_and_is_covered(text: str) -> None:
    structured = structure_text(text)
    assert structured.text == text
    assert_covered(structured)


def assert_covered(structured: StructuredText) -> None:
    """Elements are in order, do not overlap and leave out only white space."""
    text, edges = structured.text, [(e.start, e.end) for e in structured.elements]
    assert all(before[1] <= after[0] for before, after in pairwise(edges))
    assert "".join("".join(text[a:b].split()) for a, b in edges) == "".join(text.split())
    assert all(start < end for start, end in edges)


FORMS = """\
Phụ lục II
DANH MỤC BIỂU MẪU
(Kèm theo Thông tư số 12/2026/TT-BTC)

Mẫu số 01/TNDN (Ban hành kèm theo Thông tư số 12/2026/TT-BTC)
CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM
Họ và tên: ..............
Mẫu này áp dụng cho người nộp thuế.
Mẫu số 01 gồm hai trang.

Mẫu 1.10 - Giấy nghỉ phép
Được nghỉ phép từ ngày .....
"""


def test_numbered_forms_are_headings() -> None:
    headings = {text: path for text, _, path, _ in parts(structure_text("# Thông tư\n\n" + FORMS))}
    appendix = "Phụ lục II DANH MỤC BIỂU MẪU"
    form = "Mẫu số 01/TNDN (Ban hành kèm theo Thông tư số 12/2026/TT-BTC)"
    letter = FORMS[FORMS.index("CỘNG HÒA") : FORMS.index("\n\nMẫu 1.10")]
    assert headings[letter] == (appendix, form)
    assert headings["Được nghỉ phép từ ngày ....."] == (appendix, "Mẫu 1.10 - Giấy nghỉ phép")


def paths(text: str) -> list[tuple[str, str]]:
    """Return the path of headings and the label of every element that is no heading."""
    elements = structure_text(text).elements
    return [(" › ".join(one.headings), one.label) for one in elements if one.kind is not Kind.HEADING]


@pytest.mark.parametrize(
    "article",
    ["Điều 3: Từ ngữ", "ĐIỀU 3 – TỪ NGỮ", "Điều 3 - Từ ngữ", "Điều 3.Từ ngữ", "Điều3. Từ ngữ", "Điều 3.- Từ ngữ",
     "điều 3. từ ngữ", "Điều 3 . Từ ngữ", "Điều 3 — Từ ngữ"],
)  # fmt: skip
@pytest.mark.parametrize(
    "chapter", ["Chương i\nQuy định chung", "CHƯƠNG I: QUY ĐỊNH", "chương 1. quy định", "Phần A. Chung"]
)
@pytest.mark.parametrize("clause", ["1. Một.", "1/ Một.", "1.- Một.", "1) Một.", "Khoản 1. Một.", "Khoản 1: Một."])
def test_articles_and_clauses_in_every_usual_layout(article: str, chapter: str, clause: str) -> None:
    path = f"{' '.join(chapter.split())} › {article}"
    assert paths(f"{chapter}\n{article}\n{clause}\na/ Ý a;\nb) Ý b.\n") == [
        (path, f"khoản 1 {article_of(article)}"),
        (path, f"điểm a khoản 1 {article_of(article)}"),
        (path, f"điểm b khoản 1 {article_of(article)}"),
    ]


@pytest.mark.parametrize(
    "appendix",
    ["PHỤ LỤC", "PHỤ LỤC\nDANH MỤC", "Phụ lục A", "PHỤ LỤC SỐ 02\nBẢNG GIÁ", "Phụ lục số II: Bảng phí", "PHỤ LỤC IIa"],
)
def test_an_appendix_ends_the_articles(appendix: str) -> None:
    text = f"Điều 9. Thi hành\nÁp dụng.\n{appendix}\n(Kèm theo Nghị định)\n"
    assert paths(text)[1][0] == " ".join(appendix.split())


@pytest.mark.parametrize(
    "line",
    ["Điều 12 của Luật này, cơ quan phải báo cáo.", "Điều 6, Điều 7 và Điều 8 áp dụng.", "Chương trình này gồm 3 phần.",
     "Điều 5-7 của Luật.", "điều 5. Tổ chức thực hiện", "Phần mềm: dùng tốt.", "Mục tiêu là gì."],
)  # fmt: skip
def test_a_line_of_a_sentence_is_no_heading(line: str) -> None:
    assert [path for path, _ in paths(f"Điều 5. Chung\nTheo quy định tại\n{line}\n")] == ["Điều 5. Chung"]


def test_a_letterhead_is_no_title_of_an_appendix() -> None:
    found = paths("PHỤ LỤC I\nCỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\n")
    assert found[0][0] == "PHỤ LỤC I"


@pytest.mark.parametrize(("opening", "closing"), [("“", "”"), ('"', '"')])
def test_what_an_amending_law_quotes_is_part_of_its_clause(opening: str, closing: str) -> None:
    text = f"""Điều 1. Sửa đổi Nghị định số 30
1. Sửa đổi Điều 5 như sau:
{opening}Điều 5. Giá trị
1. Văn bản.
Điều 6. Lưu trữ
a) Một;
b) Hai.{closing}.
2. Bổ sung Điều 5a như sau:
{opening}Điều 5a. Chữ ký
1. Ký số.{closing}
3. Bãi bỏ Điều 7.
Điều 2. Hiệu lực
1. Từ ngày ký.
"""
    first = "Điều 1. Sửa đổi Nghị định số 30"
    expected = [(first, f"khoản {n} Điều 1") for n in (1, 1, 1, 1, 1, 2, 2, 3)] + [
        ("Điều 2. Hiệu lực", "khoản 1 Điều 2")
    ]
    assert paths(text) == expected


def test_a_quotation_that_is_never_closed_hides_no_article() -> None:
    text = "Điều 1. Sửa\n1. Như sau:\n“Điều 5. Giá trị\nĐiều 2. Hiệu lực\n1. Ngay.\n"
    assert paths(text)[-1] == ("Điều 2. Hiệu lực", "khoản 1 Điều 2")
