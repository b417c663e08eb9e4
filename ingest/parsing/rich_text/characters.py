"""The characters of RTF: bytes in the code pages of fonts, Unicode with its replacements, special characters."""

from typing import Final

WESTERN: Final = "cp1252"
# By the charset of a font; 0 and 1 are the code page of the file.
CODE_PAGES: Final = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp850",
}  # fmt: skip
SYMBOL_CHARSET: Final = 2
SPECIAL: Final = {
    "tab": "\t", "line": "\n", "softline": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "lquote": "‘",
    "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ",
}  # fmt: skip
SYMBOLS: Final = {"~": " ", "_": "-", "\t": "\t", "\\": "\\", "{": "{", "}": "}"}


def code_page(number: int) -> str:
    """Return the codec of a Windows code page, Windows-1252 if there is none."""
    name = {10000: "mac_roman", 65001: "utf-8", 1361: "johab", 42: WESTERN}.get(number, f"cp{number}")
    try:
        b"".decode(name)
    except LookupError:
        return WESTERN
    return name


class Characters:
    """Collects the text of a paragraph: bytes are decoded as soon as their code page ends."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._bytes = bytearray()
        self._codec = WESTERN

    def add_bytes(self, content: bytes, codec: str) -> None:
        """Append bytes of a code page; a character may have its bytes in several tokens."""
        if codec != self._codec:
            self._decode()
            self._codec = codec
        self._bytes += content

    def add_text(self, text: str) -> None:
        """Append characters."""
        self._decode()
        self._parts.append(text)

    def add_code(self, number: int) -> None:
        """Append the UTF-16 code unit of a `\\u` word, which may be written as a negative number."""
        self.add_text(chr(number % 0x10000))

    def take(self) -> str:
        """Return the text so far, and begin again."""
        self._decode()
        text = "".join(self._parts)
        self._parts.clear()
        if any("\ud800" <= letter < "\ue000" for letter in text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def _decode(self) -> None:
        if self._bytes:
            self._parts.append(bytes(self._bytes).decode(self._codec, "replace"))
            self._bytes.clear()
