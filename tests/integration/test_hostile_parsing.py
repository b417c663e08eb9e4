"""Hostile files in the parser's own process: each ends with text or with a sentence, within its processor time."""

import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.parsing.child import Read, Refused
from ingest.parsing.limits import ParserLimits
from ingest.parsing.media import media_type_of
from ingest.parsing.sandbox import read_in_child
from tests.support import hostile
from tests.support.patience import patient

LIMITS = ParserLimits(time_s=3, ocr_s=3)
QUADRUPLE = '<!DOCTYPE w [<!ENTITY a "' + "x" * 100_000 + '">]>'
FILES: dict[str, Callable[[], bytes]] = {
    "nested.zip": lambda: hostile.nested_archive(5, 4),
    "wide.zip": lambda: hostile.nested_archive(2, 60),
    "entities.docx": hostile.entity_bomb,
    "long-entity.docx": lambda: hostile.docx(hostile.paragraph("&a;" * 100_000), before=QUADRUPLE),
    "external.docx": lambda: hostile.docx(
        hostile.paragraph("&a;"), before='<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    ),
    "deep.docx": lambda: hostile.docx("<w:tbl><w:tr><w:tc>" * 20_000 + "</w:tc></w:tr></w:tbl>" * 20_000),
    "wide.docx": lambda: hostile.docx(
        "<w:tbl><w:tr>" + '<w:tc><w:tcPr><w:gridSpan w:val="9999"/></w:tcPr><w:p/></w:tc>' * 2000 + "</w:tr></w:tbl>"
    ),
    "fields.docx": lambda: hostile.docx("<w:p>" + '<w:r><w:fldChar w:fldCharType="begin"/></w:r>' * 50_000 + "</w:p>"),
    "merged.xlsx": lambda: hostile.merged_sheet("A1:XFD1048576"),
    "last-cell.xlsx": lambda: hostile.merged_sheet("A1:B2", "<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>"),
    "spaces.odt": lambda: hostile.opendocument('<text:s text:c="2000000000"/>x'),
    "deep.odt": lambda: hostile.opendocument("<text:span>" * 5000 + "x" + "</text:span>" * 5000),
    "deep.epub": lambda: hostile.epub("<b>" * 5000 + "x" + "</b>" * 5000),
    "loop.pdf": hostile.looping_pdf,
    "form.pdf": hostile.looping_form,
    "graphics-states.pdf": lambda: hostile.page_of("q " * 500_000),
    "loop.doc": hostile.looping_compound,
    "loop.xls": hostile.looping_compound,
    "loop.ppt": hostile.looping_compound,
    "loop.msg": hostile.looping_compound,
    "large.png": lambda: hostile.image(60_000, 20_000),
    "line.png": lambda: hostile.image(500_000, 2),
    "line.csv": lambda: b"a," * 25_000_000,
    "quoted.csv": lambda: b'"' + b"a" * 50_000_000,
    "deep.json": lambda: b"[" * 100_000 + b"]" * 100_000,
    "numbers.json": lambda: b"[" + b"1e999999," * 50_000 + b"9" * 100_000 + b"]",
    "deep.html": lambda: b"<div>" * 100_000 + b"x",
    "attributes.html": lambda: b"<p " + b" ".join(b"a%d=1" % n for n in range(300_000)) + b">x",
    "spans.html": lambda: b"<table>" + b"<tr><td rowspan=65534>x<td colspan=1000>y" * 3000 + b"</table>",
    "parts.eml": lambda: hostile.mail_of_parts(10_000),
    "nested.eml": lambda: hostile.nested_mail(3000),
    "folded.eml": lambda: b"Subject: a\n" + b" b\n" * 100_000 + b"\nx",
    "deep.rtf": lambda: b"{\\rtf1 " + b"{" * 200_000 + b"x",
    "binary.rtf": lambda: b"{\\rtf1 \\bin2147483647 x}",
    "brackets.md": lambda: b"[" * 200_000,
    "aliases.md": lambda: b"---\na: &a [x,x]\n" + b"b: [*a,*a,*a]\n" * 20_000 + b"---\nx",
}


@pytest.mark.parametrize("name", FILES)
async def test_every_file_ends_with_text_or_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "document"
    path.write_bytes(FILES[name]())
    kind = media_type_of(path, "", name)
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = await read_in_child(path, kind, LIMITS)
    assert time.monotonic() - begun < 4 * LIMITS.time_s + LIMITS.ocr_s + patient(10)
    if isinstance(outcome, Refused):
        assert len(outcome.message) > 20
        assert outcome.code in {"timeout", "too_complex", "too_large", "unreadable", "encrypted"}
    else:
        assert isinstance(outcome, Read)
        assert "root:" not in str(outcome.document), "no other file is read"
    # In KiB: the worker holds what was read, not what it was read from.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10


@pytest.mark.parametrize("name", ["loop.doc", "loop.xls", "loop.ppt", "loop.msg"])
async def test_loops_are_found_before_they_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "document"
    path.write_bytes(FILES[name]())
    outcome = await read_in_child(path, media_type_of(path, "", name), ParserLimits())
    assert isinstance(outcome, Refused)
    assert "longer than the whole file" in outcome.message


async def test_a_document_is_read_next_to_hostile_ones(tmp_path: Path) -> None:
    paths = {}
    for name in ("attributes.html", "entities.docx", "form.pdf", "loop.doc"):
        paths[name] = tmp_path / name
        paths[name].write_bytes(FILES[name]())
    good = tmp_path / "good.docx"
    good.write_bytes(hostile.docx(hostile.paragraph("Nghỉ phép mười hai ngày.")))
    hostile_ones = [
        asyncio.create_task(read_in_child(path, media_type_of(path, "", name), LIMITS)) for name, path in paths.items()
    ]
    outcome = await read_in_child(good, media_type_of(good, "", "good.docx"), ParserLimits())
    assert isinstance(outcome, Read)
    assert "mười hai" in str(outcome.document)
    assert len(await asyncio.gather(*hostile_ones)) == len(paths)
