"""The process that reads one office document: `python -m ingest.parsing.child PATH MEDIA_TYPE MEMORY CPU_S TEXT_BYTES`.

It limits itself before it touches the file, and writes one message to its standard output.
"""

import re
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from ingest.parsing.encodings import decoded, repaired
from ingest.parsing.html import text_of_html
from ingest.parsing.media import HTML

_BOLD: Final = re.compile(r"(?<!\w)\*\*|\*\*(?!\w)")
_ITALIC: Final = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,2000})\*(?![\w*])")
_IMAGE: Final = re.compile(r"\\?!\[[^\]\n]*\]\([^)\n]*\)")
_ESCAPE: Final = re.compile(r"\\([*_~`#\[\]()!.|<>-])")
_BLANKS: Final = re.compile(r"\n{3,}")
_LOCKED: Final = ("password", "encrypt", "decrypt")


class Extracted(msgspec.Struct, frozen=True, tag=True):
    """The text of a document, with headings, lists and tables as markdown has them."""

    text: str
    title: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why there is no text."""

    code: str
    message: str


def main(path: str, media_type: str, memory_bytes: str, cpu_s: str, text_bytes: str) -> None:
    """Read the file and answer."""
    _limit(int(memory_bytes), int(cpu_s))
    answer = _read(path, media_type)
    if isinstance(answer, Extracted) and len(answer.text) > int(text_bytes):
        answer = Refused("too_large", f"the text of the document is longer than {text_bytes} characters")
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))


def _limit(memory_bytes: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory_bytes, memory_bytes))


def _read(path: str, media_type: str) -> Extracted | Refused:
    if media_type in HTML:
        return _read_html(Path(path))
    import kreuzberg  # after the limits: what it allocates counts

    config = kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False)
    try:
        result = kreuzberg.extract_file_sync(Path(path), mime_type=media_type, config=config)
    except Exception as error:  # whatever the parser raises, the document is to blame
        if any(word in str(error).lower() for word in _LOCKED):
            return Refused("encrypted", "the document is protected by a password; send it without one")
        return Refused("unreadable", f"the document cannot be read: {_first_line(error)}")
    return Extracted(repaired(clean_markdown(result.content)), str(result.metadata.get("title") or "").strip())


def _read_html(path: Path) -> Extracted | Refused:
    try:
        return Extracted(*text_of_html(decoded(path.read_bytes())))
    except ValueError as error:
        return Refused("unreadable", f"this is not HTML: {error}")


def clean_markdown(markdown: str) -> str:
    """`markdown` without pictures, emphasis and escapes, which say nothing and would be searched."""
    text = _ITALIC.sub(r"\1", _BOLD.sub("", _IMAGE.sub("", _ESCAPE.sub(r"\1", markdown))))
    return _BLANKS.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0][:200]


if __name__ == "__main__":
    main(*sys.argv[1:])
