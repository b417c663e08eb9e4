"""Old workbooks are read like new ones: formats, hidden parts, errors, comments. LibreOffice wrote the file."""

import zipfile
from pathlib import Path

import pytest

from ingest.parsing.faults import Unreadable
from ingest.parsing.media import XLSB, media_type_of
from ingest.parsing.parsers import can_parse, parse_file
from ingest.parsing.xls import parse
from phoserve.text.blocks import Footnote, Heading, Table
from phoserve.text.structure import render_blocks
from tests.support import old_office

WORKBOOK = Path(__file__).parents[3] / "cases" / "40_old_workbook.xls"


def test_values_are_as_displayed() -> None:
    table = next(block for block in parse(WORKBOOK).blocks if isinstance(block, Table))
    assert table.header == ("Mã", "Ngày", "Tiền", "Ghi chú")
    assert table.rows == (
        ("A", "Ngày 05 tháng 03 năm 2024", "1.234.567,5 đồng", "x"),
        ("C", "14:30 05/03", "12,5%", "z"),
    )
    assert table.row_numbers == (2, 4)


def test_hidden_sheets_rows_and_columns_are_left_out_with_warnings() -> None:
    document = parse(WORKBOOK)
    text = render_blocks(document.blocks).text
    assert not any(word in text for word in ("VERYHIDDEN", "KÍN", "Ẩn cột"))
    assert [warning.code for warning in document.warnings] == ["hidden_content"] * 3
    assert document.warnings[0].place.sheet == "Rất ẩn"


def test_errors_and_comments_are_kept() -> None:
    document = parse(WORKBOOK)
    assert "#DIV/0!" in render_blocks(document.blocks).text
    assert Footnote(text="nhận xét ô", number="A2", place=document.blocks[0].place) in document.blocks
    assert isinstance(document.blocks[0], Heading)


def test_a_workbook_without_styles_is_read(tmp_path: Path) -> None:
    path = tmp_path / "original"
    path.write_bytes(old_office.excel([["Họ tên", "Phụ cấp"], ["Bình", "42"]]))
    assert render_blocks(parse(path).blocks).text.endswith("Họ tên | Phụ cấp\nBình | 42")


@pytest.mark.parametrize("cut", [600, 1500, 3000, 5000])
def test_a_damaged_workbook_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "original"
    path.write_bytes(WORKBOOK.read_bytes()[:cut])
    with pytest.raises(Unreadable):
        parse(path)


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "original"
    path.write_bytes(b"khong phai Excel" * 100)
    with pytest.raises(Unreadable):
        parse(path)


def test_a_damaged_workbook_is_read_with_its_values_as_stored(tmp_path: Path) -> None:
    content = bytearray(old_office.excel([["Tên", "Lương"], ["An", "5000"]]))
    content[28:30] = b"\xff\xfe"  # the order of bytes, which other programs do not check
    (tmp_path / "a.xls").write_bytes(content)
    document = parse(tmp_path / "a.xls")
    assert [word for word in ("Tên", "Lương", "An", "5000") if word not in render_blocks(document.blocks).text] == []
    assert [warning.code for warning in document.warnings] == ["not_as_displayed"]


def test_binary_workbooks_are_no_packages_of_xml(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as package:
        package.writestr("xl/workbook.bin", b"\x83\x01\x00")
    assert media_type_of(tmp_path / "a.xlsx", "", "a.xlsx") == XLSB
    assert can_parse(XLSB)
    with pytest.raises(Unreadable):
        parse_file(tmp_path / "a.xlsx", XLSB)
