"""Files inserted into Word documents (altChunk): documents are read, others are named in a warning."""

import io
from pathlib import Path

import docx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from ingest.parsing.docx import parse
from phoserve.text.structure import render_blocks

KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/aFChunk"


def word_file(text: str) -> bytes:
    inner = docx.Document()
    inner.add_paragraph(text)
    buffer = io.BytesIO()
    inner.save(buffer)
    return buffer.getvalue()


MHT = (
    "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"
    "--b\nContent-Type: text/html; charset=utf-8\n\n{}\n--b--\n"
)
INSERTED = "trước\n\nchèn\n\nsau"


@pytest.mark.parametrize(
    ("suffix", "content", "text", "codes"),
    [
        ("html", "<p>chèn</p>".encode(), INSERTED, []),
        ("rtf", rb"{\rtf1\ansi\pard ch\u232?n\par}", INSERTED, []),
        ("docx", word_file("chèn"), INSERTED, []),
        ("mht", MHT.format("<p>chèn</p>").encode(), INSERTED, []),
        ("txt", "chèn".encode(), INSERTED, []),
        ("bin", b"MZ\x90 program", "trước\n\nsau", ["attachment_skipped"]),
    ],
)
def test_an_inserted_file(tmp_path: Path, suffix: str, content: bytes, text: str, codes: list[str]) -> None:
    document = docx.Document()
    before = document.add_paragraph("trước")
    document.add_paragraph("sau")
    package = document.part.package
    assert package is not None
    part = Part(PackURI(f"/word/insert.{suffix}"), "application/octet-stream", content, package)
    insert = OxmlElement("w:altChunk")
    insert.set(qn("r:id"), document.part.relate_to(part, KIND))
    before._p.addnext(insert)
    document.save(str(tmp_path / "a.docx"))
    found = parse(tmp_path / "a.docx")
    assert render_blocks(found.blocks).text == text
    assert [warning.code for warning in found.warnings] == codes
