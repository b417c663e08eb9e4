"""Zip archives of documents: each file becomes a part of the document, below its name as a heading."""

import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from ingest.parsing.faults import Encrypted, TooComplex, Unreadable
from ingest.parsing.limits import MIB
from ingest.parsing.mail import Attachment, read_attachments
from phoserve.text.blocks import ParsedDocument, ParserWarning, Place
from phoserve.text.normalise import compose
from phoserve.text.orthography import is_syllable

MAX_MEMBERS: Final = 10_000
MAX_BYTES: Final = 128 * MIB
"""Of all files together, unpacked."""
MAX_RATIO: Final = 200
"""How much larger than packed a file of more than a MiB may be."""
_RESOURCES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_WORDS: Final = re.compile(r"[^\W\d_]+")
_UTF8_NAME: Final = 0x800
_ENCRYPTED: Final = 0x1
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError, ValueError)


def parse(path: Path, depth: int = 1) -> ParsedDocument:
    """Read an archive within limits; files that cannot be read are named in warnings.

    Raises Unreadable, Encrypted if all files have a password, or TooComplex.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGED as error:
        raise Unreadable("the archive is damaged or incomplete") from error
    with archive:
        members = [member for member in archive.infolist() if not _is_left_out(member)]
        if len(members) > MAX_MEMBERS:
            raise TooComplex(f"the archive has more than {MAX_MEMBERS} files; send them in several")
        if members and all(member.flag_bits & _ENCRYPTED for member in members):
            raise Encrypted("the archive is protected by a password")
        files, warnings = _unpack(archive, members)
    blocks, more = read_attachments(files, depth + 1)
    return ParsedDocument(blocks=tuple(blocks), warnings=(*warnings, *more))


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> tuple[list[Attachment], list[ParserWarning]]:
    files: list[Attachment] = []
    warnings: list[ParserWarning] = []
    left = MAX_BYTES
    for member in members:
        name = _name_of(member)
        content, reason = _content(archive, member, left)
        if content is None:
            message = f"file {name!r} of the archive was skipped: {reason}"
            warnings.append(ParserWarning(code="attachment_skipped", message=message, place=Place(part=name)))
            continue
        left -= len(content)
        files.append(Attachment(name, content))
    return files, warnings


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> tuple[bytes | None, str]:
    """Return the bytes of a file, or None and why it is skipped."""
    if member.flag_bits & _ENCRYPTED:
        return None, "it is protected by a password"
    if member.file_size > MIB and member.file_size > MAX_RATIO * max(1, member.compress_size):
        return None, "it is packed more densely than documents are"
    try:
        with archive.open(member) as file:
            content = file.read(left + 1)
    except _DAMAGED:
        return None, "it is damaged, or packed in an unsupported way"
    if len(content) > left:
        return None, f"the files of the archive are larger than {MAX_BYTES // MIB} MiB together"
    return content, ""


def _is_left_out(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder, or what macOS and Windows put next to files."""
    path = PurePosixPath(member.filename)
    return (
        member.is_dir()
        or "__MACOSX" in path.parts
        or path.name.lower() in _RESOURCES
        or path.name.startswith(("._", "~$"))
    )


def _name_of(member: zipfile.ZipInfo) -> str:
    """Return a file's name without ".." and drives; names without the flag for UTF-8 are decoded."""
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        name = _decoded_name(name)
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:255] or "file"


def _decoded_name(name: str) -> str:
    """Return a name that is not marked as UTF-8: in UTF-8 or CP1258 if it is plausible, else in CP437."""
    try:
        written = name.encode("cp437")
    except UnicodeError:
        return name
    for encoding in ("utf-8", "cp1258"):
        try:
            read = compose(written.decode(encoding))
        except UnicodeDecodeError:
            continue
        words = [word for word in _WORDS.findall(read) if not word.isascii()]
        if encoding == "utf-8" or (words and all(map(is_syllable, words))):
            return read
    return name
