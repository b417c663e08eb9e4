"""Plain text, read in the worker itself: it stays as it is, so that spans count in the text that was sent."""

import re
from collections.abc import Sequence
from typing import Final

from ingest.parsing.encodings import Decoded, decode_text
from ingest.parsing.failures import ParsingFailed
from phoserve.text.blocks import ParserWarning

# An embedded picture: nothing to read, and thousands of tokens long.
_IMAGE: Final = re.compile(r"!\[([^\[\]\n]{0,1000}+)\]\(\s*data:[^)\s]*(?:\s[^)\n]{0,200})?\)")
_DATA: Final = re.compile(r"data:[\w.+-]{1,60}/[\w.+-]{1,60};base64,[A-Za-z0-9+/=]{64,}")


def read_plain(content: bytes) -> Decoded:
    """Return the text of a file, in any encoding, without embedded pictures. Raises ParsingFailed."""
    try:
        decoded = decode_text(content)
    except ValueError as error:
        raise ParsingFailed("encoding", f"the text cannot be read: {error}; send it in UTF-8") from error
    text, warnings = drop_pictures(decoded.text)
    return Decoded(text, (*decoded.warnings, *warnings))


def drop_pictures(text: str) -> tuple[str, Sequence[ParserWarning]]:
    """Return `text` without pictures that are embedded as base64; their descriptions stay."""
    if "data:" not in text:
        return text, ()
    text, images = _IMAGE.subn(r"\1", text)
    text, others = _DATA.subn("", text)
    if not images + others:
        return text, ()
    what = "1 embedded picture was" if images + others == 1 else f"{images + others} embedded pictures were"
    return text, (ParserWarning(code="image_skipped", message=f"{what} left out; only the description is kept"),)
