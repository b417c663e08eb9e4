"""winmail.dat, in which Outlook packs a mail's text and attachments (TNEF)."""

import struct

import tnefparse

from ingest.parsing.encodings import decode_text
from ingest.parsing.faults import Unreadable
from ingest.parsing.html import read_html
from ingest.parsing.mail import Attachment, read_attachments
from phoserve.text.blocks import Block, ParsedDocument, ParserWarning
from phoserve.text.lines import read_lines


def read_tnef(content: bytes, depth: int) -> ParsedDocument:
    """Read the attachments, and the text that the mail itself may lack. Raises Unreadable."""
    try:
        packed = tnefparse.TNEF(content, do_checksum=False)
        body, html = packed.body, packed.htmlbody
        attachments = [
            Attachment(_name_of(each) or "attachment", bytes(each.data or b"")) for each in packed.attachments
        ]
    except MemoryError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, LookupError, struct.error) as error:
        raise Unreadable("it is damaged, or no winmail.dat") from error
    blocks: list[Block] = []
    own: tuple[ParserWarning, ...] = ()
    if body:
        blocks = [located.block for located in read_lines(_text(body))]
    elif html:
        page = read_html(_text(html))
        blocks, own = list(page.blocks), page.warnings
    more, warnings = read_attachments(attachments, depth)
    return ParsedDocument(blocks=(*blocks, *more), warnings=(*own, *warnings))


def _text(value: str | bytes) -> str:
    return decode_text(value.rstrip(b"\0")).text if isinstance(value, bytes) else value.rstrip("\0")


def _name_of(attachment: tnefparse.tnef.TNEFAttachment) -> str:
    try:
        name: str = attachment.long_filename()
    except UnicodeDecodeError:  # the library reads UTF-8 alone
        name = _text(attachment._name)
    return name.strip("\0 ")
