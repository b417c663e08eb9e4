"""RTF files: what a reader sees, each word once, in order, as Word, LibreOffice and other programs write them."""

# ruff: noqa: E501 (markup is clearer on one line)

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.faults import Unreadable
from ingest.parsing.rtf import parse, read_rich_text
from phoserve.text.blocks import Footnote, Heading, ListItem, Paragraph, ParsedDocument
from tests.support.parsed import document_text, table_of

HEAD = r"{\rtf1\ansi\ansicpg1252\uc1\deff0{\fonttbl{\f0\froman\fcharset0 Times New Roman;}{\f1\fnil\fcharset0 .VnTime;}"
FONTS = HEAD + r"{\f2\fnil\fcharset0 .VnTimeH;}{\f3\fnil\fcharset0 VNI-Times;}{\f4\fnil\fcharset204 Arial Cyr;}}"
STYLES = r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\s3 Title;}{\*\cs10 Default;}}"


def rtf(body: str) -> bytes:
    return f"{FONTS}{STYLES}{body}}}".encode("latin-1")


def unicode(text: str) -> str:
    units = text.encode("utf-16-le")
    codes = [int.from_bytes(units[at : at + 2], "little", signed=True) for at in range(0, len(units), 2)]
    return "".join(chr(code) if 0 < code < 128 else rf"\u{code}?" for code in codes)


def read(body: str) -> ParsedDocument:
    return read_rich_text(rtf(body))


def lines(document: ParsedDocument) -> list[str]:
    return [line for line in document_text(document).split("\n") if line]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"\pard Xin ch\u224?o c\u225?c b\u7841?n\par", "Xin chào các bạn"),
        (r"\pard Xin ch{\uc2\u224 xx}o\par", "Xin chào"),
        (r"\pard Xin ch\u224\'e0o\par", "Xin chào"),
        (r"\pard \u-10179?\u-8704?x\par", "😀x"),
        (r"\pard {\f4 \'d3\'e2\'e0\'e6\'e0\'e5\'ec\'fb\'e9}\par", "Уважаемый"),
        (r"\pard A{\v B}C {\deleted D}E\par", "AC E"),
        (r"\pard 10{\super 3} m{\super 2}\par", "10^3 m2"),
        (r"\pard A{\*\bkmkstart x}B{\*\unknown C}D{\pict\wmetafile8 0100}E\par", "ABDE"),
        (r"\pard {\field{\*\fldinst HYPERLINK x}{\fldrslt{\ul trang}}} sau\par", "trang sau"),
        (r"\pard {\upr{chao}{\*\ud{ch\u224?o}}} ban\par", "chào ban"),
        (r"\pard A\~B\_C\-D\emdash E\ldblquote F\rdblquote\par", "A B-CD—E“F”"),
        (r"\pard A\line B\tab C\par", "A\nB C"),
        (r"\pard {\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt\pard khung\par}}{\shprslt{\shptxt khung}}}sau\par", "sau\nkhung"),
        ("\\pard A\\bin3 }}}B\\par", "AB"),
        (r"\pard {\object\objemb{\*\objdata 0105}{\result\pard h\u236?nh\par}}\par", "hình"),
        (r"\pard chua het", "chua het"),
    ],
)  # fmt: skip
def test_characters(body: str, text: str) -> None:
    assert document_text(read(body)).strip() == text


def test_fonts_of_tcvn3_and_vni_next_to_unicode() -> None:
    body = r"\pard {\f1 C\'e9ng h\'dfa x\'b7} {\f0 " + unicode("Võ Lý") + r"} {\f2 c\'e9ng ho\'b5}"
    body += r" {\f3 Vie\'e4t Nam}\par\pard {\f0 caf\'e9 d\'e9j\'e0}\par"
    document = read(body)
    assert lines(document) == ["Cộng hòa xã Võ Lý CỘNG HOÀ Việt Nam", "café déjà"]
    assert [warning.code for warning in document.warnings] == ["text_repaired"]


def test_unicode_typed_in_an_old_font_is_kept() -> None:
    assert lines(read(r"\pard {\f1 " + unicode("Cộng hòa xã hội") + r"}\par")) == ["Cộng hòa xã hội"]


def test_headings_lists_and_titles() -> None:
    body = r"{\info{\title B\u7843?n ghi}{\author An}}"
    body += r"\pard\s3 {\b N\u7897?i quy}\par\pard\s1 Chung\par\pard {\listtext\pard\plain 1.\tab}m\u7897?t\par"
    body += r"\pard\ilvl1 {\listtext\'b7\tab}hai\par\pard\s2 {\pntext 2.1\tab}Ri\u234?ng\par\pard\outlinelevel2 Con\par"
    document = read(body)
    assert document.title == "Bản ghi"
    assert document.properties["author"] == "An"
    assert document.blocks == (
        Heading(text="Nội quy", level=1),
        Heading(text="Chung", level=1),
        ListItem(text="một", number="1."),
        ListItem(text="hai", number="-", level=2),
        Heading(text="2.1 Riêng", level=2),
        Heading(text="Con", level=3),
    )


def test_law_headings() -> None:
    body = r"\pard\qc {\b " + unicode("Chương I") + r"}\par\pard\qc{\b " + unicode("QUY ĐỊNH CHUNG") + r"}\par"
    body += r"\pard {\listtext " + unicode("Điều 1.") + r"\tab}{\b " + unicode("Phạm vi điều chỉnh") + r"}\par"
    headings = [block.text for block in read(body).blocks if isinstance(block, Heading)]
    assert headings == ["Chương I QUY ĐỊNH CHUNG", "Điều 1. Phạm vi điều chỉnh"]


def test_notes_headers_and_footers() -> None:
    body = r"{\header\pard C\'f4ng ty An\par}{\footerl\pard Trang {\field{\*\fldinst PAGE}{\fldrslt 1}}\par}"
    body += r"\pard M\u7897?t{\super\chftn{\footnote\pard\plain{\super\chftn} Ghi ch\u250?.\par}} hai"
    body += r"{\super\chftn{\footnote\ftnalt\pard{\super\chftn} Cu\u7889?i.\par}}.\par\pard Ba\par"
    document = read(body)
    assert document.properties == {"header": "Công ty An", "footer": "Trang 1"}
    notes = [block for block in document.blocks if isinstance(block, Footnote)]
    assert notes == [Footnote(text="Ghi chú.", number="1"), Footnote(text="Cuối.", number="i")]
    assert document.blocks[0] == Paragraph(text="Một hai.")


def row(*cells: str, shape: str, header: bool = False) -> str:
    texts = "".join(rf"\pard\intbl {unicode(cell)}\cell" for cell in cells)
    repeats = r"\trhdr" if header else ""
    return rf"\trowd{repeats}\clbrdrt\brdrs{shape} {texts}\row "


def test_merged_cells_are_under_their_columns() -> None:
    wide = r"\clvmgf\cellx1000\cellx3000\clvmgf\cellx4000"
    narrow = r"\clvmrg\cellx1000\cellx2000\cellx3000\clvmrg\cellx4000"
    body = row("Họ tên", "Lương", "Ghi chú", shape=wide, header=True)
    body += row("", "Cơ bản", "Phụ cấp", "", shape=narrow, header=True)
    body += row("An", "5.000", "200", "x", shape=r"\cellx1000\cellx2000\cellx3000\cellx4000") + r"\pard sau\par"
    document = read(body)
    table = table_of(document)
    assert table.header == ("Họ tên", "Lương / Cơ bản", "Lương / Phụ cấp", "Ghi chú")
    assert table.rows == (("An", "5.000", "200", "x"),)
    assert document.blocks[-1] == Paragraph(text="sau")


def test_a_table_without_lines_that_places_text() -> None:
    left, right = unicode("UBND TỈNH"), unicode("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM")
    body = rf"\trowd\cellx3000\cellx9000\pard\intbl {left}\par S\u7889? 1\cell {right}\cell\row\pard sau\par"
    assert lines(read(body)) == ["UBND TỈNH", "Số 1", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "sau"]


def test_nested_tables_keep_every_word_once() -> None:
    inner = r"\pard\intbl\itap2 trong\nestcell hai\nestcell{\*\nesttableprops\trowd\cellx500\cellx900\nestrow}{\nonesttables\par}"
    body = r"\trowd\clbrdrt\brdrs\cellx1000\cellx2000\pard\intbl\itap1 ngoai\cell " + inner
    body += r"\pard\intbl\itap1 sau\cell\row\trowd\clbrdrt\brdrs\cellx1000\cellx2000\pard\intbl x\cell y\cell\row\pard het\par"
    words = document_text(read(body)).replace("|", " ").split()
    assert sorted(words) == sorted(["ngoai", "trong", "hai", "sau", "x", "y", "het"])


def test_a_document_with_an_embedded_file_names_it() -> None:
    warnings = read(r"\pard a{\object\objemb{\*\objclass Package}{\*\objdata 0105}}\par").warnings
    assert [warning.code for warning in warnings] == ["attachment_skipped"]


@pytest.mark.parametrize(
    "body", ["{" * 5000, r"\pard " + "}" * 50 + "x", r"\u", r"\'4", "\\", r"{\fonttbl", r"\bin99999 x"]
)
def test_damaged_files_are_read_as_far_as_they_go(body: str) -> None:
    assert read(r"\pard truoc\par " + body).blocks[0] == Paragraph(text="truoc")


def test_what_is_no_rtf(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        read_rich_text(b"plain")
    (tmp_path / "a.rtf").write_bytes(rtf(r"\pard abc\par"))
    assert parse(tmp_path / "a.rtf").blocks == (Paragraph(text="abc"),)


words = st.lists(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12), min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=5))
def test_every_word_once_in_order(paragraphs: list[list[str]]) -> None:
    body = "".join(rf"\pard {unicode(' '.join(each))}\par " for each in paragraphs)
    assert document_text(read(body)).split() == [word for each in paragraphs for word in each]
