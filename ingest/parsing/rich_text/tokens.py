"""The tokens of RTF (Rich Text Format 1.9.1): groups, control words, and bytes of text."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?"
    rb"|\\'([0-9a-fA-F]{2})"
    rb"|\\([^a-zA-Z])"
    rb"|([{}])"
    rb"|([^\\{}\r\n]+)"
)
_BINARY: Final = b"bin"


class Token(NamedTuple):
    """One of "word", "symbol", "byte", "text", "open", "close"."""

    kind: str
    name: str = ""
    """Of a control word or symbol."""
    number: int | None = None
    """The parameter of a control word."""
    content: bytes = b""
    """Bytes of text."""


OPEN: Final = Token("open")
CLOSE: Final = Token("close")


def read_tokens(content: bytes) -> Iterator[Token]:
    """Yield the tokens of a file; binary data and line ends of the file itself are left out."""
    at = 0
    while match := _TOKEN.search(content, at):
        at = match.end()
        word, number, code, symbol, brace, text = match.groups()
        if word == _BINARY:
            at += max(0, int(number or 0))
        elif word is not None:
            yield Token("word", word.decode("ascii"), None if number is None else int(number))
        elif text is not None:
            yield Token("text", content=text)
        elif code is not None:
            yield Token("byte", content=bytes.fromhex(code.decode("ascii")))
        elif brace is not None:
            yield OPEN if brace == b"{" else CLOSE
        else:
            yield Token("symbol", symbol.decode("latin-1"))
