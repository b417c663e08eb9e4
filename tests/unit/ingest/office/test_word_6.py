"""Files of Word 6 and 95, and old Office files under the names of other programs."""

import struct
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from ingest.parsing import doc
from ingest.parsing.faults import Encrypted
from ingest.parsing.finish import finish
from ingest.parsing.limits import ParserLimits
from ingest.parsing.media import DOC, OUTLOOK, PPT, XLS
from ingest.parsing.old_word.word_6 import MAGIC
from ingest.parsing.parsers import parse_file
from phoserve.text.blocks import ParsedDocument, Table
from tests.support.old_office import OldSlide, OldText, compound, excel, presentation, word
from tests.support.parsed import document_text

HIDDEN, DELETED, BOLD = b"\x5c\x01", b"\x41\x01", b"\x55\x01"
IN_TABLE, ROW_END = b"\x18\x01", b"\x18\x01\x19\x01"
FIRST = 0x300
Run = tuple[str, bytes]


def page(runs: Sequence[tuple[int, bytes]], entry: int) -> bytes:
    """Return a page of properties: where each run ends, and its operations."""
    bounds = [FIRST, *(FIRST + end for end, _ in runs)]
    head = struct.pack(f"<{len(bounds)}I", *bounds)
    entries, tail, at = b"", b"", 512 - 2
    for _, operations in runs:
        if entry == 7:
            words = (2 + len(operations)) // 2
            stored = struct.pack("<BH", words, 0) + operations.ljust(2 * words - 2, b"\0")
        else:
            stored = bytes([len(operations)]) + operations
        at -= len(stored) + len(stored) % 2
        tail = stored.ljust(len(stored) + len(stored) % 2, b"\0") + tail
        entries += bytes([at // 2]).ljust(entry, b"\0")
    body = (head + entries).ljust(at, b"\0") + tail
    return body.ljust(511, b"\0") + bytes([len(runs)])


def word_6(
    runs: Sequence[Run],
    paragraphs: Sequence[bytes] = (),
    *,
    codec: str = "cp1252",
    language: int = 0x0409,
    flags: int = 0,
    pieces: int = 1,
) -> bytes:
    """Return a file of runs with their operations; `paragraphs` are those of each paragraph."""
    text = "".join(part for part, _ in runs).encode(codec)
    ends = list(accumulate(len(part) for part, _ in runs))
    marks = [at + 1 for at, letter in enumerate(text) if letter in b"\r\x07"]
    shapes = [*paragraphs, *[b""] * (len(marks) - len(paragraphs))]
    main = bytearray(FIRST)
    body = bytes(main) + text
    body = body.ljust(-(-len(body) // 512) * 512, b"\0")
    first = len(body) // 512
    body += page([(end, operations) for end, (_, operations) in zip(ends, runs, strict=True)], 1)
    body += page(list(zip(marks, shapes, strict=True)), 7)
    for place, number in ((0xB8, first), (0xC0, first + 1)):
        table = struct.pack("<IIH", FIRST, FIRST + len(text), number)
        struct.pack_into("<II", main, place, len(body), len(table))
        body += table
    if pieces > 1:
        bounds = [len(text) * n // pieces for n in range(pieces + 1)]
        table = struct.pack(f"<{pieces + 1}I", *bounds)
        table += b"".join(struct.pack("<HIH", 0, FIRST + bound, 0) for bound in bounds[:-1])
        table = b"\x01\x02\x00ab\x02" + struct.pack("<I", len(table)) + table
        struct.pack_into("<II", main, 0x160, len(body), len(table))
        body += table
        flags |= 0x0004
    struct.pack_into("<HHH", main, 0, MAGIC, 0x68, 0)
    struct.pack_into("<H", main, 0x06, language)
    struct.pack_into("<H", main, 0x0A, flags)
    struct.pack_into("<II", main, 0x18, FIRST, FIRST + len(text))
    struct.pack_into("<I", main, 0x34, len(text))
    return compound("WordDocument", bytes(main) + body[FIRST:])


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.doc").write_bytes(content)
    return doc.parse(folder / "a.doc")


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_hidden_and_deleted_text_is_left_out(tmp_path: Path, pieces: int) -> None:
    runs = [("Phu cap ", b""), ("hai tram ", HIDDEN), ("bon ", DELETED), ("ba tram\r", b""), ("Het\r", BOLD)]
    document = read(word_6(runs, pieces=pieces), tmp_path)
    assert document_text(document) == "Phu cap ba tram\nHet"
    assert [warning.code for warning in document.warnings] == ["not_as_displayed", "hidden_content"]


def test_a_table(tmp_path: Path) -> None:
    rows = ["STT\x07Ho ten\x07\x07", "1\x07An\x07\x07", "2\x07\x07\x07"]
    marks = [IN_TABLE, IN_TABLE, ROW_END] * 3
    document = read(word_6([("".join(rows), b""), ("Sau\r", b"")], marks), tmp_path)
    assert document.blocks[0] == Table(header=("STT", "Ho ten"), rows=(("1", "An"), ("2", "")))
    assert document_text(document).endswith("Sau")


@pytest.mark.parametrize(("codec", "language", "text"), [("cp1251", 0x0419, "Уважаемый"), ("cp1250", 0x0405, "článek")])
def test_code_pages(tmp_path: Path, codec: str, language: int, text: str) -> None:
    assert document_text(read(word_6([(f"{text}\r", b"")], codec=codec, language=language), tmp_path)) == text


def test_vietnamese_of_its_time(tmp_path: Path) -> None:
    text = "Céng hßa x· héi chñ nghÜa ViÖt Nam\r§éc lËp - Tù do - H¹nh phóc\rQuyÕt ®Þnh cña Bé tr­ëng\r"
    found = finish(read(word_6([(text, b"")]), tmp_path), ParserLimits())
    assert document_text(found).split("\n") == [
        "Cộng hòa xã hội chủ nghĩa Việt Nam",
        "Độc lập - Tự do - Hạnh phúc",
        "Quyết định của Bộ trưởng",
    ]


def test_encrypted(tmp_path: Path) -> None:
    with pytest.raises(Encrypted):
        read(word_6([("a\r", b"")], flags=0x0100), tmp_path)


@pytest.mark.parametrize("stated", [DOC, XLS, PPT, OUTLOOK])
@pytest.mark.parametrize(
    "content",
    [
        word(OldText([("Nghỉ phép\r", b"")])),
        excel([["Nghỉ phép"]]),
        presentation(OldSlide(shapes=["Nghỉ phép"])),
        word_6([("Nghi phep\r", b"")]),
    ],
)
def test_the_program_is_known_by_its_streams(tmp_path: Path, stated: str, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    last = document_text(parse_file(tmp_path / "a", stated)).split("\n")[-1]
    assert last in ("Nghỉ phép", "Nghi phep")
