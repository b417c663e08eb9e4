"""Detect the type of a file by its first bytes, or by its declared type if they are ambiguous."""

import mimetypes
import re
import zipfile
from pathlib import Path
from typing import Final

PLAIN: Final = "text/plain"
HTML: Final = ("text/html", "application/xhtml+xml")
MARKDOWN_TYPES: Final = ("text/markdown", "text/x-markdown")
CSV_TYPES: Final = ("text/csv", "text/tab-separated-values", "application/csv")
JSON_TYPES: Final = (
    "application/json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
    "text/json",
)
MAIL: Final = "message/rfc822"
OUTLOOK: Final = "application/vnd.ms-outlook"
TNEF: Final = "application/ms-tnef"
PDF: Final = "application/pdf"
EPUB: Final = "application/epub+zip"
DOC: Final = "application/msword"
XLS: Final = "application/vnd.ms-excel"
PPT: Final = "application/vnd.ms-powerpoint"
RTF: Final = ("application/rtf", "text/rtf")
ARCHIVE: Final = "application/zip"
IMAGES: Final = ("image/png", "image/jpeg", "image/tiff", "image/webp")
READ_BY_OCR: Final = frozenset({PDF, *IMAGES})
"""What may have pages that only OCR can read."""
UNDECLARED: Final = ("", "application/octet-stream", "binary/octet-stream")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_PACKAGES: Final = {
    "word/": f"{_OFFICE}wordprocessingml.document",
    "ppt/": f"{_OFFICE}presentationml.presentation",
    "xl/": f"{_OFFICE}spreadsheetml.sheet",
}
DOCX: Final = _PACKAGES["word/"]
PPTX: Final = _PACKAGES["ppt/"]
XLSX: Final = _PACKAGES["xl/"]
XLSB: Final = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
_BINARY_WORKBOOK: Final = "xl/workbook.bin"
ODF: Final = tuple(f"application/vnd.oasis.opendocument.{kind}" for kind in ("text", "spreadsheet", "presentation"))
ODF_TEMPLATES: Final = {f"{kind}-template": kind for kind in ODF}
_OLD_OFFICE: Final = {
    ".doc": DOC,
    ".ppt": PPT,
    ".xls": XLS,
    ".msg": OUTLOOK,
}
_HTML_HEAD: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|table|meta)\b", re.IGNORECASE)
_WEB_ARCHIVE_HEAD: Final = re.compile(
    rb"\s*(?:mime-version:|from: *<saved by|content-type: *multipart/related)", re.IGNORECASE
)
"""What Word and browsers begin a page with that they save as one file (MHTML), also under the name of a .doc file."""
_LONGEST_TYPE: Final = 100
_LONGEST_MANIFEST: Final = 1 << 20
_ROOT_ENTRY: Final = re.compile(rb"<[\w:]*file-entry\b[^<>]*full-path=[\"']/[\"'][^<>]*>")
_MANIFEST_TYPE: Final = re.compile(rb"media-type=[\"'](application/[\w.+-]{1,90})[\"']")
_OLD_OFFICE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", RTF[0]),
    (b"\x78\x9f\x3e\x22", TNEF),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90", "application/x-executable"),
    (b"\x1f\x8b", "application/gzip"),
)
_BY_SUFFIX: Final = {
    **_OLD_OFFICE,
    ".docx": _PACKAGES["word/"],
    ".pptx": _PACKAGES["ppt/"],
    ".xlsx": _PACKAGES["xl/"],
    ".xlsb": XLSB,
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".eml": MAIL,
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
}
READ_BY_KREUZBERG: Final = frozenset({*_PACKAGES.values(), *_OLD_OFFICE.values(), XLSB, PDF, EPUB, *RTF})
"""What is neither text nor HTML and has no parser of this project; old formats, and those that another one misses."""


def is_text(content: bytes) -> bool:
    """Whether what is called plain text does not begin as some other kind of file does."""
    return not content.startswith((b"PK\x03\x04", _OLD_OFFICE_MAGIC, *(magic for magic, _ in _MAGIC)))


def media_type_of(path: Path, declared: str, filename: str | None) -> str:
    """The media type of the file at `path`, which wins over the type declared and over its name."""
    with path.open("rb") as file:
        head = file.read(64)
    stated = stated_type(declared, filename)
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"PK\x03\x04"):
        return _package(path, stated)
    if head.startswith(_OLD_OFFICE_MAGIC):
        return stated if stated in _OLD_OFFICE.values() else _OLD_OFFICE[".doc"]
    return _text_type(head, stated)


def _text_type(head: bytes, stated: str) -> str:
    """Return the type of a file that begins as no format does; programs export web pages under names of Office."""
    if stated not in {*_OLD_OFFICE.values(), *_PACKAGES.values()}:
        return MAIL if stated == "multipart/related" else stated
    if _WEB_ARCHIVE_HEAD.match(head):
        return MAIL
    return HTML[0] if _HTML_HEAD.match(head) else stated


def stated_type(declared: str, filename: str | None) -> str:
    """Return the declared media type, or that of the file's name if the declaration is generic."""
    kind = declared.split(";", 1)[0].strip().lower()
    suffix = Path(filename or "").suffix.lower()
    # Browsers call a CSV file what is registered for it: Excel's old type on Windows, or plain text.
    vague = kind == PLAIN or (kind in _OLD_OFFICE.values() and suffix not in _OLD_OFFICE)
    if kind not in UNDECLARED and not (vague and suffix in _BY_SUFFIX):
        return kind
    return _BY_SUFFIX.get(suffix) or mimetypes.types_map.get(suffix) or PLAIN


def _declared_in_manifest(path: Path) -> str:
    """Return the type that an OpenDocument package without the entry "mimetype" has by its manifest, "" for none."""
    try:
        with zipfile.ZipFile(path) as package:
            manifest = package.open("META-INF/manifest.xml").read(_LONGEST_MANIFEST)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, ValueError):
        return ""
    root = _ROOT_ENTRY.search(manifest)
    found = _MANIFEST_TYPE.search(root[0]) if root else None
    return found[1].decode() if found else ""


def _package(path: Path, stated: str) -> str:
    try:
        with zipfile.ZipFile(path) as package:
            names = [name.replace("\\", "/").lstrip("/").lower() for name in package.namelist()]
            # OpenDocument and EPUB declare their type.
            own = package.open("mimetype").read(_LONGEST_TYPE).decode() if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
        return stated if stated in READ_BY_KREUZBERG else ARCHIVE
    if not own and {"content.xml", "meta-inf/manifest.xml"} <= set(names):
        own = _declared_in_manifest(path)
    if own.startswith("application/"):
        return ODF_TEMPLATES.get(own.strip(), own.strip())
    if _BINARY_WORKBOOK in names:
        return XLSB
    for folder, media_type in _PACKAGES.items():
        if any(name.startswith(folder) for name in names):
            return media_type
    return stated if stated in READ_BY_KREUZBERG else ARCHIVE
