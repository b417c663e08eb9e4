"""Documents of every kind, the hostile ones too, through the real parser in its own process."""

import os
import re
import resource
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.parsing.parse import DocumentText, ParsingFailed, parse
from ingest.parsing.sandbox import ParserLimits
from phoserve.text.structure import Kind
from tests.support import hostile, old_office
from tests.support.patience import patient
from tests.support.processes import own_children
from tests.support.shared import shared

OCTETS = "application/octet-stream"


async def parsed(folder: Path, content: bytes, filename: str, media_type: str = OCTETS) -> DocumentText:
    path = folder / "original"
    path.write_bytes(content)
    return await parse(path, media_type=media_type, filename=filename)


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower()))


def cells_once(markdown: str) -> str:
    """Return Markdown with merged cells once: it repeats them in every row and column that they cover."""
    above: list[str] = []
    lines = []
    for line in markdown.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        shown = [
            cell
            for at, cell in enumerate(cells)
            if cell not in (cells[at - 1] if at else None, above[at] if at < len(above) else None)
        ]
        lines.append(" ".join(shown) if cells else line)
        above = cells
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["30_2020_ND_CP", "Phuluc1", "Phuluc3", "Phuluc5"])
async def test_word_documents_say_what_their_markdown_says(name: str) -> None:
    document = await parse(shared("documents", f"{name}.docx"), media_type=OCTETS, filename=f"{name}.docx")
    truth = words(cells_once(shared("documents", f"{name}.md").read_text(encoding="utf-8")))
    assert (words(document.text) & truth).total() / truth.total() >= 0.99


def article_paths(markdown: str) -> list[tuple[str, ...]]:
    """Return the path to each article of the decree's Markdown: chapter, section, article."""
    paths: list[tuple[str, ...]] = []
    path: dict[str, str] = {}
    for line in (line.strip("# ") for line in markdown.split("\n") if line.startswith("#")):
        kind = line.split()[0]
        if kind in ("Chương", "Mục", "Điều"):
            level = {"Chương": "a", "Mục": "b", "Điều": "c"}[kind]
            path = {above: text for above, text in path.items() if above < level} | {level: line}
            if kind == "Điều":
                paths.append(tuple(path[level] for level in sorted(path)))
        elif path and "c" not in path:  # the title of a chapter or section, on its own line
            path[max(path)] += f" {line}"
    return paths


async def test_each_article_of_the_decree_has_its_path() -> None:
    name = "30_2020_ND_CP"
    document = await parse(shared("documents", f"{name}.docx"), media_type=OCTETS, filename=f"{name}.docx")
    expected = article_paths(shared("documents", f"{name}.md").read_text(encoding="utf-8"))
    found = dict.fromkeys(
        tuple(
            " ".join(heading.split()) for heading in element.headings if heading.startswith(("Chương", "Mục", "Điều"))
        )
        for element in document.structure.elements
        if element.kind is not Kind.HEADING and any(heading.startswith("Điều") for heading in element.headings)
    )
    assert len(expected) == len(found) == 38
    for path, wanted in zip(found, expected, strict=True):  # a chapter's title has two lines, its Markdown one of them
        assert [part.startswith(want) for part, want in zip(path, wanted, strict=True)] == [True] * len(wanted), path


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("Phuluc1.doc", "THỂ THỨC VÀ KỸ THUẬT TRÌNH BÀY VĂN BẢN HÀNH CHÍNH"),
        ("presentation.pptx", "FACULTY OF INFORMATION"),
        ("thesis_en.pdf", "ADVANCED PROGRAM IN INFORMATION SYSTEMS"),
        ("landing_page.html", "Chính quyền số"),
        ("HUONG_DAN_SU_DUNG.md", "VanBanPlus"),
    ],
)
async def test_other_kinds_are_read(name: str, phrase: str) -> None:
    document = await parse(shared("documents", name), media_type=OCTETS, filename=name)
    assert phrase in document.text


async def test_content_decides_where_name_and_type_are_wrong(tmp_path: Path) -> None:
    word = hostile.docx(hostile.paragraph("Xin chào các bạn"))
    assert (await parsed(tmp_path, word, "note.txt", "text/plain")).text == "Xin chào các bạn"


async def test_an_old_font_in_a_word_document_is_mended(tmp_path: Path) -> None:
    word = hostile.docx(hostile.paragraph("Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam"))
    assert (await parsed(tmp_path, word, "vni.docx")).text == "Cộng hòa xã hội chủ nghĩa Việt Nam"


async def test_a_web_page_keeps_its_structure_and_title(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Nghỉ  phép</title><style>p{}</style></head><body><nav>Trang chủ</nav><h1>Quy định</h1>"
        "<p>Mỗi năm <b>mười hai</b> ngày.</p><ul><li>phép năm<li>phép ốm</ul>"
        "<table><tr><td>A</td><td>B</td></tr></table><script>alert(1)</script></body></html>"
    )
    document = await parsed(tmp_path, page.encode(), "a.html", "text/html; charset=utf-8")
    assert document.title == "Nghỉ phép"
    assert document.text == "Quy định\nMỗi năm mười hai ngày.\n- phép năm\n- phép ốm\n\nA | B"


@pytest.mark.parametrize(
    ("filename", "content", "codes"),
    [
        ("bomb.docx", hostile.zip_bomb, {"unreadable", "too_complex"}),
        ("entities.docx", hostile.entity_bomb, {"unreadable", "empty", "too_complex"}),
        ("loop.pdf", hostile.looping_pdf, {"empty", "unreadable", "timeout"}),
        ("locked.pdf", hostile.encrypted_pdf, {"encrypted"}),
        ("bomb.xlsx", lambda: hostile.renamed_bomb("xl/workbook.xml"), {"unreadable", "too_complex"}),
        ("bomb.pptx", lambda: hostile.renamed_bomb("ppt/presentation.xml"), {"unreadable", "too_complex"}),
        ("empty_pages.pdf", lambda: hostile.many_pages(10_000), {"empty"}),
        ("nothing.txt", bytes, {"empty"}),
        ("nothing.docx", bytes, {"empty", "unreadable"}),
        ("text.pdf", "Chỉ là chữ thường".encode, {"unreadable"}),
        ("cut.docx", lambda: hostile.docx(hostile.paragraph("Xin chào"))[:200], {"unreadable"}),
        ("program.txt", lambda: b"\x7fELF" + bytes(1000), {"unsupported"}),
    ],
)
async def test_a_hostile_file_fails_with_a_reason(
    tmp_path: Path, filename: str, content: Callable[[], bytes], codes: set[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(ParsingFailed) as failure:
        await parsed(tmp_path, content(), filename)
    assert failure.value.code in codes
    assert len(str(failure.value)) > 20
    assert time.monotonic() - began < patient(60)


@pytest.mark.parametrize("filename", ["zeros.txt", "zeros.pdf", "zeros.docx", "zeros.html"])
async def test_half_a_gigabyte_of_zeros_fails_and_costs_this_process_nothing(tmp_path: Path, filename: str) -> None:
    hostile.sparse_zeros(tmp_path / "original")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ParsingFailed):
        await parse(tmp_path / "original", media_type=OCTETS, filename=filename)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


async def test_names_that_lead_out_of_the_folder_lead_nowhere(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    word = hostile.docx(hostile.paragraph("Xin chào"), extra={"../../evil.txt": "x"})
    assert (await parsed(inside, word, "../../../etc/passwd")).text == "Xin chào"
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == ["original"]


async def test_a_document_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    limits = ParserLimits(time_s=0.5)
    (tmp_path / "original").write_bytes(hostile.docx(hostile.paragraph("Xin chào") * 200_000))
    before = own_children()
    with pytest.raises(ParsingFailed, match="longer than") as failure:
        await parse(tmp_path / "original", media_type=OCTETS, filename="slow.docx", limits=limits)
    assert failure.value.code == "timeout"
    assert own_children() <= before


async def test_a_document_that_wants_too_much_memory_is_given_up(tmp_path: Path) -> None:
    limits = ParserLimits(memory_bytes=60_000_000)
    (tmp_path / "original").write_bytes(hostile.docx(hostile.paragraph("Xin chào") * 200_000))
    with pytest.raises(ParsingFailed) as failure:
        await parse(tmp_path / "original", media_type=OCTETS, filename="greedy.docx", limits=limits)
    assert failure.value.code == "too_complex"


@pytest.mark.parametrize(
    ("filename", "content", "text"),
    [
        ("a.rtf", rb"{\rtf1\ansi\ansicpg1252 Xin ch\u224?o c\u225?c b\u7841?n}", "Xin chào các bạn"),
        ("a.csv", "họ tên,phụ cấp\nBình,42\n".encode(), "họ tên | phụ cấp\nBình | 42"),
        (
            "a.eml",
            "From: a@b.vn\nTo: c@d.vn\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\n\nTôi xin nghỉ phép ngày mai.\n".encode(),
            "Tôi xin nghỉ phép ngày mai.",
        ),
        ("a.bin", hostile.opendocument("Xin chào"), "Xin chào"),
        ("a.ods", hostile.opendocument("Xin chào", "spreadsheet"), "Xin chào"),
        ("a.odp", hostile.opendocument("Xin chào", "presentation"), "Xin chào"),
        ("a.xlsx", hostile.spreadsheet(["Bình", "42"]), "Bình | 42"),
        ("a.epub", hostile.epub("Nhân viên được nghỉ phép."), "Nhân viên được nghỉ phép."),
        ("a.xls", old_office.excel([["Họ tên", "Phụ cấp"], ["Bình", "42"]]), "Bình | 42"),
        ("a.ppt", old_office.powerpoint("Xin chào các bạn"), "Xin chào các bạn"),
    ],
)
async def test_small_kinds_are_read(tmp_path: Path, filename: str, content: bytes, text: str) -> None:
    assert text in (await parsed(tmp_path, content, filename)).text
