"""Titles of Vietnamese administrative documents."""

# ruff: noqa: E501 (a case a line)

import pytest

from ingest.parsing.titles import administrative_title, better_title
from phoserve.text.blocks import Paragraph

HEAD = [
    "UBND TỈNH BẮC NINH",
    "SỞ NỘI VỤ",
    "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
    "Độc lập - Tự do - Hạnh phúc",
    "Số: 1/QĐ-SNV",
]


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        (["QUYẾT ĐỊNH", "Về việc nâng lương", "GIÁM ĐỐC SỞ NỘI VỤ"], "QUYẾT ĐỊNH Về việc nâng lương"),
        (["QUYẾT ĐỊNH", "GIÁM ĐỐC SỞ NỘI VỤ"], "QUYẾT ĐỊNH"),
        (["THÔNG BÁO", "Điểm trúng tuyển đại học chính quy năm 2023"], "THÔNG BÁO Điểm trúng tuyển đại học chính quy năm 2023"),
        (["THÔNG BÁO", "Kính gửi: các phòng ban"], "THÔNG BÁO"),
        (["BIÊN BẢN HỌP", "Hôm nay, chúng tôi gồm"], "BIÊN BẢN HỌP"),
        (["LUẬT", "NHẬP CẢNH, XUẤT CẢNH"], "LUẬT NHẬP CẢNH, XUẤT CẢNH"),
        (["HỢP ĐỒNG ĐẠI LÝ:", "Số: 12/HĐ"], "HỢP ĐỒNG ĐẠI LÝ"),
        (["GIẤY ĐỀ NGHỊ THANH TOÁN", "Kính gửi: Giám đốc"], "GIẤY ĐỀ NGHỊ THANH TOÁN"),
        (["Phụ lục III", "NGHỊ QUYẾT"], ""),
        (["Quyết định này có hiệu lực từ ngày ký"], ""),
        (["Hướng dẫn cài đặt"], ""),
    ],
)  # fmt: skip
def test_kind_and_subject(lines: list[str], title: str) -> None:
    blocks = [Paragraph(text=line) for line in [*HEAD, *lines]]
    assert administrative_title(blocks) == title


@pytest.mark.parametrize(
    ("own", "title"),
    [
        ("", "QUYẾT ĐỊNH Về việc nâng lương"),
        ("SỞ NỘI VỤ", "QUYẾT ĐỊNH Về việc nâng lương"),
        ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM QUYẾT ĐỊNH", "QUYẾT ĐỊNH Về việc nâng lương"),
        ("QUYẾT ĐỊNH Về việc nâng lương GIÁM ĐỐC", "QUYẾT ĐỊNH Về việc nâng lương"),
        ("Điều 1. Nâng lương", "QUYẾT ĐỊNH Về việc nâng lương"),
        ("Nâng lương 2025", "Nâng lương 2025"),
    ],
)
def test_a_line_of_the_letterhead_is_no_title(own: str, title: str) -> None:
    blocks = [Paragraph(text=line) for line in [*HEAD, "QUYẾT ĐỊNH", "Về việc nâng lương", "GIÁM ĐỐC"]]
    assert better_title(own, blocks) == title


def test_the_motto_alone_is_no_title() -> None:
    assert better_title("CỘNG HOÀ XÃ HỘI CHỦ NGHĨA VIỆT NAM", [Paragraph(text="Xin chào")]) == ""


def test_an_article_is_no_title() -> None:
    assert better_title("Điều 1. Phạm vi", [Paragraph(text="Điều 1. Phạm vi")]) == ""
