"""Excel workbooks: values as displayed, under their headers, nothing hidden."""

import random
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from ingest.parsing import xlsx
from ingest.parsing.faults import Unreadable
from phoserve.text.blocks import Footnote, Heading, Paragraph, ParsedDocument, Table
from tests.support.parsed import document_text, once_in_order, table_of, words_of


def workbook() -> tuple[Workbook, Worksheet]:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    return book, sheet


def saved(book: Workbook, folder: Path, **options: int) -> ParsedDocument:
    book.save(folder / "a.xlsx")
    return xlsx.parse(folder / "a.xlsx", **options)


def rewritten(book: Workbook, folder: Path, old: bytes, new: bytes) -> None:
    """Save a workbook with `old` replaced in its parts, as openpyxl would not write it."""
    book.save(folder / "first.xlsx")
    with zipfile.ZipFile(folder / "first.xlsx") as first, zipfile.ZipFile(folder / "a.xlsx", "w") as package:
        for name in first.namelist():
            package.writestr(name, first.read(name).replace(old, new))


def codes(document: ParsedDocument) -> list[str]:
    return [warning.code for warning in document.warnings]


def test_values_are_as_displayed_under_their_header(tmp_path: Path) -> None:
    book, sheet = workbook()
    sheet.append(["Mã", "Ngày ký", "Giá trị", "Thuế", "Đúng hạn", "Giờ"])
    sheet.append(["HĐ-01", datetime(2026, 5, 31), 12500000.5, 0.08, True, 0.5])  # noqa: DTZ001
    for column, code in (("B", "dd/mm/yyyy"), ("C", "#,##0"), ("D", "0%"), ("F", "hh:mm")):
        sheet[f"{column}2"].number_format = code
    table = table_of(saved(book, tmp_path))
    assert table.header == ("Mã", "Ngày ký", "Giá trị", "Thuế", "Đúng hạn", "Giờ")
    assert table.rows == (("HĐ-01", "31/05/2026", "12.500.001", "8%", "TRUE", "12:00"),)
    assert table.row_numbers == (2,)


def test_a_title_above_a_table_is_its_caption_and_a_remark_below_is_text(tmp_path: Path) -> None:
    book, sheet = workbook()
    sheet["A1"] = "BẢNG LƯƠNG THÁNG 5"
    sheet.merge_cells("A1:C1")
    for row in (["STT", "Họ tên", "Lương"], [1, "Hà", 100], [2, "Nam", 200], ["Ghi chú: chưa thuế"]):
        sheet.append(row)
    document = saved(book, tmp_path)
    table = table_of(document)
    assert (table.caption, table.header, len(table.rows)) == ("BẢNG LƯƠNG THÁNG 5", ("STT", "Họ tên", "Lương"), 2)
    assert [block.text for block in document.blocks if isinstance(block, Paragraph)] == ["Ghi chú: chưa thuế"]


def test_merged_headers_and_cells(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Vùng", "Doanh thu", None], [None, "Quý I", "Quý II"], ["Bắc", 1, 2], [None, 3, 4]):
        sheet.append(row)
    for cells in ("A1:A2", "B1:C1", "A3:A4"):
        sheet.merge_cells(cells)
    table = table_of(saved(book, tmp_path))
    assert table.header == ("Vùng", "Doanh thu / Quý I", "Doanh thu / Quý II")
    assert table.rows == (("Bắc", "1", "2"), ("", "3", "4"))


def test_several_tables_on_a_sheet(tmp_path: Path) -> None:
    book, sheet = workbook()
    left: list[list[str | int]] = [["Tên", "Số"], ["Bút", 5], ["Vở", 7], [], [], ["Phòng", "Tầng"], ["Kho", 2]]
    right: list[list[str | int]] = [["Mã", "Giá"], ["X", 9]]
    for first, rows in ((1, left), (5, right)):
        for row, cells in enumerate(rows, 1):
            for column, value in enumerate(cells, first):
                sheet.cell(row, column, value)
    tables = [block for block in saved(book, tmp_path).blocks if isinstance(block, Table)]
    assert [table.header for table in tables] == [("Tên", "Số"), ("Mã", "Giá"), ("Phòng", "Tầng")]
    assert [table.row_numbers for table in tables] == [(2, 3), (2,), (7,)]


def test_a_blank_row_within_a_table_keeps_its_header(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Tên", "Số"], ["Bút", 5], [], ["Vở", 7]):
        sheet.append(row)
    table = table_of(saved(book, tmp_path))
    assert (table.header, table.rows, table.row_numbers) == (("Tên", "Số"), (("Bút", "5"), ("Vở", "7")), (2, 4))


def test_what_is_hidden_is_left_out_with_warnings(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Tên", "Số", "Mật"], ["Bút", 5, "x1"], ["Ẩn", 6, "x2"], ["Vở", 7, "x3"]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    secret = book.create_sheet("Lương")
    secret["A1"] = "120 triệu"
    secret.sheet_state = "veryHidden"
    document = saved(book, tmp_path)
    assert table_of(document).rows == (("Bút", "5"), ("Vở", "7"))
    assert codes(document) == ["hidden_content"] * 3
    assert {warning.place.sheet for warning in document.warnings} == {"Lương", "Sheet"}


def test_a_formula_without_a_value_is_shown_with_a_warning(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Tên", "Số"], ["Bút", "=SUM(B5:B9)"], ["Vở", "=B2*2"]):
        sheet.append(row)
    document = saved(book, tmp_path)
    assert table_of(document).rows == (("Bút", "=SUM(B5:B9)"), ("Vở", "=B2*2"))
    (warning,) = document.warnings
    assert warning.code == "formula_without_value"
    assert "Sheet" in warning.message
    assert "B2:B3" in warning.message


def test_a_formula_with_a_value_shows_the_value(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Tên", "Số"], ["Bút", "=1+1"]):
        sheet.append(row)
    rewritten(book, tmp_path, b"<v></v>", b"<v>2</v>")
    document = xlsx.parse(tmp_path / "a.xlsx")
    assert table_of(document).rows == (("Bút", "2"),)
    assert not document.warnings


def test_comments_and_charts(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["Quý", "Doanh thu"], ["I", 19.2], ["II", 21.4]):
        sheet.append(row)
    sheet["B3"].comment = Comment("đã kiểm toán", "Hà")
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D2")
    document = saved(book, tmp_path)
    assert table_of(document).rows == (("I", "19,2"), ("II", "21,4"))
    assert [(note.number, note.text) for note in document.blocks if isinstance(note, Footnote)] == [
        ("B3", "đã kiểm toán")
    ]


def test_sheet_names_are_headings_where_they_say_something(tmp_path: Path) -> None:
    book, sheet = workbook()
    sheet.title = "Danh sách"
    sheet.append(["Tên", "Số"])
    assert [block.text for block in saved(book, tmp_path).blocks if isinstance(block, Heading)] == ["Danh sách"]


def test_frozen_rows_are_the_header(tmp_path: Path) -> None:
    book, sheet = workbook()
    for row in (["2024", "2025"], ["Kế hoạch", "Thực hiện"], [1, 2], [3, 4]):
        sheet.append(row)
    sheet.freeze_panes = "A3"
    assert table_of(saved(book, tmp_path)).header == ("2024 / Kế hoạch", "2025 / Thực hiện")


def test_too_many_cells_are_cut_with_a_warning(tmp_path: Path) -> None:
    book, sheet = workbook()
    for number in range(100):
        sheet.append([f"dòng {number}", number])
    document = saved(book, tmp_path, max_cells=50)
    assert codes(document) == ["rows_cut"]
    assert document.warnings[0].place.row == 25
    assert "dòng 24" in document_text(document)
    assert "dòng 25" not in document_text(document)


def test_a_far_cell_costs_nothing(tmp_path: Path) -> None:
    book, sheet = workbook()
    sheet["A1"], sheet["XFD1048576"] = "đầu", "cuối"
    sheet.merge_cells("B2:C3")
    rewritten(book, tmp_path, b"B2:C3", b"B2:XFD1048570")
    assert words_of(document_text(xlsx.parse(tmp_path / "a.xlsx"))) == ["đầu", "cuối"]


def test_an_empty_workbook_has_no_blocks(tmp_path: Path) -> None:
    book, _ = workbook()
    assert saved(book, tmp_path).blocks == ()


@pytest.mark.parametrize("seed", range(10))
def test_round_trip_keeps_every_visible_value_once_in_order(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    book, first = workbook()
    expected: list[str] = []

    def value() -> str | int:
        name, number = f"mặt hàng {random_.randint(1, 999)}", random_.randint(1, 10**9)
        return name if random_.random() < 0.5 else number

    for sheet in (first, book.create_sheet("Hai")):
        sheet.title = f"Bảng {random_.randint(100, 999)}"
        expected.extend(words_of(sheet.title))
        columns = random_.randint(2, 7)
        header = [f"Cột {n} {random_.choice(['giá', 'tên', 'số'])}" for n in range(columns)]
        sheet.append(header)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        rows = [[value() for _ in header] for _ in range(random_.randint(3, 60))]
        for row in rows:
            sheet.append(row)
        expected.extend(words_of(" ".join(header)))
        expected.extend(word for row in rows for value in row for word in words_of(str(value)))
    assert once_in_order(expected, words_of(document_text(saved(book, tmp_path)))) >= 0.995


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 100])
def test_a_damaged_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(Unreadable):
        xlsx.parse(tmp_path / "a.xlsx")
