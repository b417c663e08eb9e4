import codecs
import unicodedata

import pytest

from ingest.parsing.encodings import _TCVN, _VISCII, decoded, repaired

TEXT = (
    "Cộng hòa xã hội chủ nghĩa Việt Nam\nĐộc lập - Tự do - Hạnh phúc\n"
    "nhân viên được nghỉ phép mười hai ngày mỗi năm, kỹ sư ở lại muộn thì được phụ cấp bữa tối."
)
# The same, as a VNI font has it.
VNI = (
    "Coäng hoøa xaõ hoäi chuû nghóa Vieät Nam\nÑoäc laäp - Töï do - Haïnh phuùc\n"
    "nhaân vieân ñöôïc nghæ pheùp möôøi hai ngaøy moãi naêm, kyõ sö ôû laïi muoän thì ñöôïc phuï caáp böõa toái."
)


def written(text: str, table: str) -> bytes:
    return b"".join(bytes([128 + table.index(char)]) if char in table else char.encode("ascii") for char in text)


def cp1258(text: str) -> bytes:
    """As the code page has it: the five tones are characters of their own, the other accents are not."""
    out = b""
    for char in text:
        try:
            out += char.encode("cp1258")
        except UnicodeEncodeError:
            base, tone = unicodedata.normalize("NFD", char)[:-1], unicodedata.normalize("NFD", char)[-1]
            if tone not in "\u0300\u0301\u0303\u0309\u0323":
                base, tone = (
                    unicodedata.normalize("NFD", char)[0] + unicodedata.normalize("NFD", char)[2:],
                    (unicodedata.normalize("NFD", char)[1]),
                )
            out += (unicodedata.normalize("NFC", base) + tone).encode("cp1258")
    return out


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TEXT.encode(), id="utf-8"),
        pytest.param(unicodedata.normalize("NFD", TEXT).encode(), id="utf-8 decomposed"),
        pytest.param(codecs.BOM_UTF8 + TEXT.encode(), id="utf-8 with a mark"),
        pytest.param(TEXT.encode("utf-16"), id="utf-16"),
        pytest.param(cp1258(TEXT), id="cp1258"),
        pytest.param(written(TEXT, _TCVN), id="tcvn3"),
        pytest.param(written(TEXT, _VISCII), id="viscii"),
        pytest.param(VNI.encode("cp1252"), id="vni"),
    ],
)
def test_every_encoding_of_vietnamese_is_read(content: bytes) -> None:
    assert decoded(content) == TEXT


@pytest.mark.parametrize(
    "text", ["plain ASCII only", "", "emoji 🙂 và chữ", "日本語の文書です", "Le café à côté de l'hôtel a été fermé"]
)
def test_other_text_in_utf8_stays_as_it_is(text: str) -> None:
    assert decoded(text.encode()) == text


def test_western_text_is_not_taken_for_vietnamese() -> None:
    text = "Le café “à côté” de l’hôtel a été fermé près de la forêt – naïve Straße"
    assert decoded(text.encode("cp1252")) == text


def test_zero_bytes_are_no_text() -> None:
    with pytest.raises(ValueError, match="zero bytes"):
        decoded(b"\0" * 100)


@pytest.mark.parametrize("font", [VNI, written(TEXT, _TCVN).decode("latin-1")])
def test_an_old_font_in_a_new_document_is_mended_line_by_line(font: str) -> None:
    beside = "Dòng này viết bằng Unicode, giữ nguyên."
    assert repaired(f"{beside}\n{font}\n{beside}") == f"{beside}\n{TEXT}\n{beside}"
