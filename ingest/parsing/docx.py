"""Word documents (.docx): what a reader of the final version sees, in order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from ingest.parsing.embedded import read_embedded
from ingest.parsing.faults import Unreadable
from ingest.parsing.legacy_fonts import converted_warning
from ingest.parsing.opc import Package, is_template_title, local_name
from ingest.parsing.word.body import BodyReader, Parts, tidy
from ingest.parsing.word.numbering import Numbering
from ingest.parsing.word.runs import InlineReader
from ingest.parsing.word.styles import Styles, W, uses_legacy_fonts, value
from phoserve.text.blocks import Heading, Paragraph, ParsedDocument, ParserWarning

_LONGEST_TITLE: Final = 200


def parse(path: Path) -> ParsedDocument:
    """Read a Word document.

    Numbering is as displayed, tracked changes are accepted, hidden text and comments are left out. Headers and footers
    are the properties "header" and "footer". Embedded files follow the text. Raises
    Unreadable, Encrypted or TooComplex.
    """
    with Package(path) as package:
        main = package.main_part()
        root = package.xml(main)
        body = None if root is None else root.find(f"{W}body")
        if body is None:
            raise Unreadable("it has no text part")
        related = {relation.kind: relation.target for relation in package.relations(main).values()}
        styles = Styles(_part(package, related, "styles"))
        numbering = Numbering(_part(package, related, "numbering"), styles)
        targets = {identifier: relation.target for identifier, relation in package.relations(main).items()}
        notes, with_fonts = dict(_notes(package, related)), uses_legacy_fonts(root)
        reader = BodyReader(Parts(package, styles, numbering, notes, targets, with_fonts))
        reader.read(body)
        embedded, warnings = read_embedded(package, reader.objects)
        return ParsedDocument(
            blocks=(*reader.blocks, *embedded),
            title=_title(package.core_properties().get("title", ""), reader),
            warnings=(*_warnings(reader), *warnings, *converted_warning(reader.converted)),
            properties=_properties(package, main, styles),
        )


def _part(package: Package, related: dict[str, str], kind: str) -> etree._Element | None:
    name = related.get(kind)
    return package.xml(name) if name else None


def _notes(package: Package, related: dict[str, str]) -> Iterator[tuple[tuple[str, str], etree._Element]]:
    for kind in ("footnote", "endnote"):
        root = _part(package, related, f"{kind}s")
        for note in () if root is None else root.iterfind(f"{W}{kind}"):
            if value(note, "type") in (None, "normal"):
                yield (kind, value(note, "id") or ""), note


def _title(own: str, reader: BodyReader) -> str:
    """Return what the document calls itself: "Title" paragraphs, the file's title if it also shows it, its head."""
    shown = " ".join(block.text for block in reader.blocks[:40] if isinstance(block, Heading | Paragraph)).casefold()
    heading = next((block.text for block in reader.blocks if isinstance(block, Heading)), "")
    head = " ".join(reader.title_lines)
    if reader.titled:
        return reader.titled
    if len(own.split()) > 2 and not is_template_title(own) and own.casefold() in shown:
        return own
    if 0 < len(head) <= _LONGEST_TITLE:
        return head
    return heading or ("" if is_template_title(own) else own)


def _warnings(reader: BodyReader) -> Iterator[ParserWarning]:
    if count := reader.hidden_runs:
        passages = "passage" if count == 1 else "passages"
        yield ParserWarning(code="hidden_content", message=f"{count} {passages} of hidden text left out")
    if count := reader.unread_inserts:
        files = "1 inserted file" if count == 1 else f"{count} inserted files"
        message = f"{files} left out; open and save the document in Word to include what they hold"
        yield ParserWarning(code="attachment_skipped", message=message)


def _properties(package: Package, main: str, styles: Styles) -> dict[str, Any]:
    found: dict[str, Any] = {k: v for k, v in package.core_properties().items() if k != "title"}
    for kind in ("header", "footer"):
        lines: list[str] = []
        for name in package.related(main, kind):
            root = package.xml(name)
            lines.extend(_lines(root, styles) if root is not None else ())
        if lines:
            found[kind] = "\n".join(dict.fromkeys(lines))
    return found


def _lines(root: etree._Element, styles: Styles) -> Iterator[str]:
    reader = InlineReader(styles, with_page_fields=False, with_fonts=uses_legacy_fonts(root))
    for paragraph in root.iter(f"{W}p"):
        if any(local_name(parent) == "Fallback" for parent in paragraph.iterancestors()):
            continue
        text = tidy(reader.read(paragraph, styles.of_paragraph(paragraph.find(f"{W}pPr"))).text)
        if any(character.isalnum() for character in text):
            yield text
