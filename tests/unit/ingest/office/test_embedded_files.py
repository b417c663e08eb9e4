"""Files embedded in Word, PowerPoint and Excel documents are parts of the document, or named in warnings."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pptx as python_pptx
import pytest
from pptx.util import Cm

from ingest.parsing import docx, pptx, xlsx
from phoserve.text.blocks import Heading, ParsedDocument
from tests.support import hostile, old_office
from tests.support.parsed import document_text

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OBJECT = (
    f'<w:p xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:r="{_OFFICE}"><w:r><w:t>Văn bản</w:t></w:r><w:r>'
    '<w:object><o:OLEObject Type="Embed" ProgID="Excel.Sheet.12" r:id="r1"/></w:object></w:r></w:p>'
)


def workbook(*cells: str) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(cells)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def links(kind: str, target: str) -> str:
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/{kind}" Target="{target}"/></Relationships>'
    )


def word(content: bytes, name: str = "sheet1.xlsx", kind: str = "package", xml: str = _OBJECT) -> bytes:
    """Return a Word document with one embedded object."""
    made = io.BytesIO(hostile.docx(xml, extra={"word/_rels/document.xml.rels": links(kind, f"embeddings/{name}")}))
    with zipfile.ZipFile(made, "a") as package:
        package.writestr(f"word/embeddings/{name}", content)
    return made.getvalue()


def slides(content: bytes) -> bytes:
    presentation = python_pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Văn bản"
    slide.shapes.add_ole_object(io.BytesIO(content), "Excel.Sheet.12", Cm(1), Cm(5))
    made = io.BytesIO()
    presentation.save(made)
    return made.getvalue()


def sheet(content: bytes) -> bytes:
    made = io.BytesIO(workbook("Văn bản"))
    with zipfile.ZipFile(made, "a") as package:
        package.writestr("xl/worksheets/_rels/sheet1.xml.rels", links("package", "../embeddings/sheet1.xlsx"))
        package.writestr("xl/embeddings/sheet1.xlsx", content)
    return made.getvalue()


def read(content: bytes, folder: Path, parse: Callable[[Path], ParsedDocument] = docx.parse) -> ParsedDocument:
    (folder / "document").write_bytes(content)
    return parse(folder / "document")


def packaged(name: str, content: bytes) -> bytes:
    """Return an object of Windows' packager."""
    path = f"C:\\{name}".encode() + b"\0"
    body = struct.pack("<H", 2) + name.encode() + b"\0" + path + struct.pack("<HHI", 0, 3, len(path)) + path
    body += struct.pack("<I", len(content)) + content
    return old_office.compound("\x01Ole10Native", struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize(
    ("make", "parse"),
    [(word, docx.parse), (slides, pptx.parse), (sheet, xlsx.parse)],
    ids=["docx", "pptx", "xlsx"],
)
def test_an_embedded_workbook_is_a_part(
    tmp_path: Path, make: Callable[[bytes], bytes], parse: Callable[[Path], ParsedDocument]
) -> None:
    document = read(make(workbook("Thiết bị", "Số lượng")), tmp_path, parse)
    assert document_text(document).count("Thiết bị") == 1
    assert document_text(document).startswith("Văn bản")
    heading = [block for block in document.blocks if isinstance(block, Heading)][-1]
    assert heading.place.part == heading.text
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (old_office.excel([["Thiết bị"]]), "Thiết bị"),
        (packaged("ghi-chu.txt", "Nội dung ghi chú".encode()), "Nội dung ghi chú"),
        (packaged("bao-cao.docx", hostile.docx(hostile.paragraph("Báo cáo"))), "Báo cáo"),
        (old_office.compound("Package", workbook("Thiết bị")), "Thiết bị"),
    ],
    ids=["xls", "text", "docx", "package"],
)
def test_files_in_objects_of_old_programs_are_parts(tmp_path: Path, content: bytes, shown: str) -> None:
    document = read(word(content, "oleObject1.bin", "oleObject"), tmp_path)
    assert shown in document_text(document)
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (old_office.compound("Equation Native", b"x"), "image_skipped"),
        (old_office.compound("VisioDocument", b"x"), "attachment_skipped"),
        (old_office.compound("\x01Ole10Native", b"x"), "attachment_skipped"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "attachment_skipped"),
        (b"", "attachment_skipped"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, code: str) -> None:
    document = read(word(content, "oleObject1.bin", "oleObject"), tmp_path)
    assert document_text(document) == "Văn bản"
    assert [warning.code for warning in document.warnings] == [code]


def test_an_object_that_is_deleted_is_left_out(tmp_path: Path) -> None:
    xml = _OBJECT.replace("<w:object>", "<w:rPr><w:vanish/></w:rPr><w:object>")
    document = read(word(workbook("Thiết bị"), xml=xml), tmp_path)
    assert document_text(document) == "Văn bản"


def test_files_within_files_end(tmp_path: Path) -> None:
    content = hostile.docx(hostile.paragraph("trong cùng"))
    for _ in range(6):
        content = word(content, "a.docx")
    document = read(content, tmp_path)
    assert "trong cùng" not in document_text(document)
    assert "attachment_skipped" in [warning.code for warning in document.warnings]
