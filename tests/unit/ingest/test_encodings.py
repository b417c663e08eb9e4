import codecs
import unicodedata

import pytest

from ingest.parsing.encodings import _TCVN, _VISCII, Decoded, decode_text, repair_texts

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
    assert decode_text(content).text == TEXT


@pytest.mark.parametrize(
    "text", ["plain ASCII only", "", "emoji 🙂 và chữ", "日本語の文書です", "Le café à côté de l'hôtel a été fermé"]
)
def test_other_text_in_utf8_stays_as_it_is(text: str) -> None:
    assert decode_text(text.encode()).text == text


def test_western_text_is_not_taken_for_vietnamese() -> None:
    text = "Le café “à côté” de l’hôtel a été fermé près de la forêt – naïve Straße"
    assert decode_text(text.encode("cp1252")).text == text


def test_zero_bytes_are_no_text() -> None:
    with pytest.raises(ValueError, match="zero bytes"):
        decode_text(b"\0" * 100)


@pytest.mark.parametrize("font", [VNI, written(TEXT, _TCVN).decode("latin-1")])
def test_an_old_font_in_a_new_document_is_mended_line_by_line(font: str) -> None:
    beside = "Dòng này viết bằng Unicode, giữ nguyên."
    [text], [warning] = (lambda repaired: (repaired.texts, repaired.warnings))(
        repair_texts([f"{beside}\n{font}\n{beside}"])
    )
    assert text == f"{beside}\n{TEXT}\n{beside}"
    assert (warning.code, "3 lines" in warning.message) == ("text_repaired", True)


@pytest.mark.parametrize(
    "text",
    [
        "Quý 1\n\nQuý 2\n\nQuý 3",
        "Mã\nXã\nTân Lý\nBình Quý\nVõ Lao\nXã Tân Lý\nXã Bình Quý\nXã Võ Lao",
        "Cách dùng",
        "Ñandú, mañana: ¿qué? Año, niño, señor, España, pequeño, compañía",
        "São João, coração, não, você, irmão, pão, então, avó, avô, três",
        "Größe, Straße, Mädchen, Tür, schön, über, für, hören, fünf, Käse",
        "Čư̆ M'gar, Đăk Pơ, Ayŭn, Krông Ană, Kơ Tŭ, Plei Kly, Bŏng, Tơ Tung",
        'for (int i = 0; i < n; ++i) printf("%s\\n", tên[i]); // mã',
    ],
)
def test_plausible_text_is_never_changed(text: str) -> None:
    assert decode_text(text.encode()) == Decoded(unicodedata.normalize("NFC", text))
    assert repair_texts(text.split("\n")).warnings == ()


@pytest.mark.parametrize(
    ("stray", "shown"), [(b"\x96", "–"), (b"\x93", "“"), (b"\xff", "\ufffd"), (b"\xe1\xba", "\ufffd\ufffd")]
)
def test_a_stray_byte_stays_one(stray: bytes, shown: str) -> None:
    content = f"{TEXT}\nnhân viên ".encode() + stray + f"có mặt\n{TEXT}".encode()
    read = decode_text(content)
    assert read.text == f"{TEXT}\nnhân viên {shown}có mặt\n{TEXT}"
    assert [warning.code for warning in read.warnings] == ["text_repaired"]
    assert "in line 4" in read.warnings[0].message


def test_a_file_in_an_old_encoding_is_converted_as_a_whole_and_says_so() -> None:
    read = decode_text(written(f"Mã\nXã\n{TEXT}", _TCVN))
    assert read.text == f"Mã\nXã\n{TEXT}"
    assert "TCVN3" in read.warnings[0].message


def test_utf16_without_a_mark_is_read() -> None:
    assert decode_text(TEXT.encode("utf-16-be")).text == decode_text(TEXT.encode("utf-16-le")).text == TEXT
