"""JSON as it is written, parts of mails, and archives of documents."""

import base64
import io
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.parsing import archive, mail
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.json_records import read_json
from ingest.parsing.media import ARCHIVE, media_type_of
from phoserve.text.blocks import ParsedDocument
from phoserve.text.structure import render_blocks


def text_of(document: ParsedDocument) -> str:
    return render_blocks(document.blocks).text


@pytest.mark.parametrize("number", ["1.10", "12345678901234567890.123456789", "1e400", "9" * 5000, "-0.0"])
def test_numbers_stay_as_they_are_written(number: str) -> None:
    assert text_of(read_json(f'{{"số": {number}}}'.encode())) == f"số: {number}"
    assert text_of(read_json(f'[{{"a": 1}}, {{"b": [[{number}]]}}]'.encode())).endswith(f"[[{number}]]")


def test_a_key_given_twice_keeps_all_values() -> None:
    assert text_of(read_json(b'{"a": 1, "a": 2, "a": 3, "b": true}')) == "a: 1, 2, 3\nb: true"


def test_json_with_a_byte_order_mark_and_blank_lines() -> None:
    found = read_json('\ufeff{"a": "một"}\n\n{"a": "hai"}\n'.encode())
    assert text_of(found) == "a: một\n\na: hai"
    assert found.warnings == ()


def test_a_picture_in_the_text_of_a_mail_is_named(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Ảnh"
    message.set_content("Nội dung thư")
    message.add_alternative("<p>Nội dung thư <img src='cid:a'></p>", subtype="html")
    _, html = message.iter_parts()
    assert isinstance(html, EmailMessage)
    html.add_related(b"\x89PNG\r\n", "image", "png", cid="<a>")
    (tmp_path / "m").write_bytes(message.as_bytes())
    found = mail.parse(tmp_path / "m")
    assert text_of(found) == "Nội dung thư"
    assert [warning.code for warning in found.warnings] == ["image_skipped"]


@pytest.mark.parametrize(
    ("declared", "used"),
    [("iso-8859-1", "utf-8"), ("windows-1258", "utf-8"), ("us-ascii", "utf-8"), ("utf-16-le", "utf-16-le")],
)
def test_a_wrong_charset_of_a_mail_does_not_corrupt_it(tmp_path: Path, declared: str, used: str) -> None:
    text = "Công ty thông báo nghỉ lễ Quốc khánh"
    head = f"Subject: x\nContent-Type: text/plain; charset={declared}\nContent-Transfer-Encoding: base64\n\n"
    (tmp_path / "m").write_bytes(head.encode() + base64.b64encode(text.encode(used)))
    assert text_of(mail.parse(tmp_path / "m")) == text


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for name, body in files.items():
            package.writestr(name, body)
    return content.getvalue()


def read_archive(tmp_path: Path, content: bytes) -> ParsedDocument:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    assert media_type_of(path, "", "archive.zip") == ARCHIVE
    return archive.parse(path)


def test_the_files_of_an_archive_are_parts(tmp_path: Path) -> None:
    files = {
        "thư mục/quy định.txt": "Nghỉ phép 12 ngày".encode(),
        "../../bảng.csv": "Tên;Số\nAn;1\nBình;2".encode(),
        "__MACOSX/._a.txt": b"x",
        "thư mục/.DS_Store": b"x",
    }
    found = read_archive(tmp_path, packed(files))
    assert text_of(found) == "thư mục/quy định.txt\nNghỉ phép 12 ngày\n\nbảng.csv\n\nTên | Số\nAn | 1\nBình | 2"
    assert {block.place.part for block in found.blocks} == {"thư mục/quy định.txt", "bảng.csv"}
    assert found.warnings == ()


def test_what_an_archive_cannot_give_is_named(tmp_path: Path) -> None:
    inner = packed({"b.txt": b"trong"})
    bomb = bytes(50_000_000)
    found = read_archive(
        tmp_path, packed({"a.txt": "đọc được".encode(), "b.zip": inner, "c.txt": bomb, "d.exe": b"MZ\x90"})
    )
    assert text_of(found) == "a.txt\nđọc được"
    assert sorted(str(warning.place.part) for warning in found.warnings) == ["b.zip", "c.txt", "d.exe"]


def test_files_larger_than_the_limit_together_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 20)
    found = read_archive(tmp_path, packed({"a.txt": b"mot hai ba", "b.txt": b"bon nam sau bay tam", "c.txt": b"chin"}))
    assert [warning.place.part for warning in found.warnings] == ["b.txt"]
    assert "chin" in text_of(found)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read_archive(tmp_path, packed({"a.txt": b"mot"})[:40])


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(packed({"a.txt": b"mot"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Encrypted):
        read_archive(tmp_path, bytes(content))


def test_names_without_a_declared_encoding_are_read_as_utf_8(tmp_path: Path) -> None:
    content = bytearray(packed({"bảng.txt": "một".encode()}))
    content[7] &= ~8
    content[content.index(b"PK\x01\x02") + 9] &= ~8
    assert read_archive(tmp_path, bytes(content)).blocks[0].place.part == "bảng.txt"
