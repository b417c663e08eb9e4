import pytest

from ingest.parsing.alternative import alternative_text
from ingest.parsing.finish import finish
from ingest.parsing.limits import ParserLimits
from phoserve.text.blocks import Block, Caption, Paragraph, ParsedDocument, Place


@pytest.mark.parametrize(
    "written",
    ["Sơ đồ tổ chức  của\ncông ty", "Hình 3: doanh thu 2026", "Logo", "Ảnh chụp màn hình đăng nhập", "Shape of a cell"],
)
def test_what_an_author_wrote_is_kept(written: str) -> None:
    assert alternative_text(written) == " ".join(written.split())


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "Picture 3",
        "Hình ảnh 12",
        "IMG_2031",
        "clip_image002",
        "image001.png",
        "C:\\anh\\logo.JPG",
        "Screenshot 2026-01-31 at 10.30.12",
        "2f4b9a07-77aa-4bc1-9d1e-0123456789ab",
        "A picture containing text, logo\n\nDescription automatically generated",
        "Ảnh có chứa văn bản. Nội dung do AI tạo có thể không chính xác.",
    ],
)
def test_what_a_program_filled_in_is_left_out(written: str | None) -> None:
    assert alternative_text(written) == ""


def test_a_picture_on_every_slide_is_named_once() -> None:
    blocks: list[Block] = []
    for slide in range(1, 9):
        place = Place(slide=slide)
        blocks += [Caption(text="customLogo", place=place), Paragraph(text=f"Trang {slide}", place=place)]
    blocks += [Caption(text="Biểu đồ", place=Place(slide=8)), Caption(text="Biểu đồ", place=Place(slide=8))]
    document = ParsedDocument(blocks=tuple(blocks), title="")
    kept = [block.text for block in finish(document, ParserLimits()).blocks if isinstance(block, Caption)]
    assert kept == ["customLogo", "Biểu đồ", "Biểu đồ"]
