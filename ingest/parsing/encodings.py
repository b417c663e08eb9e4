"""Text files of every age: UTF-8, UTF-16 and the encodings Vietnamese was written in before Unicode.

Fonts such as .VnTime or VNI-Times draw Vietnamese over Western letters, so old office documents hold such text as
well: their file declares Unicode, yet "Cộng hòa" is stored as "Céng hßa". A legacy reading is taken only where the
text as it is cannot be Vietnamese and the reading clearly is, judged over the whole document; every change is a
warning.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from phoserve.text.blocks import ParserWarning
from phoserve.text.normalise import compose
from phoserve.text.orthography import is_syllable

SAMPLE_WORDS: Final = 2000
FEWEST_WORDS: Final = 6
"""Accented words that it takes to call text in Unicode a legacy encoding."""
CONVINCING: Final = 0.85
"""Share of them that must be Vietnamese syllables in the legacy reading,"""
COMMON: Final = 0.15
"""of those that must be among the commonest ones of the language,"""
COMMON_IN_BYTES: Final = 0.03
"""(of those of a file that is not UTF-8, which has to be some other encoding),"""
AHEAD: Final = 0.2
"""and this much more than in the unchanged text."""
IMPLAUSIBLE: Final = 0.5
"""Lines with no larger share of Vietnamese words are looked at in text that is Unicode."""
MIXED: Final = 0.05
"""With a larger share of lines in proper Unicode, a document mixes both, and doubtful lines stay as they are."""
MOST_STRAY: Final = 0.1
"""More broken sequences than this share of the sound ones, and the text is not UTF-8."""
_ZEROS: Final = 0.2

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# TCVN 5712:1993, from 0x80; its third variant is what the .Vn fonts use.
_TCVN: Final = (
    "ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ\u00a0ĂÂÊÔƠƯĐăâêôơưđẰ\u0300\u0309\u0303\u0301\u0323àảãáạẲằẳẵắẴ"
    "ẮẦẨẪẤỀặầẩẫấậèỂẻẽéẹềểễếệìỉỄẾỒĩíịòỔỏõóọồổỗốộờởỡớợùỖủũúụừửữứựỳỷỹýỵỐ"
)
# Its first variant has the remaining capitals among the control characters.
_TCVN_LOW: Final = {
    0x01: "Ú", 0x02: "Ụ", 0x04: "Ừ", 0x05: "Ử", 0x06: "Ữ", 0x11: "Ứ", 0x12: "Ự", 0x13: "Ỳ", 0x14: "Ỷ", 0x15: "Ỹ",
    0x16: "Ý", 0x17: "Ỵ",
}  # fmt: skip
# RFC 1456, from 0x80, and the capitals it puts among the control characters.
_VISCII: Final = (
    "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯ"
    "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ"
)
_VISCII_LOW: Final = {0x02: "Ẳ", 0x05: "Ẵ", 0x06: "Ẫ", 0x14: "Ỷ", 0x19: "Ỹ", 0x1E: "Ỵ"}
# VNI: a letter of Windows-1252 and, behind it, a second one for its accents.
_VNI_ACCENTS: Final = {
    "ù": "\u0301", "ø": "\u0300", "û": "\u0309", "õ": "\u0303", "ï": "\u0323",
    "â": "\u0302", "á": "\u0302\u0301", "à": "\u0302\u0300", "å": "\u0302\u0309", "ã": "\u0302\u0303",
    "ä": "\u0302\u0323",
    "ê": "\u0306", "é": "\u0306\u0301", "è": "\u0306\u0300", "ú": "\u0306\u0309", "ü": "\u0306\u0303",
    "ë": "\u0306\u0323",
}  # fmt: skip
_VNI_LETTERS: Final = {"ô": "ơ", "ö": "ư", "ñ": "đ", "æ": "ỉ", "ó": "ĩ", "ò": "ị", "î": "ỵ"}
_VNI: Final = re.compile("([aeoôuöy])([ùøûõïâáàåãäêéèúüë])|([ôöñæóòî])", re.IGNORECASE)

# The commonest accented syllables of news texts: 57% of all accented ones.
_COMMON: Final = frozenset(
    """
    công người và đã của tại bị ngày có tỉnh với là một vụ được về huyện đối xã điều vào đến hiện trên ông để đó này
    nguyễn hành việc tượng các văn nhân thông báo cơ tuổi không định biết nhà án cùng đang thị làm từ trú bình đồng sự ở
    đưa nhận hà đi phạm phòng nhiều đầu trước quận phát sát tài hình cáo phường chị bắt bộ chức khoảng tố số thành đường
    bà trường đơn tội năm nội dân những liên cảnh viên thời giữ địa xác nạn vị ngụ hàng lại tiền đình đây nên tuý xảy
    sơn trình động sản thể thì cũng hợp lý lượng vừa nguyên việt khởi tổ hải sáng lực trần năng xử tiếp gây dương đại
    quốc hoà chủ tử hồ lê điện nữ nhưng thấy hoàng như tiến nhóm nghệ tân mình thương xét tạm luật quyết chính bàn chiều
    phương dụng tình cấp diễn
    """.split()  # noqa: SIM905
)
_PUNCTUATION: Final = "\"'()[]{}<>.,;:!?*_#|/\\-–—…“”‘’«»•"
_SPLIT: Final = re.compile(r"[\s/\\|–—_.,;:()\[\]-]+")
# Letters that no Western encoding has: a line with one of them is Unicode.
_UNICODE_ONLY: Final = re.compile("[ăĂđĐĩĨũŨơƠưƯ\u1ea0-\u1ef9]")
_SEQUENCE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Windows-1252, its five unused codes as the control characters they are in Latin-1.
_WESTERN: Final = "".join(bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(256))
_TO_LATIN1: Final = {ord(char): chr(code) for code, char in enumerate(_WESTERN)}
_NOT_WESTERN: Final = re.compile(f"[^{re.escape(_WESTERN)}]")
_STRAY: Final = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file in normal form C, and what was changed to get it."""

    text: str
    warnings: tuple[ParserWarning, ...] = ()


def decode_text(content: bytes) -> Decoded:
    """Return the text of a file, without a byte order mark.

    Raises ValueError if it is no text in any encoding known here.
    """
    encoding, content = _declared(content)
    if encoding not in {"", "utf-8"}:
        return Decoded(compose(content.decode(encoding, errors="replace")))
    if b"\0" in content:
        raise ValueError("it contains zero bytes, so it is no text")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_broken(content, is_utf8=encoding == "utf-8")
    repaired = repair_texts([compose(text)])
    return Decoded(repaired.texts[0], repaired.warnings)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Texts of one document, and what was changed in them."""

    texts: Sequence[str]
    warnings: tuple[ParserWarning, ...] = ()


def repair_texts(texts: Sequence[str]) -> Repaired:
    """Return the texts of one document with lines converted that were typed in a font of TCVN3, VNI or VISCII."""
    lines = [text.split("\n") for text in texts]
    flat = [line for each in lines for line in each]
    changed = _repair_lines(flat)
    if not changed:
        return Repaired(texts)
    encoding, converted = changed
    rest = iter([converted.get(number, line) for number, line in enumerate(flat)])
    mended = ["\n".join(islice(rest, len(each))) for each in lines]
    return Repaired(mended, (_converted_warning(encoding, len(converted)),))


def read_legacy(encoding: str, text: str) -> str | None:
    """Return text that a font of a legacy encoding draws, as displayed; None if it cannot be meant as such.

    Text typed in Unicode while such a font was chosen has letters that no Western encoding has, or makes no words.
    """
    if text.isascii():
        return text
    if not _is_western(text):
        return None
    reading = compose(_DECODERS[encoding](_to_bytes(text)))
    words = list(_words(reading))
    return reading if _share(words) >= IMPLAUSIBLE else None


def _declared(content: bytes) -> tuple[str, bytes]:
    """The encoding that a mark or the pattern of zero bytes gives away, "" for none, and the rest of the content."""
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return encoding, content[len(bom) :]
    sample = content[: 1 << 16]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > _ZEROS * len(sample) / 2 and even < odd / 10:
        return "utf-16-le", content
    if even > _ZEROS * len(sample) / 2 and odd < even / 10:
        return "utf-16-be", content
    return "", content


def _decode_broken(content: bytes, *, is_utf8: bool) -> Decoded:
    """Text that is not UTF-8 throughout: UTF-8 with stray bytes, or a legacy encoding."""
    text = content.decode("utf-8", errors="surrogateescape")
    strays = len(_STRAY.findall(text))
    sound = sum(1 for _ in _SEQUENCE.finditer(content))
    if is_utf8 or strays <= MOST_STRAY * sound:
        return _replace_strays(text, strays)
    western = codecs.charmap_decode(content, "strict", _WESTERN)[0]
    best = _best_reading(list(_words(western)), few=True)
    converted = compose(western) if best is None else _read_as(best, content)
    return Decoded(converted, (_converted_warning(best or "Windows-1252", converted.count("\n") + 1),))


def _replace_strays(text: str, strays: int) -> Decoded:
    first = _STRAY.search(text)
    assert first is not None  # noqa: S101 - UTF-8 without any would have been read
    line = text.count("\n", 0, first.start()) + 1
    what = "1 byte that is" if strays == 1 else f"{strays} bytes that are"
    message = f"{what} not UTF-8 replaced, the first in line {line}"
    sound = compose(_STRAY.sub(_meant, text))
    return Decoded(sound, (ParserWarning(code="text_repaired", message=message),))


def _meant(stray: re.Match[str]) -> str:
    """What Windows calls a dash or a quotation mark is meant as one; any other byte is unknown."""
    code = ord(stray.group()) - 0xDC00
    known = 0x80 <= code < 0xA0 and _WESTERN[code] != chr(code)
    return _WESTERN[code] if known else "\ufffd"


def _converted_warning(encoding: str, lines: int) -> ParserWarning:
    what = "1 line" if lines == 1 else f"{lines} lines"
    return ParserWarning(code="text_repaired", message=f"{what} in {encoding} converted to Unicode")


def _repair_lines(lines: Sequence[str]) -> tuple[str, dict[int, str]] | None:
    """The encoding and the converted lines by number, None if all lines are fine."""
    western = {number: line for number, line in enumerate(lines) if not line.isascii() and _is_western(line)}
    doubtful = {number: line for number, line in western.items() if _share(list(_words(line))) <= IMPLAUSIBLE}
    best = _best_reading([word for line in doubtful.values() for word in _words(line)], few=False)
    if best is None:
        return None
    proper = sum(1 for line in lines if _UNICODE_ONLY.search(line))
    # In a document that is legacy throughout, "Mã" is no Vietnamese either, though it looks like it.
    legacy = western if proper <= MIXED * len(western) else doubtful
    converted = {}
    for number, line in legacy.items():
        reading = _read_as(best, _to_bytes(line))
        if reading != line and _reads_better(reading, line, everything=legacy is western):
            converted[number] = reading
    return (best, converted) if converted else None


def _reads_better(reading: str, line: str, *, everything: bool) -> bool:
    ours, theirs = _share(list(_words(reading))), _share(list(_words(line)))
    return ours >= theirs if everything else ours > max(theirs, IMPLAUSIBLE)


def _is_western(line: str) -> bool:
    """Whether every character of the line is one of Windows-1252, so that it may be a byte of a legacy encoding."""
    return not _NOT_WESTERN.search(line)


def _to_bytes(line: str) -> bytes:
    return line.translate(_TO_LATIN1).encode("latin-1")


def _best_reading(words: Sequence[str], *, few: bool) -> str | None:
    """The legacy encoding that makes Vietnamese of `words`, None if none clearly does.

    `few` where the text is certainly not Unicode, so that one word may have to do.
    """
    sample = words[:SAMPLE_WORDS]
    if len(sample) < (1 if few else FEWEST_WORDS):
        return None
    scores = {name: _score(reading) for name, reading in _readings(" ".join(sample))}
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is None:
        return None
    share, common = scores[best]
    is_common = common >= COMMON or (few and (len(sample) < FEWEST_WORDS or common >= COMMON_IN_BYTES))
    return best if is_common and share >= max(CONVINCING, _share(sample) + AHEAD) else None


def _read_as(encoding: str, content: bytes) -> str:
    text = compose(_DECODERS[encoding](content))
    return _fix_case(text) if encoding == "TCVN3" else text


def _readings(text: str) -> Iterator[tuple[str, str]]:
    content = _to_bytes(text)
    for name, decode in _DECODERS.items():
        try:
            yield name, compose(decode(content))
        except UnicodeDecodeError:
            continue


def _score(text: str) -> tuple[float, float]:
    """The share of the words that are spelled as Vietnamese is, and of those that are common."""
    words = list(_words(text))
    return _share(words), sum(word.lower() in _COMMON for word in words) / max(1, len(words))


def _share(words: Sequence[str]) -> float:
    """The share of `words` that could be Vietnamese; 1 if there are none to doubt."""
    return sum(map(is_syllable, words)) / len(words) if words else 1.0


def _words(text: str) -> Iterator[str]:
    """The accented words of `text`."""
    for word in _SPLIT.split(text):
        bare = word.strip(_PUNCTUATION)
        if bare and not bare.isascii():
            yield bare


def _fix_case(text: str) -> str:
    """Write words of capitals in capitals throughout: fonts of TCVN3 draw accented capitals over small letters."""
    return "\n".join(map(_fix_line, text.split("\n")))


def _fix_line(line: str) -> str:
    letters = [char for char in line if char.isascii() and char.isalpha()]
    shouted = len(letters) > 1 and sum(map(str.isupper, letters)) > 0.9 * len(letters)
    return re.sub(r"[^\W\d_]+", lambda word: _fix_word(word.group(), shouted=shouted), line)


def _fix_word(word: str, *, shouted: bool) -> str:
    letters = [char for char in word if char.isascii()]
    capitals = sum(map(str.isupper, letters))
    mixed = word != word.upper() and capitals == len(letters)
    return word.upper() if mixed and (shouted or capitals > 1) else word


def _vni(content: bytes) -> str:
    return _VNI.sub(_from_vni, codecs.charmap_decode(content, "strict", _WESTERN)[0])


def _from_vni(match: re.Match[str]) -> str:
    letter, accent, alone = match.groups()
    base = letter or alone
    plain = _VNI_LETTERS.get(base.lower(), base.lower()) + (_VNI_ACCENTS[accent.lower()] if accent else "")
    return plain.upper() if base.isupper() else plain


def _table(high: str, low: Mapping[int, str]) -> Callable[[bytes], str]:
    letters = "".join([low.get(code, chr(code)) for code in range(128)]) + high
    return lambda content: codecs.charmap_decode(content, "strict", letters)[0]


_DECODERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "CP1258": lambda content: content.decode("cp1258"),
    "TCVN3": _table(_TCVN, _TCVN_LOW),
    "VNI": _vni,
    "VISCII": _table(_VISCII, _VISCII_LOW),
}
