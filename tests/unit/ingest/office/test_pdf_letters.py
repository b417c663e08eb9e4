"""Letters of PDF files: drawn twice, ligatures, halves of formula letters, codes without meanings; notes of laws."""

import io
import random
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.parsing import pdf
from ingest.parsing.pages.grid import text_of
from ingest.parsing.pages.language import is_language
from ingest.parsing.pages.words import PageText, Word
from ingest.parsing.recognition import Ocr
from phoserve.text.blocks import Footnote, ParsedDocument
from tests.support.parsed import document_text
from tests.support.raw_pdf import raw_pdf, shown, stream
from tests.support.typeset import available_fonts

NUMBERS = (2, 5, 6, 9, 14)
WORDS = "thị thực quốc tịch hộ chiếu công dân thẩm quyền khu vực cửa khẩu lãnh thổ giấy tờ".split()  # noqa: SIM905
NO_OCR = Ocr(binary=None)
CMAP = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def 1 begincodespacerange <00> <ff> "
    "endcodespacerange {count} beginbfchar {pairs} endbfchar endcmap end end"
)


def read(content: bytes, folder: Path) -> ParsedDocument:
    (folder / "a.pdf").write_bytes(content)
    return pdf.parse(folder / "a.pdf", NO_OCR)


def mapped(text: str, meanings: dict[str, str]) -> bytes:
    """Return a file whose font declares what some of its letters mean."""
    pairs = " ".join(f"<{ord(code):02x}> <{text.encode('utf-16-be').hex()}>" for code, text in meanings.items())
    cmap = stream(CMAP.format(count=len(meanings), pairs=pairs))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /ToUnicode 6 0 R >>"
    return raw_pdf(shown(text), [font, cmap], page="/Resources << /Font << /F1 5 0 R >> >>")


def test_letters_of_a_ligature_are_kept(tmp_path: Path) -> None:
    meanings = {"W": "ff", "M": "ffi", "E": "ll"}
    assert document_text(read(mapped("oWer eMcient heEo", meanings), tmp_path)) == "offer efficient hello"


def test_letters_of_formulas_are_one_character_each(tmp_path: Path) -> None:
    meanings = {"x": "\U0001d465", "y": "\U0001d466"}
    document = read(mapped("x + y = 10 and x - y = 2", meanings), tmp_path)
    assert document_text(document) == "\U0001d465 + \U0001d466 = 10 and \U0001d465 - \U0001d466 = 2"
    assert not document.warnings


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("text", ["Bolivia illegal committee 11 00", "difficult waffles"])
def test_text_drawn_again_to_look_bold_is_read_once(tmp_path: Path, offset: float, text: str) -> None:
    document = read(raw_pdf(shown(text) + shown(text, 72 + offset)), tmp_path)
    assert document_text(document) == text


def test_letters_drawn_again_one_by_one_are_read_once(tmp_path: Path) -> None:
    content = "".join(shown(letter, 72 + 8 * at + d) for at, letter in enumerate("hello") for d in (0, 0.4))
    assert document_text(read(raw_pdf(content), tmp_path)).replace(" ", "") == "hello"


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        ("the meaning of a font that has no table is what its codes are for it and not for the others", False),
        ("Nhân viên được nghỉ phép khi có lý do theo quy định của công ty và không bị trừ lương", False),
        ("1U dkujdqj uhlwdj dqxdu vsdwhq vwlfk qhxh dfnvf kqlwh okhokl xqjd ilmno sdqdh wqret", True),
        ("1 2 3 4 5 6 7 8 9 10", True),
    ],
)
def test_codes_that_make_words_are_taken_for_letters(text: str, is_broken: bool) -> None:
    words = [Word(word, 0, 0, 1, 1, 10) for word in text.split()]
    assert PageText(1, 1, words, characters=len(text), unmapped=len(text)).is_broken == is_broken
    assert is_language(text.split()) != is_broken
    assert PageText(1, 1, words, characters=len(text), broken=len(text)).is_broken


def law(pages: int) -> bytes:
    """Return pages of a law whose notes have the same last lines, with a footer that all pages have."""
    fonts = available_fonts()
    if not fonts:
        pytest.skip("no font with Vietnamese letters is installed (fonts-dejavu-core)")
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=A4)
    choice = random.Random(1)
    for page in range(pages):
        canvas.setFont(fonts[0], 12)
        for line in range(20):
            canvas.drawString(64, 780 - 20 * line, " ".join(choice.sample(WORDS, 10)))
        canvas.setFont(fonts[0], 9)
        canvas.drawString(
            64,
            104,
            f"{NUMBERS[page]} Khoản này được bổ sung theo quy định tại khoản {NUMBERS[page]} Điều 1 của Luật số",
        )
        canvas.drawString(64, 92, "51/2019/QH14 sửa đổi, bổ sung một số điều của Luật Nhập cảnh, có hiệu lực từ")
        canvas.drawString(64, 80, "29 tháng 7 năm 2020.")
        canvas.drawString(64, 40, "Văn phòng Quốc hội")
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def test_notes_of_consolidated_laws_are_whole(tmp_path: Path) -> None:
    document = read(law(5), tmp_path)
    tail = "Điều 1 của Luật số 51/2019/QH14 sửa đổi, bổ sung một số điều của Luật Nhập cảnh, có hiệu lực từ "
    tail += "29 tháng 7 năm 2020."
    notes = [(block.number, block.text) for block in document.blocks if isinstance(block, Footnote)]
    start = "Khoản này được bổ sung theo quy định tại khoản"
    assert notes == [(str(NUMBERS[page]), f"{start} {NUMBERS[page]} {tail}") for page in range(5)]
    assert document.properties["footer"] == "Văn phòng Quốc hội"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["4.710.60", "0"], "4.710.600"),
        (["12,500,", "000.50"], "12,500,000.50"),
        (["4.710.600", "12"], "4.710.600 12"),
        (["2,34", "500.000"], "2,34 500.000"),
        (["Tổng 1.20", "0 đồng"], "Tổng 1.200 đồng"),
        (["tháng 3", "2025"], "tháng 3 2025"),
    ],
)
def test_an_amount_that_a_narrow_cell_breaks_is_whole(lines: list[str], text: str) -> None:
    words = [
        Word(word, 20 * at, 12 * row, 20 * at + 15, 12 * row + 10, 10)
        for row, line in enumerate(lines)
        for at, word in enumerate(line.split())
    ]
    assert text_of(words) == text


def test_a_space_after_a_letter_of_a_fallback_font(tmp_path: Path) -> None:
    """Programs draw letters that a font lacks after the others of the line; the space is but a gap then."""
    content = shown("Can c", 72) + shown("Luat", 112) + shown("u", 72 + 31.4)
    assert document_text(read(raw_pdf(content), tmp_path)) == "Can cu Luat"


def test_grounds_of_a_decision_are_paragraphs(tmp_path: Path) -> None:
    grounds = ["On the ground of the first law of nineteen hundred;", "Having seen the second proposal of the office,"]
    content = "".join(shown(line, 72, 700 - 14 * at) for at, line in enumerate(grounds))
    assert document_text(read(raw_pdf(content), tmp_path)).split("\n") == grounds
