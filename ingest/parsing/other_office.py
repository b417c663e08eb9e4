"""What kreuzberg reads: binary workbooks, and old Office and RTF files that are damaged; titles of their own."""

import html
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import kreuzberg

from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.markdown import blocks_of_markdown
from ingest.parsing.media import DOC, XLS, XLSB
from ingest.parsing.opc import is_encrypted
from phoserve.text.blocks import Block, Paragraph, ParsedDocument, ParserWarning

_OUT_OF_MEMORY: Final = ("memory", "alloc", "spawn", "resource temporarily")
_LOCKED: Final = ("password", "encrypt", "decrypt")
_IMAGE: Final = re.compile(r"\\?!\[[^\[\]\n]*+\]\([^()\n]*+\)")
_METADATA_PARTS: Final = ("meta.xml", "docProps/core.xml")
_TITLE: Final = re.compile(r"<dc:title[^<>]*>([^<]{1,1000})</dc:title>")
_RTF_TITLE: Final = re.compile(rb"\{\\title\s((?:[^{}\\]|\\[^{}]){1,1000})\}")
_RTF_CHARACTER: Final = re.compile(r"\\u(-?\d{1,5}) ?(?:\\'[0-9a-fA-F]{2}|[^\\])?|\\'([0-9a-fA-F]{2})|\\[a-z]+-?\d* ?")
_NOT_AS_DISPLAYED: Final = ParserWarning(
    code="not_as_displayed",
    message="old formats are read without automatic numbers and text boxes; hidden or deleted text may be included; "
    "save it in a new one (.docx, .pptx, .odt) to have it read as displayed",
)
_AS_STORED: Final = ParserWarning(
    code="not_as_displayed",
    message="the workbook is read with its values as stored, hidden sheets and rows included; save it as .xlsx "
    "to have it read as displayed",
)
_PANIC: Final = "PanicException"
"""What a parser in Rust raises at a fault of its own; it is no Exception."""
_LARGEST_PART: Final = 1 << 20
_RTF_HEAD: Final = 1 << 16


def read_or_extract(path: Path, media_type: str, read: Callable[[Path], ParsedDocument]) -> ParsedDocument:
    """Return what `read` reads of the file; if its structure is damaged, what can still be extracted as text.

    Raises Unreadable or Encrypted.
    """
    if is_encrypted(path):
        raise Encrypted("it is protected by a password")
    try:
        return read(path)
    except (MemoryError, Encrypted):
        raise
    except Exception:  # whatever of the structure is damaged, the text may still be found
        return parse(path, media_type)


def parse(path: Path, media_type: str) -> ParsedDocument:
    """Read the file at `path`. Raises Unreadable or Encrypted."""
    if is_encrypted(path):  # new Office files with a password are packed like the old ones
        raise Encrypted("it is protected by a password")
    # In Markdown the paragraphs of an old Word file are one.
    is_plain = media_type == DOC
    config = kreuzberg.ExtractionConfig(output_format="plain" if is_plain else "markdown", use_cache=False)
    try:
        result = kreuzberg.extract_file_sync(path, mime_type=media_type, config=config)
    except MemoryError:
        raise
    except BaseException as error:  # whatever the parser raises, the document is to blame
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        reason = str(error).lower()
        if any(word in reason for word in _OUT_OF_MEMORY):
            raise MemoryError from error
        if any(word in reason for word in _LOCKED):
            raise Encrypted("it is protected by a password") from error
        raise Unreadable("it is damaged, or not of the type in its name; open it, save it again and retry") from error
    title = own_title(path) or str(result.metadata.get("title") or "")
    text = _IMAGE.sub("", result.content)
    blocks: list[Block] = (
        [Paragraph(text=line.strip()) for line in text.split("\n") if line.strip()]
        if is_plain
        else blocks_of_markdown(text)
    )
    warning = _AS_STORED if media_type in (XLS, XLSB) else _NOT_AS_DISPLAYED
    return ParsedDocument(blocks=tuple(blocks), title=title.strip(), warnings=(warning,) if blocks else ())


def own_title(path: Path) -> str:
    """Return the title in the metadata of an OpenDocument, EPUB or RTF file, "" if there is none."""
    with path.open("rb") as file:
        head = file.read(_RTF_HEAD)
    if head.startswith(b"{\\rtf"):
        match = _RTF_TITLE.search(head)
        return _rtf_text(match[1].decode("cp1252", errors="replace")) if match else ""
    if not head.startswith(b"PK"):
        return ""
    try:
        with zipfile.ZipFile(path) as package:
            names = [name for name in package.namelist() if name in _METADATA_PARTS or name.endswith(".opf")]
            for name in names[:3]:
                with package.open(name) as part:
                    match_ = _TITLE.search(part.read(_LARGEST_PART).decode("utf-8", errors="replace"))
                if match_:
                    return html.unescape(match_[1]).strip()
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
        return ""
    return ""


def _rtf_text(written: str) -> str:
    """The text of a run of RTF: escapes for characters, and control words that change nothing."""

    def character(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1]) % 0x10000)
        return bytes.fromhex(match[2]).decode("cp1252", errors="replace") if match[2] else ""

    return _RTF_CHARACTER.sub(character, written).strip()
