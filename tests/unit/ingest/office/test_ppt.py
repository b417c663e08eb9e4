"""PowerPoint presentations of 1997 to 2003: slides in order, hidden ones left out."""

import contextlib
from pathlib import Path

import pytest

from ingest.parsing import ppt
from ingest.parsing.faults import Encrypted, Unreadable
from phoserve.text.blocks import Heading, Paragraph, ParsedDocument, Place
from tests.support.old_office import OldSlide, powerpoint, presentation
from tests.support.parsed import document_text

DECK = (
    OldSlide([(0, "Kế hoạch"), (1, "Ý một\rÝ hai")], ["Khung"], notes="Nói chậm", furniture="chân trang"),
    OldSlide([(0, "Nháp")], ["ẩn"], notes="ghi chú ẩn", is_hidden=True),
    OldSlide([(6, "Nhân\x0bsự")], ["plain text"]),
)


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.ppt").write_bytes(content)
    return ppt.parse(folder / "a.ppt")


@pytest.mark.parametrize("changes", [1, 3])
def test_titles_texts_notes_and_hidden_slides(tmp_path: Path, changes: int) -> None:
    document = read(presentation(*DECK, changes=changes), tmp_path)
    first, last = Place(slide=1), Place(slide=3)
    assert document.blocks == (
        Heading(text="Kế hoạch", level=1, place=first),
        Paragraph(text="Ý một", place=first),
        Paragraph(text="Ý hai", place=first),
        Paragraph(text="Khung", place=first),
        Paragraph(text="Nói chậm", place=first),
        Heading(text="Nhân sự", level=1, place=last),
        Paragraph(text="plain text", place=last),
    )
    assert document.title == "Kế hoạch"
    assert [(warning.code, warning.place.slide) for warning in document.warnings] == [("hidden_content", 2)]


def test_a_file_without_a_list_of_slides_is_read_as_it_is(tmp_path: Path) -> None:
    document = read(powerpoint("Xin chào các bạn"), tmp_path)
    assert "Xin chào các bạn" in document_text(document)
    assert [warning.code for warning in document.warnings] == ["not_as_displayed"]


def test_a_password(tmp_path: Path) -> None:
    with pytest.raises(Encrypted):
        read(presentation(*DECK, token=0xF3D1C4DF), tmp_path)


@pytest.mark.parametrize("at", range(1024, 6000, 131))
def test_damage_anywhere_ends(tmp_path: Path, at: int) -> None:
    content = bytearray(presentation(*DECK))
    content[at : at + 4] = b"\xff\xff\xff\x7f"
    with contextlib.suppress(Unreadable):
        assert read(bytes(content), tmp_path).blocks is not None
