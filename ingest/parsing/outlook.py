"""Mails as Outlook saves them (.msg)."""

from pathlib import Path
from typing import Final

from oxmsg import Message
from oxmsg.domain import constants
from oxmsg.properties import Properties

from ingest.parsing.encodings import decode_text
from ingest.parsing.faults import Unreadable
from ingest.parsing.html import decode_page, read_html
from ingest.parsing.mail import Attachment, read_attachments
from phoserve.text.blocks import Block, ParsedDocument, ParserWarning, Place
from phoserve.text.lines import read_lines

_DECODED_BY_CONTENT: Final = (1252, 1258, 20127, 28591, 65001)
"""Code pages that Vietnamese text is declared in, rightly or not."""
_BY_VALUE: Final = 1
_REASONS: Final = {
    2: "it is only a link to a file; send the file itself",
    3: "it is only a link to a file; send the file itself",
    4: "it is only a link to a file; send the file itself",
    5: "it is a mail within this one; save it as a file of its own and send it",
    6: "it is an object of another program; save it as a file and send it",
    7: "it is only a link to a file; send the file itself",
}
"""By the attachment's method (PidTagAttachMethod, MS-OXCMSG 2.2.2.9)."""


def parse(path: Path) -> ParsedDocument:
    """Read a mail. Raises Unreadable."""
    try:
        message = Message.load(str(path))
        body, subject = _string(message, constants.PID_BODY), _string(message, constants.PID_SUBJECT)
        html = _html(message)
        sender, recipients = _sender(message), _recipients(message)
        attachments, skipped = _attachments(message)
    except MemoryError:
        raise
    except Exception as error:  # a compound file without the properties of a mail fails in many ways
        raise Unreadable("it is no mail that Outlook saved, or damaged") from error
    blocks: list[Block] = [located.block for located in read_lines(body.replace("\r\n", "\n"))]
    if not blocks and html:
        page = read_html(html)
        blocks, skipped = list(page.blocks), [*page.warnings, *skipped]
    more, warnings = read_attachments(attachments)
    properties = {
        "sender": sender,
        "recipients": recipients,
        "date": message.sent_date.isoformat() if message.sent_date else "",
    }
    return ParsedDocument(blocks=(*blocks, *more), title=subject, warnings=(*skipped, *warnings), properties=properties)


def _string(message: Message, number: int) -> str:
    """Return a text of the mail, also one whose encoding is not the one that the mail declares."""
    try:
        return message.properties.str_prop_value(number) or ""
    except (UnicodeDecodeError, LookupError):
        content: bytes = message._storage.property_stream_bytes(number, constants.PTYP_STRING8)
        return _decode(content, message.properties)


def _html(message: Message) -> str:
    try:
        return message.html_body or ""
    except (UnicodeDecodeError, LookupError):
        content = message.properties.binary_prop_value(constants.PID_HTML) or b""
        return decode_page(content).text


def _decode(content: bytes, properties: Properties) -> str:
    """Return text in the code page of the mail, or in the encoding that its words show."""
    for number in (constants.PID_MESSAGE_CODEPAGE, constants.PID_INTERNET_CODEPAGE):
        page = properties.int_prop_value(number)
        try:
            if page and page not in _DECODED_BY_CONTENT:
                return content.decode(f"cp{page}")
        except (UnicodeDecodeError, LookupError):
            continue
    return decode_text(content).text


def _sender(message: Message) -> str:
    try:
        return message.sender or ""
    except (UnicodeDecodeError, LookupError):
        return _string(message, constants.PID_SENDER_NAME)


def _recipients(message: Message) -> str:
    names: list[str] = []
    for each in message.recipients:
        try:
            names.append(each.email_address or each.name or "")
        except (UnicodeDecodeError, LookupError):
            continue  # the mail's own headers name them too
    return ", ".join(filter(None, names))


def _attachments(message: Message) -> tuple[list[Attachment], list[ParserWarning]]:
    """Return the attached files, and a warning for each attachment that is none."""
    files: list[Attachment] = []
    warnings: list[ParserWarning] = []
    for each in message.attachments:
        name = each.file_name or each.properties.str_prop_value(constants.PID_DISPLAY_NAME) or "attachment"
        method = each.properties.int_prop_value(constants.PID_ATTACH_METHOD)
        content = each.file_bytes if method in (None, _BY_VALUE) else None
        if content is not None:
            files.append(Attachment(name, content, each.mime_type or ""))
            continue
        reason = _REASONS.get(method or 0, "the file does not hold it")
        message_ = f"attachment {name!r} was skipped: {reason}"
        warnings.append(ParserWarning(code="attachment_skipped", message=message_, place=Place(part=name)))
    return files, warnings
