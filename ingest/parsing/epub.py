"""EPUB books: the chapters in reading order, without what their style sheets hide."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from lxml import etree

from ingest.parsing.encodings import decode_text
from ingest.parsing.faults import Encrypted, Unreadable
from ingest.parsing.html import read_html
from ingest.parsing.opc import Package
from ingest.parsing.style_sheets import HiddenElements
from phoserve.text.blocks import Block, ParsedDocument, ParserWarning, Place

_CHAPTERS: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_FONT_OBFUSCATION: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_NO_TITLES: Final = ("unknown title", "unknown", "untitled")
_MAX_STYLES: Final = 50
_MAX_CHAPTERS: Final = 5000


def parse(path: Path) -> ParsedDocument:
    """Read a book. A chapter that is missing is a warning. Raises Unreadable or Encrypted."""
    with Package(path) as package:
        if _is_protected(package):
            raise Encrypted("it is protected against copying")
        main = _main_part(package)
        book = package.xml(main)
        if book is None:
            raise Unreadable("it has no list of chapters")
        blocks: list[Block] = []
        warnings: list[ParserWarning] = []
        chapters = list(_chapters(book, posixpath.dirname(main)))
        styles = _styles(package, book, posixpath.dirname(main))
        for name in chapters[:_MAX_CHAPTERS]:
            if name in package:
                page = read_html(styles + decode_text(package.read(name)).text)
                blocks += page.blocks
                warnings += page.warnings
            else:
                warnings.append(_missing(name, "the book does not hold it"))
        warnings += [_missing(name, f"only the first {_MAX_CHAPTERS} are read") for name in chapters[_MAX_CHAPTERS:]]
        title, author = (_metadata(book, name) for name in ("title", "creator"))
        return ParsedDocument(
            blocks=tuple(blocks),
            title="" if title.lower() in _NO_TITLES else title,
            warnings=tuple(warnings),
            properties={"author": author} if author else {},
        )


def _is_protected(package: Package) -> bool:
    """Whether chapters are encrypted; fonts are obfuscated in books that anyone may read."""
    root = package.xml("META-INF/encryption.xml")
    if root is None:
        return "META-INF/rights.xml" in package or "META-INF/encryption.xml" in package
    methods = [method.get("Algorithm", "") for method in root.iter("{*}EncryptionMethod")]
    return not methods or any(method not in _FONT_OBFUSCATION for method in methods)


def _main_part(package: Package) -> str:
    container = package.xml("META-INF/container.xml")
    for element in () if container is None else container.iter("{*}rootfile"):
        return posixpath.normpath(unquote(element.get("full-path", "")))
    raise Unreadable("it names no book")


def _chapters(book: etree._Element, folder: str) -> Iterator[str]:
    """Yield the names of the chapters in the order of the spine; the table of contents is none."""
    items = {item.get("id", ""): item for item in book.iter("{*}item")}
    for reference in book.iter("{*}itemref"):
        item = items.get(reference.get("idref", ""))
        if item is None or "nav" in item.get("properties", "").split():
            continue
        if item.get("media-type", "") in _CHAPTERS:
            yield _target(item, folder)


def _styles(package: Package, book: etree._Element, folder: str) -> str:
    """Return the book's style sheets that hide something as elements, so that they do as in a reader."""
    names = [_target(item, folder) for item in book.iter("{*}item") if item.get("media-type") == "text/css"]
    sheets = [decode_text(_read(package, name)).text for name in names[:_MAX_STYLES]]
    return "".join(
        f"<style>{sheet.replace('</', '')}</style>" for sheet in sheets if not HiddenElements.of([sheet]).is_empty
    )


def _target(item: etree._Element, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))


def _read(package: Package, name: str) -> bytes:
    return package.read(name) if name in package else b""


def _metadata(book: etree._Element, name: str) -> str:
    texts = (" ".join((each.text or "").split()) for each in book.iter(f"{{http://purl.org/dc/elements/1.1/}}{name}"))
    return next(filter(None, texts), "")


def _missing(name: str, reason: str) -> ParserWarning:
    message = f"chapter {name!r} was skipped: {reason}"
    return ParserWarning(code="attachment_skipped", message=message, place=Place(part=name))
