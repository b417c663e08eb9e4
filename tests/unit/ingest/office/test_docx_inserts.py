"""Files inserted into Word documents (altChunk): web pages are read, others are named in a warning."""

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


@pytest.mark.parametrize(
    ("suffix", "text", "codes"), [("html", "trước\n\nchèn\n\nsau", []), ("rtf", "trước\n\nsau", ["attachment_skipped"])]
)
def test_an_inserted_file(tmp_path: Path, suffix: str, text: str, codes: list[str]) -> None:
    document = docx.Document()
    before = document.add_paragraph("trước")
    document.add_paragraph("sau")
    package = document.part.package
    assert package is not None
    part = Part(PackURI(f"/word/insert.{suffix}"), "text/html", "<p>chèn</p>".encode(), package)
    insert = OxmlElement("w:altChunk")
    insert.set(qn("r:id"), document.part.relate_to(part, KIND))
    before._p.addnext(insert)
    document.save(str(tmp_path / "a.docx"))
    found = parse(tmp_path / "a.docx")
    assert render_blocks(found.blocks).text == text
    assert [warning.code for warning in found.warnings] == codes
