"""Mails as Outlook saves them (.msg)."""

from pathlib import Path

from oxmsg import Message

from ingest.parsing.faults import Unreadable
from ingest.parsing.html import read_html
from ingest.parsing.mail import Attachment, read_attachments
from phoserve.text.blocks import Block, ParsedDocument
from phoserve.text.lines import read_lines


def parse(path: Path) -> ParsedDocument:
    """Read a mail. Raises Unreadable."""
    try:
        message = Message.load(str(path))
        body, html, subject = message.body or "", message.html_body or "", message.subject or ""
        attachments = [
            Attachment(each.file_name or "attachment", each.file_bytes or b"", each.mime_type or "")
            for each in message.attachments
            if each.attached_by_value
        ]
    except MemoryError:
        raise
    except Exception as error:  # a compound file without the properties of a mail fails in many ways
        raise Unreadable("it is no mail that Outlook saved, or damaged") from error
    blocks: list[Block] = [located.block for located in read_lines(body.replace("\r\n", "\n"))]
    if not blocks and html:
        blocks = list(read_html(html).blocks)
    more, warnings = read_attachments(attachments)
    properties = {
        "sender": message.sender or "",
        "recipients": ", ".join(each.email_address or each.name or "" for each in message.recipients),
        "date": message.sent_date.isoformat() if message.sent_date else "",
    }
    return ParsedDocument(blocks=(*blocks, *more), title=subject, warnings=tuple(warnings), properties=properties)
