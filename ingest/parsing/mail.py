"""Mail: the subject as title, the readable part of each alternative, and attachments as parts of the document."""

import mimetypes
import re
import tempfile
from contextvars import ContextVar
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Final

import msgspec

from ingest.parsing.encodings import decode_text
from ingest.parsing.failures import failure_of
from ingest.parsing.faults import Unreadable
from ingest.parsing.html import read_html
from ingest.parsing.media import ARCHIVE, MAIL, PLAIN, TNEF, media_type_of
from ingest.parsing.plain import read_plain
from phoserve.text.blocks import Block, Heading, ParsedDocument, ParserWarning, Place
from phoserve.text.lines import read_lines

MAX_ATTACHMENTS: Final = 50
MAX_DEPTH: Final = 3
"""Of mails within mails, and of files within files."""
_DEPTH: Final = ContextVar("depth", default=0)
"""How many files are around the one that is being read."""
_SKIPPED: Final = ("image_skipped", "attachment_skipped")
_PAGES: Final = ("text/html", "application/xhtml+xml")
_SIGNATURE: Final = "-- "
_EAST_ASIAN: Final = re.compile(r"gb.*|big5.*|euc.*|shift_?jis.*|s_?jis.*|cp9(?:32|36|49|50)|hz.*|johab|ks_c_.*|x-gbk")
_MIXED_WORD: Final = re.compile(
    r"[A-Za-z][\u00c0-\u1fff]|[\u00c0-\u1fff][A-Za-z]|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
_HEADERS: Final = {"sender": "from", "recipients": "to", "copies": "cc", "date": "date"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a mail."""

    name: str
    content: bytes
    media_type: str = ""


@dataclass(slots=True)
class _Found:
    blocks: list[Block] = field(default_factory=list)
    warnings: list[ParserWarning] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    title: str = ""
    """Of the first web page."""


def parse(path: Path, depth: int = 1) -> ParsedDocument:
    """Read a mail. Raises Unreadable."""
    message = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
    if not isinstance(message, EmailMessage) or not message.keys():
        raise Unreadable("it is no mail: it has no header lines")
    found = _Found()
    _read_part(message, found)
    if _is_web_archive(message):  # the rest is the page's pictures and style sheets
        found.attachments = [file for file in found.attachments if file.media_type in _PAGES]
        found.warnings = [warning for warning in found.warnings if warning.code not in _SKIPPED]
    blocks, warnings = read_attachments(found.attachments, depth)
    return ParsedDocument(
        blocks=(*found.blocks, *blocks),
        title=_header(message, "subject") or found.title,
        warnings=(*found.warnings, *warnings),
        properties={name: value for name, header in _HEADERS.items() if (value := _header(message, header))},
    )


def _is_web_archive(message: EmailMessage) -> bool:
    """Whether it is a page that Word or a browser saved as one file (MHTML), not a mail."""
    sender = _header(message, "from")
    return message.get_content_type() == "multipart/related" and (not sender or sender.startswith("<Saved by"))


def read_attachments(attachments: list[Attachment], depth: int = 1) -> tuple[list[Block], list[ParserWarning]]:
    """Return the blocks of attachments, each below its name as a heading, and warnings for those that are skipped."""
    blocks: list[Block] = []
    warnings: list[ParserWarning] = []
    for number, attachment in enumerate(attachments):
        reason = f"only the first {MAX_ATTACHMENTS} are read" if number >= MAX_ATTACHMENTS else ""
        place = Place(part=attachment.name)
        try:
            read = None if reason else _read_attachment(attachment, depth)
        except MemoryError:
            raise
        except Exception as error:  # one broken attachment must not take the mail with it
            read, reason = None, str(failure_of(error))
        if read is None or not read.blocks:
            message = f"attachment {attachment.name!r} was skipped: {reason or 'there is no text in it'}"
            warnings.append(ParserWarning(code="attachment_skipped", message=message, place=place))
            continue
        blocks.append(Heading(text=attachment.name, level=1, place=place))
        blocks += [_in_part(block, attachment.name) for block in read.blocks]
        warnings += [_warning_in_part(warning, attachment.name) for warning in read.warnings]
    return blocks, warnings


def _read_attachment(attachment: Attachment, depth: int) -> ParsedDocument:
    from ingest.parsing.parsers import can_parse  # they know of mails too

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attachment"
        path.write_bytes(attachment.content)
        kind = media_type_of(path, attachment.media_type, attachment.name)
        if kind == MAIL and depth >= MAX_DEPTH:
            raise Unreadable("it is a mail within too many others")
        if kind == MAIL:
            return parse(path, depth + 1)
        if kind == TNEF:
            return _read_tnef(attachment.content, depth)
        if kind == ARCHIVE:
            return _read_archive(path, depth)
        if can_parse(kind):
            return _parse_within(path, kind)
        if kind.startswith("text/"):
            return _plain(attachment.content)
        raise Unreadable(f"{kind} documents are not read")


def _parse_within(path: Path, kind: str) -> ParsedDocument:
    """Read a file that is embedded in another; those in it too, down to MAX_DEPTH."""
    from ingest.parsing.parsers import parse_file

    depth = _DEPTH.get()
    if depth >= MAX_DEPTH:
        raise Unreadable("it is a file within too many others")
    token = _DEPTH.set(depth + 1)
    try:
        return parse_file(path, kind)
    finally:
        _DEPTH.reset(token)


def _read_archive(path: Path, depth: int) -> ParsedDocument:
    from ingest.parsing import archive  # it knows of attachments too

    if depth > 1:
        raise Unreadable("archives within archives or attached mails are not read; send it as a document of its own")
    return archive.parse(path, depth)


def _read_tnef(content: bytes, depth: int) -> ParsedDocument:
    from ingest.parsing import winmail  # it knows of attachments too

    if depth > MAX_DEPTH:
        raise Unreadable("it is within too many other mails")
    return winmail.read_tnef(content, depth + 1)


def _plain(content: bytes) -> ParsedDocument:
    decoded = read_plain(content)
    return ParsedDocument(blocks=tuple(each.block for each in read_lines(decoded.text)), warnings=decoded.warnings)


def _read_part(part: EmailMessage, found: _Found) -> None:
    kind = part.get_content_type()
    if part.get_content_disposition() == "attachment" or (part.get_filename() and not kind.startswith("multipart/")):
        found.attachments.append(_attachment(part))
    elif kind == "multipart/alternative":
        _read_alternative(part, found)
    elif kind == MAIL:
        found.attachments.append(_attachment(part))
    elif part.is_multipart():
        for inner in part.iter_parts():
            if isinstance(inner, EmailMessage):
                _read_part(inner, found)
    elif kind in (PLAIN, "text/html"):
        _add_text(part, kind, found)
    elif kind.startswith("image/"):
        message = f"an inline picture ({kind}) was left out; attach it as a file to have its text read"
        found.warnings.append(ParserWarning(code="image_skipped", message=message))
    elif kind == "text/calendar":
        message = "an invitation (text/calendar) was left out; the text of the mail is kept"
        found.warnings.append(ParserWarning(code="attachment_skipped", message=message))
    else:
        found.attachments.append(_attachment(part))


def _read_alternative(part: EmailMessage, found: _Found) -> None:
    """Read the plain version, or the one in HTML if there is no plain one, or none to speak of."""
    versions: list[_Found] = []
    for inner in part.iter_parts():
        if isinstance(inner, EmailMessage):
            version = _Found()
            _read_part(inner, version)
            versions.append(version)
    lengths = [sum(len(getattr(block, "text", "")) for block in version.blocks) for version in versions]
    readable = [
        each for each, length in zip(versions, lengths, strict=True) if length * 4 >= max(lengths) and each.blocks
    ]
    if readable:
        found.blocks += readable[0].blocks
        found.title = found.title or readable[0].title
    for version in versions:
        found.attachments += version.attachments
        # What was skipped in the other versions is lost as well; how their text was decoded does not matter.
        is_read = readable and version is readable[0]
        found.warnings += [each for each in version.warnings if is_read or each.code in _SKIPPED]


def _add_text(part: EmailMessage, kind: str, found: _Found) -> None:
    content = _content(part)
    charset = (part.get_content_charset() or "").lower()
    try:
        is_trusted = charset not in ("", "us-ascii", "utf-8") and not _is_utf8(content, charset)
        text = content.decode(charset) if is_trusted else ""
    except (LookupError, UnicodeDecodeError):
        text = ""
    if not text:
        decoded = decode_text(content)
        found.warnings += decoded.warnings
        text = decoded.text
    if kind == "text/html":
        page = read_html(text)
        found.title = found.title or page.title
        found.blocks += page.blocks
        found.warnings += page.warnings
    else:
        if str(part.get_param("format") or "").lower() == "flowed":
            text = unflow(text, deletes_space=str(part.get_param("delsp") or "").lower() == "yes")
        found.blocks += [located.block for located in read_lines(text.replace("\r\n", "\n"))]


def _is_utf8(content: bytes, charset: str) -> bool:
    """Whether the content is UTF-8 in spite of the declared encoding.

    Accented text in UTF-8 is rarely valid by chance, except for short text in an East Asian encoding: that is read as
    declared, unless the reading in UTF-8 has words that mix plain and accented letters, or East Asian letters.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if content.isascii():
        return False
    return not _EAST_ASIAN.fullmatch(charset) or _MIXED_WORD.search(text) is not None


def unflow(text: str, *, deletes_space: bool = False) -> str:
    """Join the lines of format=flowed text (RFC 3676) that end with a blank; quoted ones stay quoted."""
    lines: list[str] = []
    open_depth: int | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        if open_depth == depth and content != _SIGNATURE:
            lines[-1] += content
        else:
            lines.append(f"{'>' * depth} {content}" if depth else content)
        is_flowed = content.endswith(" ") and content != _SIGNATURE
        open_depth = depth if is_flowed else None
        if is_flowed and deletes_space:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _attachment(part: EmailMessage) -> Attachment:
    kind = part.get_content_type()
    if kind == MAIL and part.is_multipart():
        inner: Any = part.get_payload(0)
        name = part.get_filename() or f"{_header(inner, 'subject') or 'mail'}.eml"
        return Attachment(name, inner.as_bytes(), MAIL)
    name = part.get_filename() or f"attachment{mimetypes.guess_extension(kind) or ''}"
    return Attachment(name, _content(part), kind)


def _content(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _header(message: Any, name: str) -> str:
    try:
        return " ".join(str(message.get(name) or "").split())
    except Exception:  # the standard library stumbles over some broken headers
        return ""


def _in_part(block: Block, name: str) -> Block:
    return msgspec.structs.replace(block, place=_part_of(block.place, name))


def _warning_in_part(warning: ParserWarning, name: str) -> ParserWarning:
    return msgspec.structs.replace(warning, place=_part_of(warning.place, name))


def _part_of(place: Place, name: str) -> Place:
    return msgspec.structs.replace(place, part=f"{name} › {place.part}" if place.part else name)
