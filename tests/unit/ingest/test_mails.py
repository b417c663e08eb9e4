"""Mails as programs write them: flowed lines, declared encodings, winmail.dat, what an Outlook mail only points to."""

import io
import struct
import zipfile
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import archive, mail, outlook
from ingest.parsing.faults import Unreadable
from ingest.parsing.mail import unflow
from ingest.parsing.winmail import read_tnef
from phoserve.text.blocks import ParsedDocument
from phoserve.text.structure import render_blocks


def text_of(document: ParsedDocument) -> str:
    return render_blocks(document.blocks).text


def read(folder: Path, content_type: str, body: bytes) -> ParsedDocument:
    path = folder / "original"
    path.write_bytes(
        f"From: a@b.vn\nSubject: x\nMIME-Version: 1.0\nContent-Type: {content_type}\n"
        "Content-Transfer-Encoding: 8bit\n\n".encode()
        + body
    )
    return mail.parse(path)


def test_flowed_lines_are_joined(tmp_path: Path) -> None:
    body = "Đây là một dòng dài \nngắt mềm.\nDòng khác.\n> trích dẫn \n> nối tiếp\n>> sâu \n> nông\n-- \nLan\n"
    found = read(tmp_path, "text/plain; charset=utf-8; format=flowed", body.encode())
    assert text_of(found).split("\n") == [
        "Đây là một dòng dài ngắt mềm.", "Dòng khác.", "", "> trích dẫn nối tiếp", ">> sâu", "> nông", "", "--", "Lan",
    ]  # fmt: skip
    fixed = read(tmp_path, "text/plain; charset=utf-8", "một \nhai".encode())
    assert text_of(fixed) == "một\nhai"


def test_deleted_blanks_join_letters(tmp_path: Path) -> None:
    found = read(tmp_path, "text/plain; charset=utf-8; format=flowed; delsp=yes", "siêu \nthị".encode())
    assert text_of(found) == "siêuthị"


@given(
    st.lists(st.lists(st.text("abcđế> ", min_size=1, max_size=8), min_size=1, max_size=6), max_size=8),
    st.integers(0, 3),
)
def test_what_is_flowed_comes_back(paragraphs: list[list[str]], depth: int) -> None:
    marks = ">" * depth
    written, expected = [], []
    for words in paragraphs:
        parts = [f"x{word.rstrip()}" for word in words]
        written += [f"{marks} {part} " for part in parts[:-1]] + [f"{marks} {parts[-1]}"]
        expected.append(f"{marks} {' '.join(parts)}" if depth else " ".join(parts))
    assert unflow("\r\n".join(written)) == "\n".join(expected)


@pytest.mark.parametrize("charset", ["gbk", "gb2312", "gb18030"])
def test_short_east_asian_text_is_read_as_declared(tmp_path: Path, charset: str) -> None:
    ambiguous = []
    for first in range(0xC2, 0xE0):
        for second in range(0xA1, 0xC0):
            content = bytes([first, second])
            try:
                expected = content.decode(charset)
                content.decode("utf-8")
            except UnicodeDecodeError:
                continue
            ambiguous.append((content, expected))
    assert len(ambiguous) > 500
    for content, expected in ambiguous:
        assert text_of(read(tmp_path, f"text/plain; charset={charset}", content)) == expected


@pytest.mark.parametrize("declared", ["gb2312", "big5", "shift_jis", "euc-kr", "iso-8859-1", "windows-1252"])
@pytest.mark.parametrize("text", ["Kính gửi anh Hùng", "Đã nhận", "会议改到下午三点", "회의는 세 시입니다"])
def test_utf_8_that_declares_another_encoding_is_utf_8(tmp_path: Path, declared: str, text: str) -> None:
    assert text_of(read(tmp_path, f"text/plain; charset={declared}", text.encode())) == text


def attribute(level: int, identifier: int, data: bytes) -> bytes:
    return struct.pack("<BIL", level, identifier, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def winmail(files: dict[bytes, bytes], body: bytes = b"") -> bytes:
    """Return TNEF as Outlook sends it (MS-OXTNEF)."""
    content = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00089006, struct.pack("<I", 0x10000))
    content += attribute(1, 0x0002800C, body + b"\0") if body else b""
    for name, data in files.items():
        content += attribute(2, 0x00069002, bytes(14)) + attribute(2, 0x00018010, name + b"\0")
        content += attribute(2, 0x0006800F, data)
    return content


def test_the_files_in_winmail_dat_are_parts_of_the_mail(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Hồ sơ"
    message.set_content("Xem tệp kèm.")
    files = {
        b"bang.csv": "mã;tên\n1;Bình\n".encode(),
        "công văn.txt".encode(): "Nội dung".encode(),
        b"a.exe": b"MZ\x90\0",
    }
    packed = winmail(files, "Thân thư".encode())
    message.add_attachment(packed, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    path = tmp_path / "original"
    path.write_bytes(bytes(message))
    found = mail.parse(path)
    text = text_of(found)
    assert all(text.count(part) == 1 for part in ("Xem tệp kèm.", "Thân thư", "1 | Bình", "công văn.txt", "Nội dung"))
    assert [warning.place.part for warning in found.warnings] == ["winmail.dat › a.exe"]
    assert any(getattr(block.place, "part", "") == "winmail.dat › bang.csv" for block in found.blocks)


@pytest.mark.parametrize("cut", range(0, 160, 9))
def test_a_damaged_winmail_dat_is_no_crash(cut: int) -> None:
    with suppress(Unreadable):
        assert text_of(read_tnef(winmail({b"a.txt": b"xin"}, b"body")[:cut], 1)) in ("", "body", "body\n\na.txt\nxin")


def test_an_archive_in_an_attached_mail_says_what_to_do(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        package.writestr("a.txt", "trong")
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"] = "Trong"
    inner.set_content("trong")
    inner.add_attachment(packed.getvalue(), maintype="application", subtype="zip", filename="a.zip")
    outer["Subject"] = "Ngoài"
    outer.set_content("ngoài")
    outer.add_attachment(inner)
    path = tmp_path / "original"
    path.write_bytes(bytes(outer))
    [warning] = mail.parse(path).warnings
    assert "attached mails are not read; send it as a document of its own" in warning.message


@pytest.mark.parametrize("encoding", ["utf-8", "cp1258"])
@pytest.mark.parametrize("name", ["Báo cáo quý.txt", "Nghị định 30.txt", "Đơn xin nghỉ.txt"])
def test_names_in_archives_of_windows_and_linux(tmp_path: Path, name: str, encoding: str) -> None:
    import unicodedata

    written = name.encode("utf-8") if encoding == "utf-8" else _cp1258(unicodedata.normalize("NFC", name))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("x" * len(written), "Nội dung")
    path = tmp_path / "original"
    path.write_bytes(content.getvalue().replace(b"x" * len(written), written))
    assert text_of(archive.parse(path)).startswith(name)


def _cp1258(text: str) -> bytes:
    """Encode as Windows does: letters with their hat or horn, tones as marks after them."""
    import unicodedata

    out = b""
    for letter in text:
        try:
            out += letter.encode("cp1258")
        except UnicodeEncodeError:
            marks = unicodedata.normalize("NFD", letter)
            tone = next(mark for mark in marks if mark in "\u0300\u0301\u0303\u0309\u0323")
            base = unicodedata.normalize("NFC", marks.replace(tone, ""))
            out += base.encode("cp1258") + tone.encode("cp1258")
    return out


class _Properties:
    def __init__(self, method: int) -> None:
        self._method = method

    def int_prop_value(self, _identifier: int) -> int:
        return self._method

    def str_prop_value(self, _identifier: int) -> str:
        return "tên hiển thị"


@pytest.mark.parametrize(
    ("method", "reason"), [(2, "link"), (4, "link"), (5, "a mail within"), (6, "object"), (0, "not hold")]
)
def test_an_attachment_of_outlook_that_is_no_file_is_named(method: int, reason: str) -> None:
    attachment = SimpleNamespace(file_name=None, file_bytes=None, mime_type="", properties=_Properties(method))
    files, [warning] = outlook._attachments(SimpleNamespace(attachments=[attachment]))  # type: ignore[arg-type]
    assert files == []
    assert warning.code == "attachment_skipped"
    assert "tên hiển thị" in warning.message
    assert reason in warning.message
