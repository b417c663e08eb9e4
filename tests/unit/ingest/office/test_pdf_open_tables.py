"""Tables without lines in PDF files: rows are read across, and what is around them stays where it is."""

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.parsing import pdf
from ingest.parsing.recognition import Ocr
from phoserve.text.blocks import ParsedDocument, Table
from tests.support.parsed import document_text, once_in_order, table_of, words_of
from tests.support.typeset import available_fonts

LEFT, WIDTH, SIZE = 60, 470, 11
SYLLABLES = "nghỉ phép lao động quy chế thanh toán phụ cấp đăng ký hồ sơ".split()  # noqa: SIM905
Draw = Callable[[Canvas, str], None]


@pytest.fixture(scope="module")
def font() -> str:
    fonts = available_fonts()
    if not fonts:
        pytest.skip("no font with Vietnamese letters is installed (fonts-dejavu-core)")
    return fonts[0]


def read(draw: Draw, font: str, folder: Path) -> ParsedDocument:
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=A4)
    canvas.setFont(font, SIZE)
    draw(canvas, font)
    canvas.save()
    (folder / "a.pdf").write_bytes(content.getvalue())
    return pdf.parse(folder / "a.pdf", Ocr(binary=None))


def rows_at(rows: Sequence[Sequence[str]], xs: Sequence[float], *, top: float = 700, pitch: float = 16) -> Draw:
    """Return a function that draws cells at the same distances."""

    def draw(canvas: Canvas, _: str) -> None:
        for n, row in enumerate(rows):
            for x, text in zip(xs, row, strict=True):
                canvas.drawString(x, top - n * pitch, text)

    return draw


class Page:
    """Draws words that are all different, and remembers them in the order in which they are read."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.expected: list[str] = []
        self.tables = 0
        self._y = 780.0
        self._pitch = self.random.choice([13, 14, 16])

    def write(self, count: int) -> str:
        made = [f"{self.random.choice(SYLLABLES)}{len(self.expected) + n}" for n in range(count)]
        self.expected += made
        return " ".join(made)

    def draw(self, canvas: Canvas, font: str) -> None:
        is_table = False
        while self._y > 150:
            is_table = not is_table and self.random.random() < 0.5
            if is_table:
                self._table(canvas)
            else:
                self._lines(canvas)
            self._y -= self.random.choice([0, 4, 8])

    def _lines(self, canvas: Canvas) -> None:
        for _ in range(self.random.randint(1, 4)):
            canvas.drawString(LEFT, self._y, self.write(self.random.randint(3, 9)))
            self._y -= self._pitch

    def _table(self, canvas: Canvas) -> None:
        columns = self.random.choice([3, 4, 5])
        self.tables += 1
        for _ in range(self.random.randint(2, 6)):
            for column in range(columns):
                text = self.write(self.random.randint(1, 2) if columns == 3 else 1)
                canvas.drawString(LEFT + column * WIDTH / columns, self._y, text)
            self._y -= self._pitch


@pytest.mark.parametrize("seed", range(20))
def test_tables_between_lines_of_text_are_read_across(tmp_path: Path, font: str, seed: int) -> None:
    page = Page(seed)
    document = read(page.draw, font, tmp_path)
    assert once_in_order(page.expected, words_of(document_text(document))) == 1.0
    assert sum(isinstance(block, Table) for block in document.blocks) == page.tables


def test_a_header_without_a_first_cell_is_the_tables(tmp_path: Path, font: str) -> None:
    rows = [("", "Chính xác", "F1"), ("BiDAF", "73,7%", "81,5%"), ("R-Net", "76,5%", "84,3%")]
    table = table_of(read(rows_at(rows, (60, 220, 380)), font, tmp_path))
    assert (table.header, table.rows) == (rows[0], tuple(rows[1:]))


def test_two_columns_of_short_texts_are_rows(tmp_path: Path, font: str) -> None:
    rows = [("Bộ phận", "Người phụ trách"), ("Kế toán", "Nguyễn Thu Hà"), ("Kho", "Trần Bình"), ("Bảo vệ", "Lê Tư")]
    assert table_of(read(rows_at(rows, (60, 300)), font, tmp_path)).rows == tuple(rows[1:])


def test_cells_of_several_lines_are_whole(tmp_path: Path, font: str) -> None:
    rows = [
        (("Vị trí",), ("Việc phải làm",), ("Hạn",)),
        (("Trưởng ca",), ("kiểm tra áp suất", "và ghi vào sổ"), ("hàng ngày",)),
        (("Nhân viên", "vận hành"), ("lau cảm biến",), ("thứ sáu",)),
    ]

    def draw(canvas: Canvas, _: str) -> None:
        y = 700.0
        for row in rows:
            for x, cell in zip((60, 220, 400), row, strict=True):
                for n, line in enumerate(cell):
                    canvas.drawString(x, y - 13 * n, line)
            y -= 13 * max(map(len, row)) + 10

    table = table_of(read(draw, font, tmp_path))
    assert table.rows == tuple(tuple(" ".join(cell) for cell in row) for row in rows[1:])


def test_a_letterhead_is_read_side_by_side(tmp_path: Path, font: str) -> None:
    left = ("ỦY BAN NHÂN DÂN", "TỈNH SAO MAI", "Số: 12/QĐ-UBND")
    right = ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "Sao Mai, ngày 3 tháng 2")

    def draw(canvas: Canvas, _: str) -> None:
        for n, pair in enumerate(zip(left, right, strict=True)):
            for x, text in zip((150, 400), pair, strict=True):
                canvas.drawCentredString(x, 780 - 16 * n, text)

    assert words_of(document_text(read(draw, font, tmp_path))) == words_of(" ".join((*left, *right)))


@pytest.mark.parametrize("columns", [2, 3])
def test_columns_of_a_newspaper_are_not_rows(tmp_path: Path, font: str, columns: int) -> None:
    random_ = random.Random(columns)
    width = WIDTH / columns - 18
    expected: list[str] = []

    def draw(canvas: Canvas, font: str) -> None:
        for column in range(columns):
            for n in range(25):
                line = random_.choice(SYLLABLES)
                while canvas.stringWidth(f"{line} thanh", font, SIZE) < width:
                    line += f" {random_.choice(SYLLABLES)}"
                expected.append(line)
                canvas.drawString(LEFT + column * WIDTH / columns, 780 - 15 * n, line)

    document = read(draw, font, tmp_path)
    assert words_of(document_text(document)) == words_of(" ".join(expected))
    assert not any(isinstance(block, Table) for block in document.blocks)


def test_text_after_a_table_does_not_continue_the_text_before(tmp_path: Path, font: str) -> None:
    rows = [("Quý", "Thu", "Chi"), ("một", "năm", "bốn"), ("hai", "sáu", "ba")]

    def draw(canvas: Canvas, font: str) -> None:
        canvas.drawString(LEFT, 740, "Kết quả của các quý trong năm nay được ghi theo")
        rows_at(rows, (60, 220, 380))(canvas, font)
        canvas.drawString(LEFT, 640, "đơn vị là tỷ đồng và chưa được kiểm toán")

    words = words_of(document_text(read(draw, font, tmp_path)))
    assert words[:2] + words[-2:] == ["kết", "quả", "kiểm", "toán"]
    assert words.index("quý", 6) < words.index("đơn")
