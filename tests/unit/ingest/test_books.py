"""EPUB books: chapters in reading order; nothing hidden, nothing lost in silence."""
# ruff: noqa: E501 (markup is clearer on one line)

import zipfile
from pathlib import Path

import pytest

from ingest.parsing.epub import parse
from ingest.parsing.faults import Encrypted, Unreadable
from phoserve.text.blocks import Heading, ParsedDocument
from phoserve.text.structure import render_blocks

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="O/book.opf"/></rootfiles></container>'
)


def read(
    folder: Path, spine: list[str], chapters: dict[str, str], styles: str = ".kín { display: none }", **extra: str
) -> ParsedDocument:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml" properties="{"nav" if name == "nav.xhtml" else ""}"/>'
        for n, name in enumerate(spine)
    )
    references = "".join(f'<itemref idref="i{n}"/>' for n, _ in enumerate(spine))
    path = folder / "original"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("mimetype", "application/epub+zip")
        package.writestr("META-INF/container.xml", CONTAINER)
        package.writestr(
            "O/book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>Sách hay</dc:title><dc:creator>Lan</dc:creator></metadata><manifest>{items}"
            f'<item id="s" href="a.css" media-type="text/css"/></manifest><spine>{references}</spine></package>',
        )
        package.writestr("O/a.css", styles)
        for name, body in chapters.items():
            package.writestr(f"O/{name}", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>')
        for name, content in extra.items():
            package.writestr(name.replace("__", "/").replace("_", "."), content)
    return parse(path)


def test_chapters_are_read_in_the_order_of_the_spine(tmp_path: Path) -> None:
    chapters = {
        "nav.xhtml": "<nav>MỤC LỤC</nav>",
        "b x.xhtml": "<h1>Một</h1><p>Đầu</p><p class='kín'>ẨN</p>",
        "phần/a.xhtml": "<h1>Hai</h1><p>Cuối</p>",
    }
    found = read(tmp_path, ["nav.xhtml", "b%20x.xhtml", "ph%E1%BA%A7n/a.xhtml"], chapters)
    assert render_blocks(found.blocks).text == "Một\nĐầu\n\nHai\nCuối"
    assert [block.text for block in found.blocks if isinstance(block, Heading)] == ["Một", "Hai"]
    assert (found.title, found.properties, found.warnings) == ("Sách hay", {"author": "Lan"}, ())


def test_a_chapter_that_is_missing_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, ["a.xhtml", "b.xhtml"], {"a.xhtml": "<p>Còn</p>"})
    assert [warning.code for warning in found.warnings] == ["attachment_skipped"]
    assert "O/b.xhtml" in found.warnings[0].message


def test_a_protected_book_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Encrypted):
        read(tmp_path, ["a.xhtml"], {"a.xhtml": "x"}, **{"META-INF__encryption_xml": "<EncryptedData/>"})


def test_a_package_without_a_book_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "original"
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("mimetype", "application/epub+zip")
    with pytest.raises(Unreadable):
        parse(path)


def test_a_book_with_obfuscated_fonts_is_read(tmp_path: Path) -> None:
    data = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
        '<enc:EncryptedData><enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></enc:EncryptedData>'
        "</encryption>"
    )
    found = read(tmp_path, ["a.xhtml"], {"a.xhtml": "<p>Đọc được</p>"}, **{"META-INF__encryption_xml": data})
    assert render_blocks(found.blocks).text == "Đọc được"
    other = data.replace("http://www.idpf.org/2008/embedding", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    with pytest.raises(Encrypted):
        read(tmp_path, ["a.xhtml"], {"a.xhtml": "x"}, **{"META-INF__encryption_xml": other})


def test_styles_of_a_book_hide_as_in_pages(tmp_path: Path) -> None:
    styles = "p.mờ { opacity: 0 } .nhỏ { font-size: 0 }"
    chapter = "<p>rõ</p><p class='mờ'>ẨN</p><p class='nhỏ'>ẨN</p>"
    assert render_blocks(read(tmp_path, ["a.xhtml"], {"a.xhtml": chapter}, styles).blocks).text == "rõ"
