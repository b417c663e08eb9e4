"""What people wrote onto pages of PDF files: values of fields as displayed, free text, stamps, notes, attached files.

Words that begin with "v" are visible, those that begin with "x" are hidden.
"""

import io
import re
from pathlib import Path

import openpyxl
import pypdfium2 as pdfium
import pytest

from ingest.parsing import pdf
from ingest.parsing.recognition import Ocr
from phoserve.text.blocks import Footnote, Heading, ParsedDocument
from tests.support import hostile
from tests.support.parsed import document_text
from tests.support.raw_pdf import raw_pdf, shown, stream, string

_FORM = "/AcroForm << /Fields [5 0 R] /DR << /Font << /F1 4 0 R >> >> /DA (/F1 12 Tf 0 g) >>"
_WIDGET = "/Type /Annot /Subtype /Widget /Rect [72 600 272 620] /T (a) /DA (/F1 12 Tf 0 g)"
_FREE_TEXT = "/Type /Annot /Subtype /FreeText /Rect [72 600 272 620] /DA (/F1 12 Tf)"
_AP = "/AP << /N 6 0 R >>"


def appearance(text: str) -> bytes:
    return stream(
        f"BT /F1 12 Tf 2 4 Td ({text}) Tj ET",
        "/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F1 4 0 R >> >>",
    )


def field(entries: str, *objects: bytes, annotations: str = "5 0 R", catalog: str = _FORM) -> bytes:
    page = f"/Annots [{annotations}]"
    return raw_pdf(shown("v1 label"), [f"<< {entries} >>", *objects], page=page, catalog=catalog)


_KINDS = {
    "a text that is drawn": field(f"{_WIDGET} /FT /Tx /V (v2) {_AP}", appearance("v2")),
    "a text as its program formats it": field(f"{_WIDGET} /FT /Tx /V (x1234) {_AP}", appearance("v2")),
    "a text that is not drawn": field(f"{_WIDGET} /FT /Tx /V (v2)"),
    "a chosen entry": field(f"{_WIDGET} /FT /Ch /Ff 131072 /V (b) /Opt [[(a) (xa)] [(b) (v2)]]"),
    "an entry that was typed": field(f"{_WIDGET} /FT /Ch /Ff 393216 /V (v2) /Opt [(xa) (xb)]"),
    "a value of all fields of a name": raw_pdf(
        shown("v1 label"),
        [
            "<< /T (a) /FT /Tx /V (v2) /Kids [6 0 R] /DA (/F1 12 Tf 0 g) >>",
            "<< /Type /Annot /Subtype /Widget /Rect [72 600 272 620] /Parent 5 0 R >>",
        ],
        page="/Annots [6 0 R]",
        catalog=_FORM,
    ),
    "a password": field(f"{_WIDGET} /FT /Tx /Ff 8192 /V (xsecret)"),
    "a hidden field": field(f"{_WIDGET} /FT /Tx /F 2 /V (xhidden) {_AP}", appearance("xhidden")),
    "a field for printing alone": field(f"{_WIDGET} /FT /Tx /F 36 /V (xhidden) {_AP}", appearance("xhidden")),
    "free text that is drawn": field(f"{_FREE_TEXT} /Contents (v2) {_AP}", appearance("v2"), catalog=""),
    "free text that is not drawn": field(f"{_FREE_TEXT} /Contents (v2)", catalog=""),
    "a stamp": field(f"/Type /Annot /Subtype /Stamp /Rect [72 600 272 620] {_AP}", appearance("v2"), catalog=""),
    "a note": field("/Type /Annot /Subtype /Text /Rect [72 600 92 620] /Contents (v2)", catalog=""),
    "a comment on marked words": field(
        "/Type /Annot /Subtype /Highlight /Rect [72 695 120 712] /Contents (xcomment)", catalog=""
    ),
    "a link": field("/Type /Annot /Subtype /Link /Rect [72 600 272 620] /Contents (xlink)", catalog=""),
}


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.pdf").write_bytes(content)
    return pdf.parse(folder / "a.pdf", Ocr(binary=None))


@pytest.mark.parametrize("kind", list(_KINDS))
def test_visible_words_are_read_once_in_order(tmp_path: Path, kind: str) -> None:
    found = re.findall(r"\b[vx]\w+", document_text(read(_KINDS[kind], tmp_path)))
    is_left_out = b"(v2)" not in _KINDS[kind]
    assert found == (["v1"] if is_left_out else ["v1", "v2"])


@pytest.mark.parametrize("entries", ["", "/NeedAppearances true"])
def test_a_value_keeps_letters_that_its_font_lacks(tmp_path: Path, entries: str) -> None:
    content = field(
        f"{_WIDGET} /FT /Tx /V {string('Nguyễn Đức Thắng')}", catalog=_FORM.replace("/DA", f"{entries} /DA")
    )
    assert "Nguyễn Đức Thắng" in document_text(read(content, tmp_path))


def test_a_note_is_a_footnote_of_its_page(tmp_path: Path) -> None:
    content = field(f"/Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents {string('Xem lại điều 5')}", catalog="")
    note = read(content, tmp_path).blocks[-1]
    assert note == Footnote(text="Xem lại điều 5", place=note.place)
    assert note.place.page == 1


def portfolio(files: dict[str, bytes]) -> bytes:
    document = pdfium.PdfDocument(raw_pdf(shown("v1 cover")))
    for name, content in files.items():
        document.new_attachment(name).set_data(content)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def test_files_of_a_portfolio_are_parts(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Thiết bị", "Số lượng"])
    table = io.BytesIO()
    book.save(table)
    files = {
        "bao-cao.docx": hostile.docx(hostile.paragraph("Báo cáo quý")),
        "bang.xlsx": table.getvalue(),
        "trong.pdf": raw_pdf(shown("inner page")),
        "anh.bin": b"\x7fELF\0\0",
    }
    document = read(portfolio(files), tmp_path)
    text = document_text(document)
    assert [text.count(words) for words in ("v1 cover", "Báo cáo quý", "Thiết bị", "inner page")] == [1, 1, 1, 1]
    headings = [block for block in document.blocks if isinstance(block, Heading)]
    assert {"bao-cao.docx", "bang.xlsx", "trong.pdf"} <= {heading.place.part for heading in headings}
    (warning,) = document.warnings
    assert (warning.code, warning.place.part) == ("attachment_skipped", "anh.bin")


def test_a_file_attached_to_a_place_on_a_page_is_a_part(tmp_path: Path) -> None:
    attached = "<< /Type /Filespec /F (a.txt) /UF (a.txt) /EF << /F 7 0 R >> >>"
    content = raw_pdf(
        shown("v1 label"),
        [
            "<< /Type /Annot /Subtype /FileAttachment /Rect [72 600 92 620] /FS 6 0 R >>",
            attached,
            stream("attached words", "/Type /EmbeddedFile"),
        ],
        page="/Annots [5 0 R]",
    )
    document = read(content, tmp_path)
    assert document_text(document) == "v1 label\na.txt\nattached words"
    assert document.warnings == ()


def test_portfolios_within_portfolios_end(tmp_path: Path) -> None:
    content = raw_pdf(shown("innermost"))
    for _ in range(6):
        content = portfolio({"a.pdf": content})
    document = read(content, tmp_path)
    assert "innermost" not in document_text(document)
    assert "attachment_skipped" in [warning.code for warning in document.warnings]


def test_an_xfa_form_has_a_warning(tmp_path: Path) -> None:
    template = stream("<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
    content = raw_pdf(shown("Please wait"), [template], catalog="/AcroForm << /Fields [] /XFA 5 0 R >>")
    assert [warning.code for warning in read(content, tmp_path).warnings] == ["not_as_displayed"]


@pytest.mark.parametrize(("state", "found"), [("/OFF [5 0 R]", ["v1"]), ("", ["v1", "v2"])])
def test_text_of_a_layer_that_is_off_is_left_out(tmp_path: Path, state: str, found: list[str]) -> None:
    drawn = shown("v1 label") + "/Span BMC\n/OC /L1 BDC\n" + shown("v2", y=500) + "EMC\nEMC\n"
    content = raw_pdf(
        drawn,
        ["<< /Type /OCG /Name (Layer) >>"],
        page="/Resources << /Font << /F1 4 0 R >> /Properties << /L1 5 0 R >> >>",
        catalog=f"/OCProperties << /OCGs [5 0 R] /D << {state} >> >>",
    )
    document = read(content, tmp_path)
    assert re.findall(r"\bv\d", document_text(document)) == found
    codes = [(warning.code, warning.place.page) for warning in document.warnings]
    assert codes == ([] if "v2" in found else [("hidden_content", 1)])
