"""PDF files: reading order, sentences across pages, furniture, tables, headings, hyphens, pages without text."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, SimpleDocTemplate, TableStyle
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from ingest.parsing import pdf
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.pages.grid import Rule, grids_of
from ingest.parsing.recognition import Ocr
from ingest.parsing.tesseract import INSTALL
from phoserve.text.blocks import Footnote, Heading, Paragraph, ParsedDocument
from tests.support import hostile
from tests.support.parsed import document_text, once_in_order, table_of, words_of
from tests.support.typeset import available_fonts

WIDTH, HEIGHT = A4
NO_OCR = Ocr(binary=None)
WORDS = "quyết định điều khoản hợp đồng nhân viên kế toán phòng ban nghỉ phép lương thưởng".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def font() -> str:
    fonts = available_fonts()
    if not fonts:
        pytest.skip("no font with Vietnamese letters is installed (fonts-dejavu-core)")
    return fonts[0]


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.pdf").write_bytes(content)
    return pdf.parse(folder / "a.pdf", NO_OCR)


def drawn(pages: list[Callable[[Canvas], None]], font: str, **options: str) -> bytes:
    """Return a PDF file with a page for each function that draws one."""
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=A4, **options)
    for draw in pages:
        canvas.setFont(font, 11)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def lines(*texts: str, x: float = 72, y: float = 100, pitch: float = 16) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        for n, text in enumerate(texts):
            canvas.drawString(x, HEIGHT - y - n * pitch, text)

    return draw


def built(flow: list[Flowable]) -> bytes:
    content = io.BytesIO()
    SimpleDocTemplate(content, pagesize=A4).build(flow)
    return content.getvalue()


def texts(document: ParsedDocument) -> list[str]:
    return document_text(document).split("\n")


def test_a_sentence_across_pages_is_whole(tmp_path: Path, font: str) -> None:
    first = lines("Khi phát hiện cáp thang máy bị tưa quá sáu sợi trên một bước bện thì kỹ thuật viên phải", y=760)
    second = lines("dừng thang ngay lập tức và báo cho cơ quan kiểm định trong vòng hai giờ.")
    document = read(drawn([first, second], font), tmp_path)
    assert texts(document)[0] == (
        "Khi phát hiện cáp thang máy bị tưa quá sáu sợi trên một bước bện thì kỹ thuật viên phải "
        "dừng thang ngay lập tức và báo cho cơ quan kiểm định trong vòng hai giờ."
    )
    assert document.blocks[0].place.page == 1


def test_headers_footers_and_page_numbers_are_left_out_once(tmp_path: Path, font: str) -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.drawString(72, HEIGHT - 30, "CÔNG TY SAO MAI")
            canvas.drawString(300, 25, f"Trang {number}/4")
            lines(f"Nội dung riêng của phần {'ABCD'[number - 1]}.")(canvas)

        return draw

    document = read(drawn([page(n) for n in range(1, 5)], font), tmp_path)
    assert texts(document) == [f"Nội dung riêng của phần {letter}." for letter in "ABCD"]
    assert document.properties["header"] == "CÔNG TY SAO MAI"
    assert [block.place.page for block in document.blocks] == [1, 2, 3, 4]


def test_columns_are_read_one_after_the_other(tmp_path: Path, font: str) -> None:
    left = [f"cột trái dòng thứ {n} đầy đủ chữ nghĩa" for n in range(12)]
    right = [f"cột phải dòng thứ {n} đầy đủ chữ nghĩa" for n in range(12)]

    def draw(canvas: Canvas) -> None:
        for n in range(12):  # line by line, as some programs write them
            canvas.drawString(60, HEIGHT - 100 - 16 * n, left[n])
            canvas.drawString(320, HEIGHT - 100 - 16 * n, right[n])

    words = words_of(document_text(read(drawn([draw], font), tmp_path)))
    assert words == words_of(" ".join(left + right))


def test_a_form_of_labels_and_values_is_read_across(tmp_path: Path, font: str) -> None:
    rows = [("Họ tên:", "Nguyễn Thu Hà"), ("Ngày sinh:", "04/05/1990"), ("Phòng:", "Kế toán"), ("Mã số:", "NV-017")]

    def draw(canvas: Canvas) -> None:
        for n, (label, value) in enumerate(rows):
            canvas.drawString(60, HEIGHT - 100 - 18 * n, label)
            canvas.drawString(250, HEIGHT - 100 - 18 * n, value)

    words = words_of(document_text(read(drawn([draw], font), tmp_path)))
    assert words == words_of(" ".join(f"{label} {value}" for label, value in rows))


def test_a_ruled_table_is_read_by_cell(tmp_path: Path, font: str) -> None:
    data = [["Mã", "Doanh thu", ""], ["", "Quý I", "Quý II"], ["SP-01", "12.500", "13.000"], ["SP-02", "9.000", "8%"]]
    style = TableStyle(
        [
            ("FONT", (0, 0), (-1, -1), font),
            ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
            ("SPAN", (1, 0), (2, 0)),
            ("SPAN", (0, 0), (0, 1)),
        ]
    )
    text = Text("Bảng doanh thu của năm nay như sau:", ParagraphStyle("a", fontName=font))
    document = read(built([text, Grid(data, style=style)]), tmp_path)
    table = table_of(document)
    assert table.header == ("Mã", "Doanh thu / Quý I", "Doanh thu / Quý II")
    assert table.rows == (("SP-01", "12.500", "13.000"), ("SP-02", "9.000", "8%"))
    assert texts(document)[0] == "Bảng doanh thu của năm nay như sau:"


def test_a_table_that_continues_keeps_its_header(tmp_path: Path, font: str) -> None:
    data = [["Mã", "Giá"], *([f"SP-{n:03}", f"{n}.000"] for n in range(1, 80))]
    style = TableStyle([("FONT", (0, 0), (-1, -1), font), ("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    blocks = read(built([Grid(data, style=style)]), tmp_path).blocks
    assert [getattr(block, "header", None) for block in blocks] == [("Mã", "Giá")] * len(blocks)
    assert sum(len(getattr(block, "rows", ())) for block in blocks) == 79
    assert {block.place.page for block in blocks} == set(range(1, len(blocks) + 1))


def test_larger_letters_are_headings(tmp_path: Path, font: str) -> None:
    def style(size: float) -> ParagraphStyle:
        return ParagraphStyle(f"s{size}", fontName=font, fontSize=size, leading=1.3 * size)

    flow: list[Flowable] = [Text("Báo cáo năm", style(22))]
    for section in ("Doanh thu", "Chi phí"):
        flow += [Text(section, style(15)), Text("Nội dung của phần này dài hơn một chút. " * 4, style(10))]
    document = read(built(flow), tmp_path)
    found = [(block.level, block.text) for block in document.blocks if isinstance(block, Heading)]
    assert found == [(1, "Báo cáo năm"), (2, "Doanh thu"), (2, "Chi phí")]
    assert document.title == "Báo cáo năm"


def test_a_large_list_item_is_no_heading(tmp_path: Path, font: str) -> None:
    large, body = (ParagraphStyle(f"b{size}", fontName=font, fontSize=size, leading=1.3 * size) for size in (15, 10))
    flow: list[Flowable] = [Text("Phạm vi", large)]
    for item in ("- Hỏi đáp", "• Đọc hiểu", "+ Tra cứu"):
        flow += [Text(item, large), Text("Nội dung của phần này dài hơn một chút. " * 4, body)]
    document = read(built(flow), tmp_path)
    assert [block.text for block in document.blocks if isinstance(block, Heading)] == ["Phạm vi"]


def test_words_of_law_are_headings(tmp_path: Path, font: str) -> None:
    document = read(
        drawn(
            [
                lines(
                    "Chương II",
                    "TỔ CHỨC THỰC HIỆN",
                    "Điều 7. Các loại văn bản",
                    "Văn bản gồm nghị quyết, quyết định, chỉ thị và các loại khác.",
                )
            ],
            font,
        ),
        tmp_path,
    )
    found = [(block.level, block.text) for block in document.blocks if isinstance(block, Heading)]
    assert found == [(9, "Chương II TỔ CHỨC THỰC HIỆN"), (12, "Điều 7. Các loại văn bản")]


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("The system stores all the docu-", "ments and their vectors in one place for search.", "documents"),
        ("Thực hiện theo quy định tại Nghị định số 30/2020/NĐ-", "CP ngày 05 tháng 3 năm 2020 của Chính phủ.", "NĐ-CP"),
        ("Cơ quan, tổ chức chính trị -", "xã hội có trách nhiệm thi hành Nghị định này từ nay.", "chính trị - xã hội"),
        (
            "Đường bay mới nối Hà Nội với thủ đô của Ma-lai-",
            "xi-a và các nước khác trong vùng từ tháng sau.",
            "Ma-lai-xi-a",
        ),
    ],
)
def test_hyphens_at_line_ends(tmp_path: Path, font: str, first: str, second: str, joined: str) -> None:
    assert joined in document_text(read(drawn([lines(first, second)], font), tmp_path))


def test_footnotes_are_apart_from_the_text(tmp_path: Path, font: str) -> None:
    def draw(canvas: Canvas) -> None:
        lines(*[f"Dòng văn bản thứ {n} của trang này dài vừa phải thôi" for n in range(8)])(canvas)
        canvas.setFont(font, 8)
        canvas.drawString(72, 90, "1 Theo Luật Lưu trữ năm 2011.")

    blocks = read(drawn([draw], font), tmp_path).blocks
    assert blocks[-1] == Footnote(text="Theo Luật Lưu trữ năm 2011.", number="1", place=blocks[-1].place)


def test_letters_of_a_second_font_stay_in_their_words(tmp_path: Path, font: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont(font, 12)
        at = 72.0
        later: list[tuple[float, str]] = []
        for letter in "cơ quan tổ chức":
            if letter in "ơổứ":
                later.append((at, letter))
            elif letter != " ":
                canvas.drawString(at, 700, letter)
            at += canvas.stringWidth(letter, font, 12)
        for x, letter in later:  # drawn after the line, as LibreOffice does with letters that a font lacks
            canvas.drawString(x, 700, letter)

    assert texts(read(drawn([draw], font), tmp_path)) == ["cơ quan tổ chức"]


def test_a_turned_page_is_read_as_it_is_shown(tmp_path: Path, font: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.rotate(90)
        for n, text in enumerate(["Dòng đầu của trang.", "Dòng sau của trang."]):
            canvas.drawString(100, -100 - 20 * n, text)

    assert words_of(document_text(read(drawn([draw], font), tmp_path))) == words_of(
        "Dòng đầu của trang. Dòng sau của trang."
    )


def test_what_was_typed_into_a_form_is_text(tmp_path: Path, font: str) -> None:
    def draw(canvas: Canvas) -> None:
        lines("Full name of the applicant:")(canvas)
        canvas.acroForm.textfield(name="name", value="Nguyen Thu Ha", x=72, y=600, width=200, height=20)

    assert "Nguyen Thu Ha" in document_text(read(drawn([draw], font), tmp_path))


def test_a_watermark_is_not_text(tmp_path: Path, font: str) -> None:
    def draw(canvas: Canvas) -> None:
        lines("Văn bản chính.")(canvas)
        canvas.translate(200, 300)
        canvas.rotate(45)
        canvas.drawString(0, 0, "BẢN NHÁP")

    assert texts(read(drawn([draw], font), tmp_path)) == ["Văn bản chính."]


def test_a_page_without_text_is_named(tmp_path: Path, font: str) -> None:
    def scan(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.new("L", (200, 280), 200)), 0, 0, WIDTH, HEIGHT)

    document = read(drawn([lines("Trang có chữ."), scan, scan], font), tmp_path)
    (warning,) = document.warnings
    assert (warning.code, warning.place.page) == ("page_without_text", 2)
    assert "pages 2-3" in warning.message
    assert INSTALL in warning.message


def test_pages_beyond_the_time_limit_are_cut_with_a_warning(tmp_path: Path, font: str) -> None:
    (tmp_path / "a.pdf").write_bytes(drawn([lines("một")] * 3, font))
    document = pdf.parse(tmp_path / "a.pdf", NO_OCR, cpu_s=-1)
    assert [(warning.code, warning.place.page) for warning in document.warnings] == [("pages_cut", 1)]


def test_a_password_and_damage_are_told_apart(tmp_path: Path, font: str) -> None:
    with pytest.raises(Encrypted):
        read(hostile.encrypted_pdf(), tmp_path)
    with pytest.raises(Encrypted):
        read(drawn([lines("mật")], font, encrypt="khoa"), tmp_path)
    for content in (b"", b"%PDF-1.4\n", b"\0" * 1000):
        with pytest.raises(Unreadable):
            read(content, tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_round_trip_keeps_every_visible_word_once_in_order(tmp_path: Path, font: str, seed: int) -> None:
    random_ = random.Random(seed)
    style = ParagraphStyle("a", fontName=font, fontSize=random_.choice([9, 11, 13]), leading=18, spaceAfter=6)
    flow: list[Flowable] = []
    expected: list[str] = []
    for _ in range(random_.randint(8, 25)):
        text = (
            " ".join(random_.choices(WORDS, k=random_.randint(3, 120))).capitalize() + f" {random_.randint(1, 10**5)}."
        )
        expected.extend(words_of(text))
        flow.append(Text(text, style))
        if random_.random() < 0.15:
            flow.append(PageBreak())
    assert once_in_order(expected, words_of(document_text(read(built(flow), tmp_path)))) >= 0.995


@given(st.integers(2, 6), st.integers(1, 8))
def test_a_full_grid_has_all_its_cells(columns: int, rows: int) -> None:
    horizontal = [Rule(20.0 * n, 0, 50.0 * columns) for n in range(rows + 1)]
    vertical = [Rule(50.0 * n, 0, 20.0 * rows) for n in range(columns + 1)]
    (grid,) = grids_of(horizontal, vertical)
    assert {(box.row, box.column) for box in grid.boxes} == {(r, c) for r in range(rows) for c in range(columns)}
    assert all(box.rows == box.columns == 1 for box in grid.boxes)


def test_a_frame_is_no_table() -> None:
    assert not grids_of([Rule(0, 0, 100), Rule(50, 0, 100)], [Rule(0, 0, 50), Rule(100, 0, 50)])


def test_paragraphs_have_pages(tmp_path: Path, font: str) -> None:
    document = read(drawn([lines("Một câu trọn vẹn."), lines("Câu khác.")], font), tmp_path)
    assert [(type(block), block.place.page) for block in document.blocks] == [(Paragraph, 1), (Paragraph, 2)]
