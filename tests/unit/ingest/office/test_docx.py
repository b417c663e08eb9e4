"""Word documents: what a reader of the final version sees, each word once, in order."""

import random
from pathlib import Path

import docx as python_docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.parsing import docx
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.word.numbering import format_number
from phoserve.text.blocks import Caption, Footnote, Heading, ListItem, Paragraph, ParsedDocument, Table
from tests.support import hostile
from tests.support.parsed import document_text, once_in_order, table_of, words_of

WORDS = [
    "quyết",
    "định",
    "điều",
    "khoản",
    "hợp",
    "đồng",
    "nhân",
    "viên",
    "kế",
    "toán",
    "phòng",
    "ban",
    "nghỉ",
    "phép",
    "lương",
    "thưởng",
    "năm",
    "tháng",
    "ngày",
    "Hà",
    "Nội",
]


def saved(document: Document, folder: Path) -> ParsedDocument:
    path = folder / "a.docx"
    document.save(str(path))
    return docx.parse(path)


def body(folder: Path, xml: str, **parts: str) -> ParsedDocument:
    """Parse a document whose body is `xml`; other parts by name, such as `numbering`."""
    path = folder / "a.docx"
    kinds = "".join(
        f'<Relationship Id="r{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{name}" '
        f'Target="{name}.xml"/>'
        for n, name in enumerate(parts)
    )
    links = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{kinds}</Relationships>'
    )
    extra = {f"word/{name}.xml": part for name, part in parts.items()} | {"word/_rels/document.xml.rels": links}
    path.write_bytes(hostile.docx(xml, extra=extra))
    return docx.parse(path)


def numbering(*levels: tuple[str, str], nums: str = "") -> str:
    """Return a numbering part with one list of the levels (format, text) given."""
    xml = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for n, (kind, text) in enumerate(levels)
    )
    nums = nums or '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    return f'<w:numbering {nsdecls("w")}><w:abstractNum w:abstractNumId="0">{xml}</w:abstractNum>{nums}</w:numbering>'


def item(text: str, level: int = 0, number: int = 1) -> str:
    place = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    return f"<w:p><w:pPr>{place}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def numbers(document: ParsedDocument) -> list[str]:
    return [block.number for block in document.blocks if isinstance(block, ListItem)]


def texts(document: ParsedDocument) -> list[str]:
    return document_text(document).split("\n")


# ---- numbering


def test_levels_count_within_the_level_above(tmp_path: Path) -> None:
    part = numbering(("decimal", "%1."), ("decimal", "%1.%2"), ("lowerLetter", "%3)"))
    xml = item("a") + item("b", 1) + item("c", 1) + item("d", 2) + item("e") + item("f", 1) + item("g", 2)
    assert numbers(body(tmp_path, xml, numbering=part)) == ["1.", "1.1", "1.2", "a)", "2.", "2.1", "a)"]


def test_articles_by_automatic_numbers_are_headings(tmp_path: Path) -> None:
    part = numbering(("upperRoman", "Chương %1"), ("decimal", "Điều %2."))
    part = part.replace('<w:lvl w:ilvl="1">', '<w:lvl w:ilvl="1"><w:lvlRestart w:val="0"/>')
    xml = item("QUY ĐỊNH CHUNG") + item("Phạm vi", 1) + item("Đối tượng", 1) + item("TỔ CHỨC") + item("Bộ máy", 1)
    found = body(tmp_path, xml, numbering=part).blocks
    assert [(block.level, block.text) for block in found if isinstance(block, Heading)] == [
        (9, "Chương I QUY ĐỊNH CHUNG"), (12, "Điều 1. Phạm vi"), (12, "Điều 2. Đối tượng"),
        (9, "Chương II TỔ CHỨC"), (12, "Điều 3. Bộ máy"),
    ]  # fmt: skip


def test_a_list_starts_again_where_its_number_says_so(tmp_path: Path) -> None:
    nums = "".join(
        f'<w:num w:numId="{n}"><w:abstractNumId w:val="0"/>{override}</w:num>'
        for n, override in (
            (1, ""),
            (2, ""),
            (3, '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>'),
        )
    )
    xml = item("a") + item("b") + item("c", number=2) + item("d", number=3) + item("e", number=3)
    assert numbers(body(tmp_path, xml, numbering=numbering(("decimal", "%1)"), nums=nums))) == [
        "1)",
        "2)",
        "3)",
        "7)",
        "8)",
    ]


def test_a_style_numbers_its_paragraphs(tmp_path: Path) -> None:
    styles = (
        f'<w:styles {nsdecls("w")}><w:style w:type="paragraph" w:styleId="Dieu"><w:name w:val="Dieu"/><w:pPr><w:numPr>'
        '<w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Con"><w:name w:val="Con"/>'
        '<w:basedOn w:val="Dieu"/></w:style></w:styles>'
    )
    part = numbering(("decimal", "%1."), ("lowerLetter", "%2)"))
    part = part.replace('<w:numFmt w:val="lowerLetter"/>', '<w:numFmt w:val="lowerLetter"/><w:pStyle w:val="Con"/>')
    xml = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>'
        for style in ("Dieu", "Con", "Con", "Dieu")
    )
    assert numbers(body(tmp_path, xml, numbering=part, styles=styles)) == ["1.", "a)", "b)", "2."]


def test_legal_numbering_shows_roman_levels_as_decimals(tmp_path: Path) -> None:
    part = numbering(("upperRoman", "%1."), ("decimal", "%1.%2."))
    part = part.replace('<w:lvlText w:val="%1.%2."/>', '<w:isLgl/><w:lvlText w:val="%1.%2."/>')
    assert numbers(body(tmp_path, item("a") + item("b") + item("c", 1), numbering=part)) == ["I.", "II.", "2.1."]


@pytest.mark.parametrize(
    ("number", "kind", "shown"),
    [(4, "lowerRoman", "iv"), (1999, "upperRoman", "MCMXCIX"), (27, "lowerLetter", "aa"), (3, "decimalZero", "03"),
     (5, "none", ""), (21, "vietnameseCounting", "hai mươi mốt"),
     (15, "vietnameseCounting", "mười lăm"), (4, "chicago", "4")],
)  # fmt: skip
def test_number_formats(number: int, kind: str, shown: str) -> None:
    assert format_number(number, kind) == shown


# ---- what is shown, and what is not


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_changes_are_as_accepted(tmp_path: Path) -> None:
    gone, kept = 'w:id="1" w:author="A"', 'w:id="2" w:author="A"'
    xml = (
        f"<w:p>{run('Phụ cấp ')}<w:del {gone}><w:r><w:delText>200</w:delText></w:r></w:del>"
        f"<w:ins {kept}>{run('350')}</w:ins></w:p>"
        f"<w:p><w:moveFrom {gone}>{run('tầng hai')}</w:moveFrom></w:p>"
        f"<w:p><w:moveTo {kept}>{run('tầng sáu')}</w:moveTo></w:p>"
        f"<w:p><w:pPr><w:rPr><w:del {gone}/></w:rPr></w:pPr>{run('Câu này')}</w:p><w:p>{run('nối liền.')}</w:p>"
        f"<w:tbl><w:tr><w:tc>{hostile.paragraph('còn')}</w:tc><w:tc>{hostile.paragraph('x')}</w:tc></w:tr>"
        f"<w:tr><w:trPr><w:del {gone}/></w:trPr><w:tc>{hostile.paragraph('mất')}</w:tc></w:tr></w:tbl>"
    )
    text = document_text(body(tmp_path, xml))
    assert "Phụ cấp 350\ntầng sáu\nCâu này nối liền." in text
    assert not {"200", "hai", "mất"} & set(words_of(text))


@pytest.mark.parametrize("properties", ["<w:vanish/>", '<w:rStyle w:val="An"/>', '<w:vanish w:val="true"/>'])
def test_hidden_text_is_left_out_with_a_warning(tmp_path: Path, properties: str) -> None:
    styles = (
        f'<w:styles {nsdecls("w")}><w:style w:type="character" w:styleId="An"><w:name w:val="An"/><w:rPr>'
        "<w:vanish/></w:rPr></w:style></w:styles>"
    )
    document = body(tmp_path, f"<w:p>{run('Hiện')}{run(' ẩn', properties)}</w:p>", styles=styles)
    assert texts(document) == ["Hiện"]
    assert [warning.code for warning in document.warnings] == ["hidden_content"]


def test_fields_show_their_results(tmp_path: Path) -> None:
    def mark(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    inner = f"{mark('begin')}<w:r><w:instrText>PAGEREF x</w:instrText></w:r>{mark('separate')}{run('7')}{mark('end')}"
    xml = (
        f"<w:p>{mark('begin')}<w:r><w:instrText> TOC \\o </w:instrText></w:r>{mark('separate')}"
        f"{run('Mục lục ')}{inner}</w:p>"
        f"<w:p>{run('hết')}{mark('end')}{run(' sau')}</w:p>"
        f'<w:p><w:fldSimple w:instr="DATE">{run("05/03/2020")}</w:fldSimple></w:p>'
    )
    assert texts(body(tmp_path, xml)) == ["Mục lục 7", "hết sau", "05/03/2020"]


def test_symbols_breaks_tabs_and_superscripts(tmp_path: Path) -> None:
    up = '<w:vertAlign w:val="superscript"/>'
    xml = (
        f"<w:p>{run('một')}<w:r><w:tab/></w:r>{run('hai')}<w:r><w:br/></w:r>{run('ba')}</w:p>"
        f'<w:p><w:r><w:sym w:font="Symbol" w:char="F0B3"/></w:r>{run(" 5")}</w:p>'
        f"<w:p>{run('NĐ')}<w:r><w:noBreakHyphen/></w:r>{run('CP')}</w:p>"
        f"<w:p>{run('10')}{run('3', up)}{run(' và 20 m')}{run('2', up)}{run(' ở quận')}{run('1', up)}</w:p>"
    )
    assert texts(body(tmp_path, xml)) == ["một hai", "ba", "≥ 5", "NĐ-CP", "10^3 và 20 m2 ở quận 1"]


def test_a_formula_is_one_line(tmp_path: Path) -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    fraction = "<m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    power = "<m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    xml = f"<w:p>{run('S = ')}<m:oMath {math}>{fraction}<m:r><m:t>+</m:t></m:r>{power}</m:oMath></w:p>"
    assert texts(body(tmp_path, xml)) == ["S = (a+b)/2+x^2"]


def test_notes_follow_the_paragraph_that_refers_to_them(tmp_path: Path) -> None:
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
        '<w:footnote w:id="2"><w:p><w:r><w:t>Theo luật.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    xml = f'<w:p>{run("Văn bản")}<w:r><w:footnoteReference w:id="2"/></w:r>{run(" này")}</w:p>' + hostile.paragraph(
        "sau"
    )
    blocks = body(tmp_path, xml, footnotes=notes).blocks
    assert blocks == (Paragraph(text="Văn bản này"), Footnote(text="Theo luật.", number="1"), Paragraph(text="sau"))


def test_text_boxes_are_read_once(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{hostile.paragraph('trong khung')}</w:txbxContent>"
    spaces = (
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:v="urn:schemas-microsoft-com:vml" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    )
    both = (
        f'<mc:AlternateContent {spaces}><mc:Choice Requires="wps"><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing>'
        f"</mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent>"
    )
    assert texts(body(tmp_path, f"<w:p>{run('ngoài')}<w:r>{both}</w:r></w:p>")) == ["ngoài", "trong khung"]


def test_headers_and_footers_are_properties(tmp_path: Path) -> None:
    document = python_docx.Document()
    document.sections[0].header.paragraphs[0].text = "CÔNG TY SAO MAI"
    footer = document.sections[0].footer.paragraphs[0]
    footer.text = "Lưu hành nội bộ "
    footer._p.append(parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr=" PAGE "><w:r><w:t>9</w:t></w:r></w:fldSimple>'))
    document.add_paragraph("Nội dung")
    parsed = saved(document, tmp_path)
    assert texts(parsed) == ["Nội dung"]
    assert parsed.properties["header"] == "CÔNG TY SAO MAI"
    assert parsed.properties["footer"] == "Lưu hành nội bộ"


def test_alternative_texts_are_captions(tmp_path: Path) -> None:
    xml = (
        '<w:p><w:r><w:drawing xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing">'
        '<wp:inline><wp:docPr id="1" name="Picture 1" descr="Sơ đồ tổ chức"/></wp:inline></w:drawing></w:r></w:p>'
    )
    assert body(tmp_path, xml).blocks == (Caption(text="Sơ đồ tổ chức"),)


# ---- headings and titles


def test_chapter_and_its_title_are_one_heading(tmp_path: Path) -> None:
    bold = "<w:b/>"
    xml = "".join(
        f"<w:p>{run(text, bold)}</w:p>"
        for text in ("Chương II", "SOẠN THẢO", "Mục 1", "Thể thức văn bản", "Điều 7. Các loại")
    )
    found = body(tmp_path, xml).blocks
    assert [block.text for block in found if isinstance(block, Heading)] == [
        "Chương II SOẠN THẢO", "Mục 1 Thể thức văn bản", "Điều 7. Các loại",
    ]  # fmt: skip


def test_an_article_whose_text_follows_on_its_line(tmp_path: Path) -> None:
    text = "Nghị định này có hiệu lực thi hành từ ngày ký."
    found = body(tmp_path, hostile.paragraph(f"Điều 37. {text}")).blocks
    assert found == (Heading(text="Điều 37.", level=12), Paragraph(text=text))


def test_the_title_is_not_the_template_s(tmp_path: Path) -> None:
    document = python_docx.Document()
    document.core_properties.title = "Word Document"
    document.add_paragraph("Quy chế lương", style="Title")
    document.add_heading("Phạm vi", 1)
    assert saved(document, tmp_path).title == "Quy chế lương"


# ---- tables


def test_merged_cells_are_once_and_under_their_column(tmp_path: Path) -> None:
    document = python_docx.Document()
    table = document.add_table(4, 4, style="Table Grid")
    for row, cells in enumerate(
        [["STT", "Họ tên", "Doanh thu", ""], ["", "", "Quý I", "Quý II"], ["1", "Hà", "5", "6"], ["2", "", "7", "8"]]
    ):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(0, 2).merge(table.cell(0, 3))
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(1, 1))
    table.cell(2, 1).merge(table.cell(3, 1))
    found = table_of(saved(document, tmp_path))
    assert found.header == ("STT", "Họ tên", "Doanh thu / Quý I", "Doanh thu / Quý II")
    assert found.rows == (("1", "Hà", "5", "6"), ("2", "", "7", "8"))


def test_a_nested_table_follows_the_outer_one(tmp_path: Path) -> None:
    document = python_docx.Document()
    outer = document.add_table(2, 2, style="Table Grid")
    for n, text in enumerate(["Tên", "Chi tiết", "Kho", ""]):
        outer.cell(n // 2, n % 2).text = text
    inner = outer.cell(1, 1).add_table(2, 2)
    for n, text in enumerate(["Loại", "Số", "Giấy", "12"]):
        inner.cell(n // 2, n % 2).text = text
    inner.style = document.styles["Table Grid"]
    tables = [block for block in saved(document, tmp_path).blocks if isinstance(block, Table)]
    assert [(table.header, table.rows) for table in tables] == [
        (("Tên", "Chi tiết"), (("Kho", ""),)), (("Loại", "Số"), (("Giấy", "12"),)),
    ]  # fmt: skip


def test_a_table_that_places_text_is_text(tmp_path: Path) -> None:
    document = python_docx.Document()
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "UBND TỈNH"
    table.cell(0, 1).text = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
    assert texts(saved(document, tmp_path)) == ["UBND TỈNH", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"]


def test_numbers_alone_in_cells_are_shown(tmp_path: Path) -> None:
    cells = "".join(f"<w:tc>{one}</w:tc>" for one in (item(""), hostile.paragraph("Nghị quyết")))
    header = "".join(f"<w:tc>{hostile.paragraph(text)}</w:tc>" for text in ("STT", "Tên"))
    borders = '<w:tblPr><w:tblBorders><w:top w:val="single"/></w:tblBorders></w:tblPr>'
    xml = f"<w:tbl>{borders}<w:tr>{header}</w:tr><w:tr>{cells}</w:tr><w:tr>{cells}</w:tr></w:tbl>"
    assert table_of(body(tmp_path, xml, numbering=numbering(("decimal", "%1.")))).rows == (
        ("1.", "Nghị quyết"), ("2.", "Nghị quyết"),
    )  # fmt: skip


# ---- round trips


class Writer:
    """Writes headings, paragraphs, lists and tables, and remembers the visible words in order."""

    def __init__(self, seed: int) -> None:
        self.document = python_docx.Document()
        self.words: list[str] = []
        self._random = random.Random(seed)

    def write(self) -> None:
        kinds = [self._heading, self._text, self._runs, self._list, self._table]
        for kind in self._random.choices(kinds, k=self._random.randint(5, 15)):
            kind()

    def _sentence(self, most: int = 12) -> str:
        count = self._random.randint(2, most)
        text = " ".join(self._random.choices(WORDS, k=count)) + f" {self._random.randint(1, 10**6)}"
        self.words.extend(words_of(text))
        return text

    def _heading(self) -> None:
        self.document.add_heading(self._sentence(6), self._random.randint(1, 4))

    def _text(self) -> None:
        self.document.add_paragraph(self._sentence(40))

    def _runs(self) -> None:
        paragraph = self.document.add_paragraph()
        for _ in range(4):
            paragraph.add_run(self._sentence(3) + " ").bold = self._random.random() < 0.3
            paragraph.add_run("BÍ MẬT").font.hidden = True

    def _list(self) -> None:
        for _ in range(3):
            self.document.add_paragraph(self._sentence(8), style="List Bullet")

    def _table(self) -> None:
        rows, columns = self._random.randint(2, 5), self._random.randint(2, 4)
        for row in self.document.add_table(rows, columns, style="Table Grid").rows:
            for cell in row.cells:
                cell.text = self._sentence(3)


@pytest.mark.parametrize("seed", range(10))
def test_round_trip_keeps_every_visible_word_once_in_order(tmp_path: Path, seed: int) -> None:
    writer = Writer(seed)
    writer.write()
    text = document_text(saved(writer.document, tmp_path))
    assert once_in_order(writer.words, words_of(text)) >= 0.995
    assert "BÍ MẬT" not in text


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z", "M"]), min_size=1, max_size=30),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_survives(tmp_path: Path, paragraphs: list[str]) -> None:
    document = python_docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    found = document_text(saved(document, tmp_path)).replace(" ", "").replace("\n", "")
    assert found == "".join(text for text in paragraphs if any(c.isalnum() for c in text))


# ---- hostile files


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        hostile.docx(hostile.paragraph("x"))[:300],
        b"\0" * 1000,
        hostile.docx("<w:p><w:r>").replace(b"</w:body>", b""),
    ],
)
def test_a_damaged_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.docx").write_bytes(content)
    with pytest.raises(Unreadable):
        docx.parse(tmp_path / "a.docx")


def test_a_file_with_a_password_is_encrypted(tmp_path: Path) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000) + "EncryptedPackage".encode("utf-16-le") + bytes(100)
    (tmp_path / "a.docx").write_bytes(content)
    with pytest.raises(Encrypted):
        docx.parse(tmp_path / "a.docx")


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(hostile.entity_bomb())
    with pytest.raises(Unreadable):
        docx.parse(tmp_path / "a.docx")


def test_deep_nesting_ends(tmp_path: Path) -> None:
    xml = hostile.paragraph("sâu")
    for _ in range(60):
        xml = f"<w:tbl><w:tr><w:tc>{xml}</w:tc></w:tr></w:tbl>"
    assert body(tmp_path, xml).blocks in ((), (Paragraph(text="sâu"),))
