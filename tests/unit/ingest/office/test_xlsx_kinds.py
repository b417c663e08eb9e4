"""Excel workbooks, one kind of content a case: visible words once and in order, hidden words nowhere.

Words that begin with "v" are visible, those that begin with "x" are hidden.
"""

# ruff: noqa: E501 (markup is clearer on one line)

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.workbook import Workbook
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from ingest.parsing import xlsx
from phoserve.text.blocks import ParsedDocument, Table
from tests.support.parsed import document_text

_NAMES = (
    'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def written(fill: Callable[[Workbook, Worksheet], None], folder: Path) -> list[str]:
    """Return the words that are read of a workbook that `fill` fills."""
    book = openpyxl.Workbook()
    assert isinstance(book.active, Worksheet)
    fill(book, book.active)
    book.save(folder / "a.xlsx")
    return found_in(xlsx.parse(folder / "a.xlsx"))


def found_in(document: ParsedDocument) -> list[str]:
    return re.findall(r"\b[vx]\d*[a-z]*\b", document_text(document))


def filtered(book: Workbook, sheet: Worksheet) -> None:
    for row in (["v1", "v2"], ["xa", "xb"], ["v3", "v4"]):
        sheet.append(row)
    sheet.auto_filter.ref = "A1:B3"
    sheet.auto_filter.add_filter_column(0, ["v3"])
    sheet.row_dimensions[2].hidden = True


def collapsed(book: Workbook, sheet: Worksheet) -> None:
    for row in (["v1", "xc", "v2"], ["v3", "xd", "v4"], ["xa", "xe", "xb"]):
        sheet.append(row)
    sheet.row_dimensions.group(3, 3, hidden=True)
    sheet.column_dimensions.group("B", "B", hidden=True)


def very_hidden(book: Workbook, sheet: Worksheet) -> None:
    sheet["A1"] = "v1"
    for state in ("hidden", "veryHidden"):
        other = book.create_sheet(state)
        other["A1"] = "xa"
        other.sheet_state = state


def validated(book: Workbook, sheet: Worksheet) -> None:
    sheet["A1"] = "v1"
    rule = DataValidation(type="list", formula1='"v1,xb,xc"', showErrorMessage=True)
    rule.error, rule.errorTitle, rule.prompt, rule.promptTitle = "xd", "xe", "xf", "xg"
    sheet.add_data_validation(rule)
    rule.add("A1")


def hidden_values(book: Workbook, sheet: Worksheet) -> None:
    sheet.append(["v1", "v2"])
    sheet["A2"], sheet["A2"].number_format = "xa", ";;;"
    sheet["B2"] = "v3"


def merged(book: Workbook, sheet: Worksheet) -> None:
    sheet.append(["v1", "v2"])
    sheet.append(["v3", "v4"])
    sheet.append(["v5", None])
    sheet.merge_cells("A3:B3")


def commented(book: Workbook, sheet: Worksheet) -> None:
    sheet["A1"] = "v1"
    sheet["A1"].comment = Comment("v2", "A")


def named(book: Workbook, sheet: Worksheet) -> None:
    sheet["A1"] = "v1"
    book.defined_names["xname"] = DefinedName("xname", attr_text='"xa"')


@pytest.mark.parametrize("fill", [filtered, collapsed, very_hidden, validated, hidden_values, merged, commented, named])
def test_visible_words_of_cells_are_read_once_in_order(
    tmp_path: Path, fill: Callable[[Workbook, Worksheet], None]
) -> None:
    found = written(fill, tmp_path)
    assert found == sorted(set(found))
    assert found
    assert not [word for word in found if word.startswith("x")]


def sp(text: str, attributes: str = "") -> str:
    return f'<xdr:sp><xdr:nvSpPr><xdr:cNvPr id="2" name="s"{attributes}/></xdr:nvSpPr><xdr:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></xdr:txBody></xdr:sp>'


_SMART_ART = (
    '<xdr:graphicFrame><a:graphic><a:graphicData><dgm:relIds r:dm="r9"/></a:graphicData></a:graphic></xdr:graphicFrame>'
)
_DRAWINGS = {
    "a text box": sp("v2"),
    "a hidden text box": sp("v2") + sp("xa", ' hidden="1"'),
    "a group": f"<xdr:grpSp>{sp('v2')}<xdr:grpSp>{sp('v3')}</xdr:grpSp></xdr:grpSp>",
    "a hidden group": f'<xdr:grpSp><xdr:nvGrpSpPr><xdr:cNvPr id="3" name="g" hidden="1"/></xdr:nvGrpSpPr>{sp("xa")}</xdr:grpSp>{sp("v2")}',
    "alternatives": f'<mc:AlternateContent><mc:Choice Requires="a14">{sp("v2")}</mc:Choice><mc:Fallback>{sp("v2")}</mc:Fallback></mc:AlternateContent>',
    "a slicer": f'<mc:AlternateContent><mc:Choice Requires="sle15"><xdr:graphicFrame/></mc:Choice><mc:Fallback>{sp("xneeds")}</mc:Fallback></mc:AlternateContent>{sp("v2")}',
    "SmartArt": _SMART_ART,
}


def with_parts(folder: Path, drawing: str = "", sheet_tail: str = "") -> ParsedDocument:
    """Read a workbook of one cell with a drawing, or with something at the end of its sheet."""
    book = openpyxl.Workbook()
    assert isinstance(book.active, Worksheet)
    book.active["A1"] = "v1"
    book.save(folder / "plain.xlsx")
    points = '<dgm:pt modelId="d" type="doc"/><dgm:pt modelId="a"><dgm:t><a:p><a:r><a:t>v2</a:t></a:r></a:p></dgm:t></dgm:pt>'
    extra = {
        "xl/worksheets/_rels/sheet1.xml.rels": ("drawing", "r1", "../drawings/drawing1.xml"),
        "xl/drawings/_rels/drawing1.xml.rels": ("diagramData", "r9", "../diagrams/data1.xml"),
    }
    with zipfile.ZipFile(folder / "plain.xlsx") as plain, zipfile.ZipFile(folder / "a.xlsx", "w") as package:
        for name in plain.namelist():
            content = plain.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace("</worksheet>", f"{sheet_tail}</worksheet>")
            package.writestr(name, content)
        for name, (kind, identifier, target) in extra.items() if drawing else ():
            package.writestr(
                name,
                f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="{identifier}" Type="{_OFFICE}/{kind}" Target="{target}"/></Relationships>',
            )
        if drawing:
            package.writestr(
                "xl/drawings/drawing1.xml",
                f"<xdr:wsDr {_NAMES}><xdr:twoCellAnchor>{drawing}</xdr:twoCellAnchor></xdr:wsDr>",
            )
            package.writestr(
                "xl/diagrams/data1.xml", f"<dgm:dataModel {_NAMES}><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>"
            )
    return xlsx.parse(folder / "a.xlsx")


@pytest.mark.parametrize("kind", list(_DRAWINGS))
def test_visible_words_of_drawings_are_read_once_in_order(tmp_path: Path, kind: str) -> None:
    expected = {"v1", "v2", *re.findall(r"\bv\d\b", _DRAWINGS[kind])}
    assert found_in(with_parts(tmp_path, _DRAWINGS[kind])) == sorted(expected)


def test_headers_and_footers_of_printed_pages_are_properties(tmp_path: Path) -> None:
    tail = (
        '<headerFooter><oddHeader>&amp;LCông ty Sao Mai&amp;C&amp;"Arial,Bold"&amp;14Bảng lương&amp;R&amp;D</oddHeader>'
        "<oddFooter>&amp;CTrang &amp;P/&amp;N&amp;RNghiên cứu &amp;&amp; phát triển</oddFooter></headerFooter>"
    )
    document = with_parts(tmp_path, sheet_tail=tail)
    assert document.properties["header"] == "Công ty Sao Mai\nBảng lương"
    assert document.properties["footer"] == "Nghiên cứu & phát triển"
    assert found_in(document) == ["v1"]


def test_cells_in_old_fonts_are_read_as_they_are_drawn(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    old, capital = InlineFont(rFont=".VnTime"), InlineFont(rFont=".VnTimeH")
    sheet.append(["Mã", "Võ Lý", "Xã"])
    sheet.append(["Céng hßa", "®éc lËp", "Coäng hoøa"])
    sheet.append([CellRichText("Bà: ", TextBlock(old, "x· héi"), TextBlock(capital, " tù do")), 12, "Quý"])
    for cell, name in (("A2", ".VnTime"), ("B2", ".VnTimeH"), ("C2", "VNI-Times")):
        sheet[cell].font = Font(name=name)
    book.save(tmp_path / "a.xlsx")
    document = xlsx.parse(tmp_path / "a.xlsx")
    table = next(block for block in document.blocks if isinstance(block, Table))
    assert table.header == ("Mã", "Võ Lý", "Xã")
    assert table.rows == (("Cộng hòa", "ĐỘC LẬP", "Cộng hòa"), ("Bà: xã hội TỰ DO", "12", "Quý"))
    assert [warning.code for warning in document.warnings] == ["text_repaired"]
