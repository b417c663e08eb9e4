"""RTF files: text, lists, tables, notes and text boxes as a reader sees them, without what is hidden or deleted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingest.parsing import other_office
from ingest.parsing.faults import Unreadable
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.opc import is_template_title
from ingest.parsing.rich_text.reader import RichTextReader
from ingest.parsing.rich_text.tokens import read_tokens
from phoserve.text.blocks import ParsedDocument, ParserWarning

_TYPE: Final = "application/rtf"
_HEAD: Final = b"{"
_OWN: Final = "author"


def parse(path: Path) -> ParsedDocument:
    """Read a document. Raises Unreadable."""
    return other_office.read_or_extract(path, _TYPE, lambda file: read_rich_text(file.read_bytes()))


def read_rich_text(content: bytes) -> ParsedDocument:
    """Read the content of an RTF file. Raises Unreadable."""
    if not content.lstrip().startswith(_HEAD):
        raise Unreadable("it is no RTF file")
    reader = RichTextReader()
    reader.read(read_tokens(content))
    title = reader.info.get("title", "")
    properties = {kind: "\n".join(lines) for kind, lines in reader.margins.items() if lines}
    if author := reader.info.get(_OWN):
        properties["author"] = author
    return ParsedDocument(
        blocks=tuple(reader.story.blocks),
        title="" if is_template_title(title) else title,
        warnings=(*_warnings(reader), *converted_warning(reader.story.converted)),
        properties=properties,
    )


def _warnings(reader: RichTextReader) -> Iterator[ParserWarning]:
    if count := reader.hidden_passages:
        message = f"{count} passage{'s' * (count > 1)} of hidden text left out"
        yield ParserWarning(code="hidden_content", message=message)
    if count := reader.embedded_objects:
        objects = "1 embedded object" if count == 1 else f"{count} embedded objects"
        yield ParserWarning(code="attachment_skipped", message=f"{objects} left out; send each as a file of its own")
