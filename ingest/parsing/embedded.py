"""Files embedded in Word, PowerPoint and Excel documents as objects: parts of the document, or named in warnings."""

import io
import posixpath
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import olefile

from ingest.parsing.faults import Unreadable
from ingest.parsing.mail import Attachment, read_attachments
from ingest.parsing.opc import Package
from phoserve.text.blocks import Block, ParserWarning

KINDS: Final = ("package", "oleObject")
"""Kinds of relations that lead to embedded files."""
_OOXML: Final = b"PK\x03\x04"
_COMPOUND: Final = b"\xd0\xcf\x11\xe0"
_SUFFIXES: Final = {"Workbook": ".xls", "Book": ".xls", "WordDocument": ".doc", "PowerPoint Document": ".ppt"}
"""Streams of old Office files, which an object may be as a whole."""
_NATIVE: Final = "\x01Ole10Native"
_FILE_STREAMS: Final = ("Package", "CONTENTS")
_EQUATION: Final = "Equation Native"
_HEAD_BYTES: Final = 6
_OFFICE_PATH_BYTES: Final = 4


class Formula(Exception):
    """The object is a formula that only its program can read."""


def read_embedded(package: Package, objects: Sequence[tuple[str, str]]) -> tuple[list[Block], list[ParserWarning]]:
    """Return the blocks of embedded files, each below its name as a heading, and warnings for those left out.

    `objects` are the program and the part of each; one part is read once.
    """
    files: list[Attachment] = []
    warnings: list[ParserWarning] = []
    formulas = 0
    for part, program in {part: program for program, part in objects if part}.items():
        try:
            files.append(_file(package, part))
        except Formula:
            formulas += 1
        except (Unreadable, OSError, ValueError, struct.error):
            message = (
                f"an embedded object of {program or 'another program'} was left out; save it as a file and send it"
            )
            warnings.append(ParserWarning(code="attachment_skipped", message=message))
    if formulas:
        message = (
            f"{formulas} formula{'s' * (formulas > 1)} of Equation Editor left out; convert them to Office formulas"
        )
        warnings.append(ParserWarning(code="image_skipped", message=message))
    blocks, more = read_attachments(files)
    return blocks, [*warnings, *more]


def embedded_parts(package: Package, parts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the program ("" where it is not known) and part of each file embedded in `parts`."""
    for part in parts:
        for kind in KINDS:
            yield from (("", target) for target in package.related(part, kind))


def _file(package: Package, part: str) -> Attachment:
    """Return an embedded file. Raises Formula, Unreadable, OSError, ValueError or struct.error."""
    name, content = posixpath.basename(part), package.read(part)
    if content.startswith(_OOXML):
        return Attachment(name, content)
    if not content.startswith(_COMPOUND):
        raise Unreadable("it is no file")
    with olefile.OleFileIO(io.BytesIO(content)) as compound:
        streams = {"/".join(path) for path in compound.listdir()}
        for stream, suffix in _SUFFIXES.items():
            if stream in streams:
                return Attachment(posixpath.splitext(name)[0] + suffix, content)
        if _NATIVE in streams:
            return _native_file(compound.openstream(_NATIVE).read())
        if _EQUATION in streams:
            raise Formula
        for stream in _FILE_STREAMS:
            if stream in streams:
                return Attachment(posixpath.splitext(name)[0], compound.openstream(stream).read())
    raise Unreadable("its program is not known")


def _native_file(stream: bytes) -> Attachment:
    """Return the file in an object of Windows' packager: label, path, temporary path, content (MS-OLEDS, 2.3.6)."""
    label, _, rest = stream[_HEAD_BYTES:].partition(b"\0")
    _, _, rest = rest.partition(b"\0")
    (length,) = struct.unpack_from("<I", rest, _OFFICE_PATH_BYTES)
    at = 2 * _OFFICE_PATH_BYTES + length
    (size,) = struct.unpack_from("<I", rest, at)
    content = rest[at + 4 : at + 4 + size]
    if len(content) < size:
        raise ValueError("it is cut")
    return Attachment(label.decode("cp1258", "replace") or "file", content)
