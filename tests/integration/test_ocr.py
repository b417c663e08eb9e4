"""Scans and photographs through the parser's process and the real Tesseract."""

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from ingest.parsing.parse import DocumentText, ParsingFailed, parse
from ingest.parsing.recognition import skew_of
from ingest.parsing.sandbox import ParserLimits
from ingest.parsing.tesseract import PACKAGES, find_tesseract
from tests.support.parsed import once_in_order, words_of
from tests.support.patience import patient
from tests.support.typeset import as_photographed, as_scan, available_fonts, page_images, typeset

TEXT = [
    "Điều 7. Thời giờ nghỉ ngơi của người lao động trong doanh nghiệp",
    "Người lao động làm việc từ sáu giờ trở lên trong một ngày thì được nghỉ giữa giờ ít nhất ba mươi phút liên tục.",
    "Mỗi tuần người lao động được nghỉ ít nhất hai mươi bốn giờ liên tục, vào chủ nhật hoặc một ngày cố định khác.",
    "Người sử dụng lao động quyết định thời điểm nghỉ và ghi vào nội quy lao động theo Nghị định số 145/2020/NĐ-CP.",
]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    if find_tesseract() is None or not available_fonts():
        reason = "Tesseract with Vietnamese, or a font with Vietnamese letters, is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="module")
def page() -> Image.Image:
    return next(page_images(typeset(TEXT, available_fonts()[0]), 200))


def encoded(images: list[Image.Image], kind: str) -> bytes:
    content = io.BytesIO()
    more = {"save_all": True, "append_images": [image.copy() for image in images[1:]]} if len(images) > 1 else {}
    images[0].copy().save(content, kind, dpi=(200, 200), **more)
    return content.getvalue()


async def read(folder: Path, content: bytes, name: str, limits: ParserLimits | None = None) -> DocumentText:
    (folder / "original").write_bytes(content)
    return await parse(folder / "original", media_type="application/octet-stream", filename=name, limits=limits)


def accuracy(text: str) -> float:
    return once_in_order(words_of(" ".join(TEXT)), words_of(text))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
async def test_a_photograph_of_a_page_is_read(tmp_path: Path, page: Image.Image, kind: str) -> None:
    document = await read(tmp_path, encoded([page], kind), f"a.{kind.lower()}")
    assert accuracy(document.text) >= 0.98
    assert not document.warnings


async def test_each_page_of_a_scan_has_its_number(tmp_path: Path, page: Image.Image) -> None:
    other = next(page_images(typeset(["Trang thứ hai nói về lương và phụ cấp."], available_fonts()[0]), 200))
    expected = words_of(" ".join(TEXT)) + words_of("Trang thứ hai nói về lương và phụ cấp.")
    for content in (as_scan([page, other], 200), encoded([page, other], "TIFF")):
        document = await read(tmp_path, content, "scan")
        assert once_in_order(expected, words_of(document.text)) >= 0.98
        assert {element.place.page for element in document.structure.elements} == {1, 2}


@pytest.mark.parametrize("degrees", [-4.0, 180.0, 90.0])
async def test_a_poor_scan_is_read(tmp_path: Path, page: Image.Image, degrees: float) -> None:
    poor = as_photographed(page, degrees=degrees, noise=12, seed=1)
    assert accuracy((await read(tmp_path, encoded([poor], "PNG"), "a.png")).text) >= 0.95


@pytest.mark.parametrize("degrees", [-5, -1.5, 0, 3])
def test_the_skew_of_a_page_is_found(page: Image.Image, degrees: float) -> None:
    askew = page.rotate(degrees, fillcolor=255)
    assert skew_of(askew) == pytest.approx(-degrees, abs=0.35)


async def test_a_scan_without_ocr_says_how_to_install_it(
    tmp_path: Path, page: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for content, name in ((as_scan([page], 200), "a.pdf"), (encoded([page], "PNG"), "a.png")):
        with pytest.raises(ParsingFailed, match=" ".join(PACKAGES)) as failure:
            await read(tmp_path, content, name)
        assert failure.value.code == "empty"


async def test_pages_beyond_the_time_of_ocr_are_named(tmp_path: Path, page: Image.Image) -> None:
    began = time.monotonic()
    with pytest.raises(ParsingFailed, match="longer than") as failure:
        await read(tmp_path, as_scan([page] * 40, 200), "a.pdf", ParserLimits(time_s=4, ocr_s=1))
    assert failure.value.code in ("timeout", "empty")
    assert time.monotonic() - began < patient(45)


async def test_a_huge_image_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(content, "PNG")
    with pytest.raises(ParsingFailed) as failure:
        await read(tmp_path, content.getvalue(), "a.png")
    assert failure.value.code == "too_complex"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + bytes(50), b"II*\0" + bytes(50)])
async def test_a_damaged_image_is_unreadable(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ParsingFailed) as failure:
        await read(tmp_path, content, "a")
    assert failure.value.code == "unreadable"
