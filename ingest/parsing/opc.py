"""Packages of Office Open XML (.docx, .xlsx, .pptx): their parts, relationships and XML, read within limits."""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from lxml import etree

from ingest.parsing.faults import Encrypted, TooComplex, Unreadable

MAX_PART_BYTES: Final = 256 << 20
_RELATIONSHIP: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_STRICT: Final = "http://purl.oclc.org/ooxml/"
# The namespaces of "strict" files, and those of all others, which this project's parsers use.
_TRANSITIONAL: Final = {
    f"{_STRICT}wordprocessingml/main": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    f"{_STRICT}spreadsheetml/main": "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    f"{_STRICT}presentationml/main": "http://schemas.openxmlformats.org/presentationml/2006/main",
    f"{_STRICT}officeDocument/relationships": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    f"{_STRICT}officeDocument/math": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    f"{_STRICT}drawingml/": "http://schemas.openxmlformats.org/drawingml/2006/",
}
_TEMPLATE_TITLE: Final = re.compile(
    r"(microsoft (word|excel|powerpoint) - .*|(word|powerpoint) (document|presentation)|presentation ?\d*|"
    r"document ?\d*|slide ?\d*|book ?\d*|sheet ?\d*|untitled.*|title|normal|(bản|bài) trình (bày|chiếu).*|"
    r"trang (tính|chiếu) ?\d*|tài liệu ?\d*|\[.*\]|.*\.(docx?|dotx?|xlsx?|pptx?|potx?)|.*template.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A link from one part to another; `target` is a part's name, or an address outside the package."""

    kind: str
    """The last word of its type, such as "image" or "footnotes"."""
    target: str
    external: bool


class Package:
    """An open package. Every read is bounded, and XML is parsed without entities, DTDs and network."""

    def __init__(self, path: Path) -> None:
        """Open the package. Raises Unreadable, or Encrypted for a file that Office protects with a password."""
        if is_encrypted(path):
            raise Encrypted("the document is protected by a password")
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise Unreadable("the file is damaged or incomplete") from error
        self._names = {_key(name): name for name in self._zip.namelist()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._names

    def read(self, name: str) -> bytes:
        """Return a part's bytes. Raises TooComplex over MAX_PART_BYTES, Unreadable for a damaged part."""
        try:
            with self.open(name) as part:
                content = part.read(MAX_PART_BYTES + 1)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise Unreadable(f"its part {name} is damaged") from error
        if len(content) > MAX_PART_BYTES:
            raise TooComplex(f"its part {name} is larger than {MAX_PART_BYTES >> 20} MiB")
        return content

    def open(self, name: str) -> IO[bytes]:
        """Return a part as a stream. Raises Unreadable if there is no such part."""
        try:
            return self._zip.open(self._names.get(_key(name), name))
        except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise Unreadable(f"it has no readable part {name}") from error

    def xml(self, name: str) -> etree._Element | None:
        """Return the root of an XML part, None if the package has no such part."""
        return parse_xml(self.read(name)) if name in self else None

    def relations(self, name: str) -> dict[str, Relation]:
        """Return the relationships of a part by their ids; those of the package for the name ""."""
        folder, base = posixpath.split(name)
        root = self.xml(posixpath.join(folder, "_rels", f"{base}.rels"))
        return {} if root is None else dict(_relations(root, folder))

    def related(self, name: str, kind: str) -> Iterator[str]:
        """Yield the names of the parts of one kind that a part refers to, if the package has them."""
        for relation in self.relations(name).values():
            if relation.kind == kind and not relation.external and relation.target in self:
                yield relation.target

    def main_part(self) -> str:
        """Return the name of the part that holds the document. Raises Unreadable."""
        for name in self.related("", "officeDocument"):
            return name
        for name in ("word/document.xml", "xl/workbook.xml", "ppt/presentation.xml"):
            if name in self:
                return name
        raise Unreadable("it has no main part")

    def core_properties(self) -> dict[str, str]:
        """Return the file's own `title`, `author`, `subject`, `created` and `modified`, where it has them."""
        found: dict[str, str] = {}
        for name in [*self.related("", "core-properties"), "docProps/core.xml"]:
            root = self.xml(name)
            for element in () if root is None else root:
                key = {"creator": "author"}.get(local_name(element), local_name(element))
                if key in ("title", "author", "subject", "created", "modified") and (element.text or "").strip():
                    found.setdefault(key, " ".join((element.text or "").split()))
        return found


def _key(name: str) -> str:
    """Return what equal names of parts have in common: any case; some programs write them as Windows does."""
    return name.replace("\\", "/").lstrip("/").lower()


def parse_xml(content: bytes) -> etree._Element:
    """Return the root of `content`. Raises Unreadable."""
    if _STRICT.encode() in content[:8192]:
        for strict, transitional in _TRANSITIONAL.items():
            content = content.replace(strict.encode(), transitional.encode())
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if getattr(error, "code", None) == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise Unreadable("its XML is damaged") from error


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace; "" for what is not an element, such as an entity."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def is_template_title(title: str) -> bool:
    """Whether a title is what a program or template fills in, such as "PowerPoint Presentation"."""
    return not title.strip() or _TEMPLATE_TITLE.fullmatch(title.strip()) is not None


def is_encrypted(path: Path) -> bool:
    """Whether the file is an Office document encrypted with a password: an OLE file with an encrypted package in it."""
    with path.open("rb") as file:
        if file.read(8) != b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            return False
        name, tail = "EncryptedPackage".encode("utf-16-le"), b""
        while block := file.read(1 << 20):
            if name in tail + block:
                return True
            tail = block[-len(name) :]
    return False


def _relations(root: etree._Element, folder: str) -> Iterator[tuple[str, Relation]]:
    for element in root.iter(_RELATIONSHIP):
        target = element.get("Target", "")
        external = element.get("TargetMode") == "External"
        if not external:
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        yield element.get("Id", ""), Relation(element.get("Type", "").rpartition("/")[2], target, external)
