"""Word documents of 1997 to 2003: what a reader sees, each word once, in order."""

import contextlib
import struct
from pathlib import Path

import pytest

from ingest.parsing import doc
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.old_word.binary import TABLE_SHAPE
from ingest.parsing.old_word.codes import BOLD, CHARACTER_STYLE, DELETED, FONT, HIDDEN, IN_TABLE, OUTLINE, ROW_END
from ingest.parsing.old_word.lists import LEVEL, LIST
from phoserve.text.blocks import Footnote, Heading, Paragraph, ParsedDocument
from tests.support.old_office import OldText, operation, word
from tests.support.parsed import document_text, table_of

CELL = (0, operation(IN_TABLE, 1))
ROW = (0, operation(IN_TABLE, 1) + operation(ROW_END, 1))


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.doc").write_bytes(content)
    return doc.parse(folder / "a.doc")


def texts(document: ParsedDocument) -> list[str]:
    return document_text(document).split("\n")


@pytest.mark.parametrize("code", [HIDDEN, DELETED])
@pytest.mark.parametrize("value", [1, 0x81])
def test_hidden_and_deleted_text_is_left_out(tmp_path: Path, code: int, value: int) -> None:
    runs = [("Phụ cấp ", b""), ("hai trăm ", operation(code, value)), ("ba trăm\r", operation(code, 0))]
    document = read(word(OldText(runs)), tmp_path)
    assert texts(document) == ["Phụ cấp ba trăm"]
    assert [warning.code for warning in document.warnings] == ["hidden_content"] * (code == HIDDEN)


def test_a_deleted_end_joins_paragraphs(tmp_path: Path) -> None:
    runs = [("Câu này", b""), ("\r", operation(DELETED, 1)), (" nối liền.\rCâu sau.\r", b"")]
    assert texts(read(word(OldText(runs)), tmp_path)) == ["Câu này nối liền.", "Câu sau."]


def test_fields_show_their_results(tmp_path: Path) -> None:
    text = "Xem \x13 REF a \\h \x13 IF b \x14ẩn\x15 \x14điều 5\x15 và \x13 XE mục \x15trang.\r"
    assert texts(read(word(OldText([(text, b"")])), tmp_path)) == ["Xem điều 5 và trang."]


def test_special_characters(tmp_path: Path) -> None:
    text = "NĐ\x1eCP\x0bdòng\xa0hai\tba\x1f bốn\x01\x08\r"
    assert texts(read(word(OldText([(text, b"")])), tmp_path)) == ["NĐ-CP", "dòng hai ba bốn"]


def test_headings_by_style_and_level(tmp_path: Path) -> None:
    paragraphs = [(2, b""), (0, operation(OUTLINE, 0)), (0, b""), (1, operation(OUTLINE, 9))]
    document = read(word(OldText([("Kho\rQuy định\rVăn bản\rChữ thường\r", b"")], paragraphs)), tmp_path)
    assert document.blocks == (
        Heading(text="Kho", level=2),
        Heading(text="Quy định", level=1),
        Paragraph(text="Văn bản"),
        Paragraph(text="Chữ thường"),
    )


def test_bold_words_of_law_are_headings(tmp_path: Path) -> None:
    runs = [
        ("Chương II\rTỔ CHỨC\r", operation(BOLD, 1)),
        ("Điều 7. Các loại\r", operation(BOLD, 1)),
        ("Gồm ba.\r", b""),
    ]
    found = [block.text for block in read(word(OldText(runs)), tmp_path).blocks if isinstance(block, Heading)]
    assert found == ["Chương II TỔ CHỨC", "Điều 7. Các loại"]


def item(level: int, number: int = 1) -> tuple[int, bytes]:
    return 0, operation(LIST, number, 2) + operation(LEVEL, level)


def test_automatic_numbers_are_shown(tmp_path: Path) -> None:
    levels = [(0, "Điều \x00."), (4, "\x01)"), (0, "\x00.\x02"), (23, "·")]
    places = [item(0), item(1), item(1), item(2), item(3), item(0), item(1), (0, b""), item(0, 2), item(0, 2)]
    text = "".join(f"chữ {n}\r" for n in range(len(places)))
    document = read(word(OldText([(text, b"")], places), levels=levels), tmp_path)
    shown = [f"{getattr(block, 'number', '')} {block.text}".strip() for block in document.blocks]  # type: ignore[union-attr]
    assert shown == [
        "Điều 1. chữ 0", "a) chữ 1", "b) chữ 2", "1.1 chữ 3", "- chữ 4", "Điều 2. chữ 5", "a) chữ 6", "chữ 7",
        "Điều 7. chữ 8", "Điều 8. chữ 9",
    ]  # fmt: skip
    assert document.warnings == ()


def test_numbers_in_cells_are_shown(tmp_path: Path) -> None:
    numbered = (0, CELL[1] + item(0)[1])
    rows = [[CELL, CELL, ROW], *[[numbered, CELL, ROW]] * 2]
    text = "STT\x07Tên\x07\x07" + "một\x07Kho\x07\x07" + "hai\x07Bếp\x07\x07"
    places = [place for row in rows for place in row]
    table = table_of(read(word(OldText([(text, b"")], places), levels=[(0, "\x00.")]), tmp_path))
    assert table.rows == (("1. một", "Kho"), ("2. hai", "Bếp"))


def test_a_table_is_read_by_cell(tmp_path: Path) -> None:
    rows = [("Mã", "Tên"), ("SP-01", "Máy\rbơm"), ("SP-02", ""), ("SP-03", "Quạt")]
    text = "".join("".join(f"{cell}\x07" for cell in row) + "\x07" for row in rows)
    paragraphs = []
    for row in rows:
        paragraphs += [CELL] * (len(row) + sum(cell.count("\r") for cell in row)) + [ROW]
    document = read(word(OldText([(f"{text}Sau.\r", b"")], paragraphs)), tmp_path)
    table = table_of(document)
    assert table.header == ("Mã", "Tên")
    assert table.rows == (("SP-01", "Máy\nbơm"), ("SP-02", ""), ("SP-03", "Quạt"))
    assert document.blocks[-1] == Paragraph(text="Sau.")


def test_a_letterhead_is_text(tmp_path: Path) -> None:
    paragraphs = [CELL, CELL, ROW]
    document = read(word(OldText([("ỦY BAN\x07CỘNG HÒA\x07\x07Văn bản.\r", b"")], paragraphs)), tmp_path)
    assert texts(document) == ["ỦY BAN", "CỘNG HÒA", "Văn bản."]


def test_notes_headers_and_text_boxes(tmp_path: Path) -> None:
    text, box = "Văn bản\x02 này.\rSau\x02.\r", "Trong khung\r\r"
    note = "\x02 Theo luật.\rĐiều 5.\r\x02 Theo lệ.\r"
    separators = "".join("\x03\r" for _ in range(6))
    stories = ["", "Công ty Sao Mai\r", "", "Lưu hành nội bộ\r", "", ""]
    places, at = [2 * n for n in range(6)], len(separators)
    for story in stories:
        places.append(at)
        at += len(story)
    header = separators + "".join(stories)
    made = word(
        *(OldText([(story, b"")]) for story in (text, note, header, "", "", "", box)),
        footnotes=[text.index("\x02"), text.rindex("\x02")],
        headers=[*places, at],
    )
    document = read(made, tmp_path)
    assert document.blocks == (
        Paragraph(text="Văn bản này."),
        Footnote(text="Theo luật.\nĐiều 5.", number="1"),
        Paragraph(text="Sau."),
        Footnote(text="Theo lệ.", number="2"),
        Paragraph(text="Trong khung"),
    )
    assert document.properties == {"header": "Công ty Sao Mai", "footer": "Lưu hành nội bộ"}


def test_a_password(tmp_path: Path) -> None:
    content = bytearray(word(OldText([("mật\r", b"")])))
    at = content.index(b"\xec\xa5")
    content[at + 11] |= 0x01
    with pytest.raises(Encrypted):
        read(bytes(content), tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", word(OldText([("cũ\r", b"")]), version=0x65)[:700]]
)
def test_a_damaged_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable):
        read(content, tmp_path)


@pytest.mark.parametrize("at", range(0, 3000, 97))
def test_damage_anywhere_ends(tmp_path: Path, at: int) -> None:
    content = bytearray(word(OldText([("Văn bản dài hơn một chút.\r" * 4, b"")], [(1, operation(OUTLINE, 0))])))
    content[512 * 3 + at : 512 * 3 + at + 4] = b"\xff\xff\xff\x7f"
    with contextlib.suppress(Unreadable):
        assert read(bytes(content), tmp_path).blocks


def test_rows_whose_operations_are_in_the_data_stream(tmp_path: Path) -> None:
    stored = operation(IN_TABLE, 1) + operation(ROW_END, 1)
    data = b"xx" + struct.pack("<H", len(stored)) + stored
    wide = (0, operation(IN_TABLE, 1) + operation(0x6646, 2, size=4))
    text = "".join(f"{n}\x07{n}a\x07{n}b\x07\x07" for n in range(4))
    document = read(word(OldText([(text, b"")], [*([CELL] * 3), wide] * 4), data=data), tmp_path)
    assert [len(row) for row in table_of(document).rows] == [3] * 4


def row_operations(*cells: tuple[int, int]) -> bytes:
    """Return the operations at the end of a row: where each of its cells ends, in twips, and how it is merged."""
    shape = bytes([len(cells)]) + struct.pack(f"<{len(cells) + 1}h", -108, *(right for right, _ in cells))
    shape += b"".join(struct.pack("<H18x", flags) for _, flags in cells)
    stored = struct.pack("<HH", TABLE_SHAPE, len(shape) + 1) + shape
    return operation(IN_TABLE, 1) + operation(ROW_END, 1) + stored


def test_merged_cells_are_under_their_columns(tmp_path: Path) -> None:
    above, first, plain = 0x20, 0x60, 0
    text = "STT\x07Lương\x07Ghi chú\x07\x07" + "\x07Hệ số\x07Phụ cấp\x07\x07\x07"
    text += "1\x072,34\x07500.000\x07x\x07\x07" * 2
    data, ends = b"", []
    for operations in (
        row_operations((500, first), (2500, plain), (3500, first)),
        row_operations((500, above), (1500, plain), (2500, plain), (3500, above)),
        row_operations((500, plain), (1500, plain), (2500, plain), (3500, plain)),
    ):
        ends.append((0, operation(0x6646, len(data), size=4)))
        data += struct.pack("<H", len(operations)) + operations
    marks = [*[CELL] * 3, ends[0], *[CELL] * 4, ends[1], *([*[CELL] * 4, ends[2]] * 2)]
    table = table_of(read(word(OldText([(text, b"")], marks), data=data), tmp_path))
    assert table.header == ("STT", "Lương / Hệ số", "Lương / Phụ cấp", "Ghi chú")
    assert table.rows == (("1", "2,34", "500.000", "x"),) * 2


def test_styles_hide_text(tmp_path: Path) -> None:
    runs = [
        ("Một\r", b""),
        ("ẨN\r", b""),
        ("Hai ", b""),
        ("ẨN ", operation(CHARACTER_STYLE, 2, 2)),
        ("ba\r", b""),
        ("ẨN ", operation(HIDDEN, 0x80)),
        ("bốn ", operation(HIDDEN, 0)),
        ("năm ", operation(HIDDEN, 0x81)),
        ("sáu\r", operation(CHARACTER_STYLE, 2, 2)),
    ]
    styles = [(1, b""), (1, operation(HIDDEN, 1)), (2, operation(HIDDEN, 1))]
    document = read(word(OldText(runs, [(0, b""), (1, b""), (0, b""), (1, b"")]), styles=styles), tmp_path)
    assert texts(document) == ["Một", "Hai ba", "bốn năm sáu"]
    assert [warning.code for warning in document.warnings] == ["hidden_content"]


def test_old_fonts_are_read_as_they_are_drawn(tmp_path: Path) -> None:
    fonts = ["Times New Roman", ".VnTime", ".VnTimeH", "VNI-Times"]
    runs = [
        ("Mã số, Võ Lý: ", b""),
        ("Céng hßa x· héi", operation(FONT, 1, 2)),
        ("\r", b""),
        ("®éc lËp\r", b""),
        ("Tö do, coäng hoøa\r", operation(FONT, 3, 2)),
        ("Cộng hòa, café\r", operation(FONT, 1, 2)),
    ]
    styles = [(1, b""), (1, operation(FONT, 2, 2))]
    document = read(word(OldText(runs, [(0, b""), (1, b"")]), styles=styles, fonts=fonts), tmp_path)
    assert texts(document) == ["Mã số, Võ Lý: Cộng hòa xã hội", "ĐỘC LẬP", "Tư do, cộng hòa", "Cộng hòa, café"]
    assert [warning.code for warning in document.warnings] == ["text_repaired"]
