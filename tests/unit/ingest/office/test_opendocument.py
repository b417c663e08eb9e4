"""OpenDocument files give what their program shows: numbers of lists, notes, displayed values; nothing hidden."""
# ruff: noqa: E501 (markup is clearer on one line)

import io
import random
import zipfile
from pathlib import Path

import pytest

from ingest.parsing.faults import Encrypted
from ingest.parsing.opendocument import parse
from phoserve.text.blocks import Caption, Footnote, Heading, ListItem, Paragraph, ParsedDocument, Place, Table
from phoserve.text.structure import render_blocks

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
NAMES = {
    **{name: f"{_OASIS}{name}:1.0" for name in ("office", "text", "table", "style", "presentation", "meta", "chart")},
    **{"draw": f"{_OASIS}drawing:1.0", "svg": f"{_OASIS}svg-compatible:1.0", "xlink": "http://www.w3.org/1999/xlink"},
    **{"dc": "http://purl.org/dc/elements/1.1/", "loext": f"{_OASIS.replace(':xmlns', '')}loext"},
}
LAW_LIST = (
    '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-prefix="Điều " style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="3" style:num-format="a" style:num-suffix=")"/>'
    '</text:list-style><text:list-style style:name="L2"><text:list-level-style-bullet text:level="1" '
    'text:bullet-char="•"/></text:list-style><text:list-style style:name="L3"><text:list-level-style-number '
    'text:level="1" style:num-format="I"/><text:list-level-style-number text:level="2" style:num-format="1" '
    'text:display-levels="2"/></text:list-style>'
)
HIDDEN = (
    '<style:style style:name="H" style:family="text"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="H2" style:family="text" style:parent-style-name="H"/>'
    '<style:style style:name="HP" style:family="paragraph"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="HT" style:family="table"><style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="HS" style:family="drawing-page"><style:drawing-page-properties '
    'presentation:visibility="hidden"/></style:style>'
    '<style:style style:name="VN" style:family="text"><style:text-properties style:font-name=".VnTime"/></style:style>'
    '<style:style style:name="VC" style:family="paragraph"><style:text-properties style:font-name=".VnTimeH"/></style:style>'
    '<style:style style:name="VT" style:family="table-cell"><style:text-properties style:font-name="VNI-Times"/></style:style>'
    '<style:style style:name="UP" style:family="text"><style:text-properties style:text-position="super 58%"/>'
    "</style:style>"
)


def element(name: str, inside: str) -> str:
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items())
    return f"<office:{name} {names}>{inside}</office:{name}>"


def read(folder: Path, body: str, *, kind: str = "text", parts: dict[str, str] | None = None) -> ParsedDocument:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        inside = f"<office:automatic-styles>{LAW_LIST}{HIDDEN}</office:automatic-styles>"
        inside += f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
        package.writestr("content.xml", element("document-content", inside))
        for name, part in (parts or {}).items():
            package.writestr(name, part)
    path = folder / "original"
    path.write_bytes(content.getvalue())
    return parse(path)


def p(text: str, style: str = "") -> str:
    return f'<text:p text:style-name="{style}">{text}</text:p>'


def items(*texts: str) -> str:
    return "".join(f"<text:list-item>{text}</text:list-item>" for text in texts)


def test_lists_have_the_numbers_that_are_displayed(tmp_path: Path) -> None:
    inner = f"<text:list>{items(p('Ca sáng.'), p('Ca chiều.') + '<text:list>' + items(p('Bảo vệ'), p('Bếp')) + '</text:list>')}</text:list>"
    law = f'<text:list text:style-name="L1">{items(p("Phạm vi"), p("Giờ làm") + inner)}</text:list>'
    more = f'<text:list text:style-name="L1" text:continue-numbering="true">{items(p("Kỷ luật"))}</text:list>'
    again = f'<text:list text:style-name="L1">{items(p("Từ đầu"))}</text:list>'
    bullets = f'<text:list text:style-name="L2">{items(p("Chấm"))}</text:list>'
    blocks = read(tmp_path, law + p("Giữa") + more + again + bullets).blocks
    numbers = [(block.number, block.text) for block in blocks if isinstance(block, ListItem)]
    assert numbers == [
        ("Điều 1.", "Phạm vi"), ("Điều 2.", "Giờ làm"), ("1.", "Ca sáng."), ("2.", "Ca chiều."), ("a)", "Bảo vệ"),
        ("b)", "Bếp"), ("Điều 3.", "Kỷ luật"), ("Điều 1.", "Từ đầu"), ("-", "Chấm"),
    ]  # fmt: skip


def test_numbers_show_the_levels_above_and_begin_where_they_are_told(tmp_path: Path) -> None:
    inner = f"<text:list>{items(p('Một'))}<text:list-header>{p('Không số')}</text:list-header></text:list>"
    body = f'<text:list text:style-name="L3"><text:list-item text:start-value="4">{p("Bốn")}{inner}</text:list-item></text:list>'
    blocks = read(tmp_path, body).blocks
    assert [block.number for block in blocks if isinstance(block, ListItem)] == ["IV", "IV.1"]
    assert Paragraph(text="Không số") in blocks


def test_a_numbered_cell_without_text_shows_its_number(tmp_path: Path) -> None:
    number = '<text:list text:style-name="L3" text:continue-numbering="true">' + items(p("")) + "</text:list>"
    cells = f"<table:table-cell>{number}</table:table-cell>"
    names = "".join(row(cells, cell(name)) for name in ("An", "Bình"))
    table = f"<table:table>{row(cell('Số'), cell('Tên'))}{names}</table:table>"
    [found] = read(tmp_path, table).blocks
    assert isinstance(found, Table)
    assert found.rows == (("I", "An"), ("II", "Bình"))


def test_headings_have_the_numbers_of_the_outline(tmp_path: Path) -> None:
    style = '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1" style:num-suffix="."/></text:outline-style>'
    parts = {"styles.xml": element("document-styles", style)}
    body = '<text:h text:outline-level="1">Chung</text:h><text:h text:outline-level="2">Mục</text:h><text:h text:outline-level="1">Riêng</text:h>'
    blocks = read(tmp_path, body, parts=parts).blocks
    assert [(block.text, block.level) for block in blocks if isinstance(block, Heading)] == [
        ("1. Chung", 1),
        ("Mục", 2),
        ("2. Riêng", 1),
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        '<text:p>Hiện <text:span text:style-name="H">ẨN</text:span>rõ</text:p>',
        '<text:p>Hiện <text:span text:style-name="H2">ẨN</text:span>rõ</text:p>',
        p("Hiện rõ") + p("ẨN", "HP"),
        p("Hiện rõ") + f'<text:section text:display="none">{p("ẨN")}</text:section>',
        '<text:p>Hiện rõ<text:hidden-text text:is-hidden="true">ẨN</text:hidden-text></text:p>',
    ],
)
def test_hidden_text_is_left_out_with_a_warning(tmp_path: Path, hidden: str) -> None:
    document = read(tmp_path, hidden)
    assert render_blocks(document.blocks).text == "Hiện rõ"
    assert [warning.code for warning in document.warnings] == ["hidden_content"]


def test_deleted_text_comments_and_contents_are_no_text(tmp_path: Path) -> None:
    body = (
        f"<text:tracked-changes><text:changed-region><text:deletion>{p('Đã xoá')}</text:deletion></text:changed-region>"
        f"</text:tracked-changes><text:table-of-content><text:index-body>{p('Mục lục 1')}</text:index-body>"
        f"</text:table-of-content><text:p>Còn<office:annotation>{p('Nhận xét')}</office:annotation> lại</text:p>"
    )
    assert render_blocks(read(tmp_path, body).blocks).text == "Còn lại"


def test_blanks_breaks_powers_and_notes(tmp_path: Path) -> None:
    note = f"<text:note><text:note-citation>1</text:note-citation><text:note-body>{p('Chú thích')}</text:note-body></text:note>"
    body = f'<text:p>A<text:s text:c="3"/>B<text:tab/>C<text:line-break/>10<text:span text:style-name="UP">3</text:span>{note} kg</text:p>'
    assert list(read(tmp_path, body).blocks) == [
        Paragraph(text="A B C\n10^3 kg"),
        Footnote(text="Chú thích", number="1"),
    ]


def test_frames_pictures_charts_and_formulas(tmp_path: Path) -> None:
    chart = (
        "<office:chart><chart:chart><chart:title><text:p>Doanh thu</text:p></chart:title><table:table><table:table-header-rows>"
        "<table:table-row><table:table-cell/><table:table-cell><text:p>Quý I</text:p></table:table-cell></table:table-row>"
        "</table:table-header-rows><table:table-row><table:table-cell><text:p>Bắc</text:p></table:table-cell><table:table-cell>"
        "<text:p>21,4</text:p></table:table-cell></table:table-row></table:table></chart:chart></office:chart>"
    )
    parts = {
        "Object 1/content.xml": element("document-content", f"<office:body>{chart}</office:body>"),
        "Object 2/content.xml": '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>E</mi>'
        "<annotation>E = mc^2</annotation></semantics></math>",
    }
    body = (
        f"<text:p>Trước<draw:frame><draw:text-box>{p('Trong khung')}</draw:text-box></draw:frame></text:p>"
        '<draw:frame><draw:image/><svg:desc>Sơ đồ tầng</svg:desc></draw:frame><draw:frame><draw:object xlink:href="./Object 1"/>'
        '<draw:image/></draw:frame><draw:frame><draw:object xlink:href="./Object 2"/></draw:frame>'
        f"<draw:g><draw:custom-shape>{p('Hình')}</draw:custom-shape></draw:g>"
    )
    blocks = list(read(tmp_path, body, parts=parts).blocks)
    assert blocks[:3] == [Paragraph(text="Trước"), Paragraph(text="Trong khung"), Caption(text="Sơ đồ tầng")]
    assert Paragraph(text="Doanh thu") in blocks
    assert any(isinstance(block, Table) and block.rows[-1] == ("Bắc", "21,4") for block in blocks)
    assert blocks[-2:] == [Paragraph(text="E = mc^2"), Paragraph(text="Hình")]


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{p(text) if text else ''}</table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_a_table_within_a_table_is_text_of_its_cell(tmp_path: Path) -> None:
    inner = f"<table:table>{row(cell('x'), cell('y'))}</table:table>"
    nested = f"<table:table-cell>{p('Ngoài')}{inner}</table:table-cell>"
    table = f"<table:table>{row(cell('Tên'), cell('Ghi chú'))}{row(cell('An'), nested)}</table:table>"
    [found] = read(tmp_path, table).blocks
    assert isinstance(found, Table)
    assert found.rows[-1] == ("An", "Ngoài\nx y")


def test_a_spreadsheet_has_values_as_displayed_and_nothing_hidden(tmp_path: Path) -> None:
    rows = (
        row(cell("Mã"), cell("Thuế"), cell("Bí mật"))
        + row(cell("A1"), cell("8%", 'office:value-type="percentage" office:value="0.08"'), cell("ẨN"))
        + row(cell("A2"), cell("10%"), cell("ẨN"), attributes='table:visibility="collapse"')
        + row(cell("A3"), cell("", 'table:formula="of:=SUM([.B2:.B3])"'), cell("ẨN"))
        + row(attributes='table:number-rows-repeated="1048000"')
    )
    columns = '<table:table-column table:number-columns-repeated="2"/><table:table-column table:visibility="collapse"/>'
    body = (
        f'<table:table table:name="Thuế">{columns}{rows}</table:table>'
        f'<table:table table:name="Ẩn" table:style-name="HT">{row(cell("ẨN"), cell("ẨN"))}</table:table>'
    )
    document = read(tmp_path, body, kind="spreadsheet")
    [table] = document.blocks
    assert isinstance(table, Table)
    assert table.header == ("Mã", "Thuế")
    assert table.rows == (("A1", "8%"), ("A3", "=SUM(B2:B3)"))
    assert table.row_numbers == (2, 4)
    assert sorted(warning.code for warning in document.warnings) == ["formula_without_value", *["hidden_content"] * 3]


def test_slides_are_read_from_top_to_bottom_with_their_notes(tmp_path: Path) -> None:
    def frame(text: str, y: int, role: str = "") -> str:
        return f'<draw:frame presentation:class="{role}" svg:y="{y}cm" svg:x="1cm"><draw:text-box>{p(text)}</draw:text-box></draw:frame>'

    notes = f"<presentation:notes>{frame('Ghi chú', 9, 'notes')}{frame('7', 9, 'page-number')}</presentation:notes>"
    body = (
        f"<draw:page>{frame('Dưới', 8)}{frame('Trên', 4)}{frame('Tiêu đề', 6, 'title')}{frame('Chân', 9, 'footer')}{notes}</draw:page>"
        f'<draw:page draw:style-name="HS">{frame("ẨN", 1)}</draw:page>'
    )
    document = read(tmp_path, body, kind="presentation")
    place = Place(slide=1)
    assert list(document.blocks) == [
        Heading(text="Tiêu đề", level=1, place=place),
        *(Paragraph(text=text, place=place) for text in ("Trên", "Dưới", "Ghi chú")),
    ]
    assert document.title == "Tiêu đề"
    assert [warning.place.slide for warning in document.warnings] == [2]


def test_title_author_and_page_texts_are_metadata(tmp_path: Path) -> None:
    meta = element(
        "document-meta", "<office:meta><dc:title>Quy chế</dc:title><dc:creator>Lan</dc:creator></office:meta>"
    )
    styles = element(
        "document-styles",
        f"<office:master-styles><style:master-page><style:header>{p('Công ty')}</style:header></style:master-page></office:master-styles>",
    )
    document = read(tmp_path, p("Nội dung"), parts={"meta.xml": meta, "styles.xml": styles})
    assert document.title == "Quy chế"
    assert document.properties == {"author": "Lan", "header": "Công ty"}


def test_a_password_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Encrypted):
        read(tmp_path, p("x"), parts={"META-INF/manifest.xml": "<manifest:encryption-data/>"})


@pytest.mark.parametrize("seed", range(20))
def test_every_word_once_and_in_order(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    count = 0

    def words() -> str:
        nonlocal count
        first, count = count, count + choose.randint(1, 6)
        return " ".join(f"từ{number}" for number in range(first, count))

    def block(depth: int = 0) -> str:
        kinds = ["p", "h", "list", "table", "frame", "note", "section"][: 7 if depth < 3 else 2]
        match choose.choice(kinds):
            case "h":
                return f'<text:h text:outline-level="{choose.randint(1, 9)}">{words()}</text:h>'
            case "list":
                return f"<text:list>{items(*(p(words()) + (block(depth + 1) if choose.random() < 0.3 else '') for _ in range(3)))}</text:list>"
            case "table":
                return (
                    f"<table:table>{''.join(row(*(cell(words()) for _ in range(3))) for _ in range(3))}</table:table>"
                )
            case "frame":
                return f"<text:p>{words()}<draw:frame><draw:text-box>{block(depth + 1)}</draw:text-box></draw:frame></text:p>"
            case "note":
                return f"<text:p>{words()}<text:note><text:note-body>{p(words())}</text:note-body></text:note></text:p>"
            case "section":
                return f"<text:section>{block(depth + 1)}{block(depth + 1)}</text:section>"
            case _:
                return p(words())

    body = "".join(block() for _ in range(30))
    text = render_blocks(read(tmp_path, body).blocks).text
    assert [word for word in text.split() if word.startswith("từ")] == [f"từ{number}" for number in range(count)]


def test_text_in_old_fonts_is_read_as_it_is_drawn(tmp_path: Path) -> None:
    body = (
        '<text:p>Mã, Võ Lý: <text:span text:style-name="VN">Céng hßa</text:span> xã</text:p>'
        '<text:p text:style-name="VC">®éc lËp<text:s/>tù do</text:p>'
        '<text:p><text:span text:style-name="VN">Cộng hòa, café</text:span></text:p>'
    )
    document = read(tmp_path, body)
    assert render_blocks(document.blocks).text == "Mã, Võ Lý: Cộng hòa xã\n\nĐỘC LẬP TỰ DO\n\nCộng hòa, café"
    assert [warning.code for warning in document.warnings] == ["text_repaired"]


def test_cells_in_old_fonts_are_read_as_they_are_drawn(tmp_path: Path) -> None:
    rows = [["<text:p>Xã</text:p>", "<text:p>Mã</text:p>"], ["<text:p>Coäng hoøa</text:p>", "<text:p>Quý</text:p>"]]
    body = "".join(
        f'<table:table-row><table:table-cell table:style-name="{"VT" if number else ""}">{first}</table:table-cell>'
        f"<table:table-cell>{second}</table:table-cell></table:table-row>"
        for number, (first, second) in enumerate(rows)
    )
    document = read(tmp_path, f'<table:table table:name="Một">{body}</table:table>', kind="spreadsheet")
    assert render_blocks(document.blocks).text.endswith("Xã | Mã\nCộng hòa | Quý")
