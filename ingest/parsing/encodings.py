"""Text files of every age: UTF-8, UTF-16 and the encodings Vietnamese was written in before Unicode.

Fonts such as .VnTime or VNI-Times draw Vietnamese over Western letters, so old office documents hold such text as well:
their file says Unicode, yet "Cộng hòa" is stored as "Céng hßa". `repaired` mends those.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

SAMPLE_WORDS: Final = 2000
CONVINCING: Final = 0.8
"""Share of the accented words that must be Vietnamese syllables before a legacy encoding is believed."""
DOUBTFUL: Final = 0.5
FEWEST_WORDS: Final = 3

_ONSET: Final = "ngh|ng|nh|gh|gi|kh|ph|th|tr|ch|qu|[bcdđghklmnpqrstvx]"
_NUCLEUS: Final = (
    "uyê|uya|uyu|uây|uôi|ươi|ươu|oai|oao|oay|oeo|iêu|yêu|[iy]ê|i[au]|a[iouy]|â[uy]|eo|êu|o[aăei]|ôi|ơi|u[aâêiôơy]|ư[aiơu]"
    "|[aăâeêioôơuưy]"
)
_SYLLABLE: Final = re.compile(rf"(?:{_ONSET})?(?:{_NUCLEUS})(?:ng|nh|ch|[cmnpt])?")
_TONES: Final = re.compile("[\u0300\u0301\u0303\u0309\u0323]")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

# TCVN 5712:1993, from 0x80; its third variant is what the .Vn fonts use.
_TCVN: Final = (
    "ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ\u00a0ĂÂÊÔƠƯĐăâêôơưđẰ\u0300\u0309\u0303\u0301\u0323àảãáạẲằẳẵắẴ"
    "ẮẦẨẪẤỀặầẩẫấậèỂẻẽéẹềểễếệìỉỄẾỒĩíịòỔỏõóọồổỗốộờởỡớợùỖủũúụừửữứựỳỷỹýỵỐ"
)
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


def decoded(content: bytes) -> str:
    """The text of a file, in normal form C, without a byte order mark.

    Raises ValueError if it is no text in any encoding known here.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _normal(content.decode(encoding))
    if b"\0" in content:
        raise ValueError("it contains zero bytes, so it is no text")
    try:
        return repaired(_normal(content.decode("utf-8")))
    except UnicodeDecodeError:
        western = content.decode("cp1252", errors="replace")
    candidates = dict(_legacy(content))
    best = max(candidates, key=lambda name: _share(candidates[name]), default=None)
    return candidates[best] if best and _share(candidates[best]) >= CONVINCING else _normal(western)


def repaired(text: str) -> str:
    """`text` with the lines mended that were typed in a font of TCVN3, VNI or VISCII; others stay as they are."""
    lines = text.split("\n")
    suspects = {number: raw for number, line in enumerate(lines) if (raw := _suspect(line)) is not None}
    candidates = dict(_legacy(b"\n".join(suspects.values())))
    best = max(candidates, key=lambda name: _share(candidates[name]), default=None)
    if best is None or _share(candidates[best]) < CONVINCING:
        return text
    mended = candidates[best].split("\n")
    for number, line in zip(suspects, mended, strict=True):
        lines[number] = line
    return "\n".join(lines)


def _suspect(line: str) -> bytes | None:
    """The bytes of a line that is full of Western letters and hardly Vietnamese."""
    try:
        western = line.encode("cp1252")
    except UnicodeEncodeError:  # soon, in a line of Vietnamese: most of its letters are none of these
        return None
    return None if line.isascii() or _share(line) >= DOUBTFUL else western


def _legacy(content: bytes) -> Iterator[tuple[str, str]]:
    for name, decode in _DECODERS.items():
        try:
            yield name, _normal(decode(content))
        except UnicodeDecodeError:
            continue


def _share(text: str) -> float:
    """The share of the accented words of `text` that could be Vietnamese; 0 if there are too few to tell."""
    words = (word for match in re.finditer(r"\S+", text) if not (word := match.group()).isascii())
    sample = list(islice(words, SAMPLE_WORDS))
    return sum(map(_is_vietnamese, sample)) / len(sample) if len(sample) >= FEWEST_WORDS else 0.0


def _is_vietnamese(word: str) -> bool:
    letters = word.strip("\"'()[]{}<>.,;:!?*_#|/\\-–—…“”‘’«»•").lower()
    bare, tones = _TONES.subn("", unicodedata.normalize("NFD", letters))
    return tones <= 1 and _SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare)) is not None


def _vni(content: bytes) -> str:
    return _VNI.sub(_from_vni, content.decode("cp1252"))


def _from_vni(match: re.Match[str]) -> str:
    letter, accent, alone = match.groups()
    base = letter or alone
    plain = _VNI_LETTERS.get(base.lower(), base.lower()) + (_VNI_ACCENTS[accent.lower()] if accent else "")
    return plain.upper() if base.isupper() else plain


def _table(high: str, low: Mapping[int, str]) -> Callable[[bytes], str]:
    letters = "".join([low.get(code, chr(code)) for code in range(128)]) + high
    return lambda content: codecs.charmap_decode(content, "strict", letters)[0]


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


_DECODERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "cp1258": lambda content: content.decode("cp1258"),
    "tcvn3": _table(_TCVN, {}),
    "vni": _vni,
    "viscii": _table(_VISCII, _VISCII_LOW),
}
