"""What kind of file a document is: by its first bytes where they tell, by what was declared where they do not."""

import mimetypes
import zipfile
from pathlib import Path
from typing import Final

PLAIN: Final = "text/plain"
HTML: Final = ("text/html", "application/xhtml+xml")
UNDECLARED: Final = ("", "application/octet-stream", "binary/octet-stream")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_PACKAGES: Final = {
    "word/": f"{_OFFICE}wordprocessingml.document",
    "ppt/": f"{_OFFICE}presentationml.presentation",
    "xl/": f"{_OFFICE}spreadsheetml.sheet",
}
_OLD_OFFICE: Final = {
    ".doc": "application/msword",
    ".ppt": "application/vnd.ms-powerpoint",
    ".xls": "application/vnd.ms-excel",
    ".msg": "application/vnd.ms-outlook",
}
_LONGEST_TYPE: Final = 100
_OLD_OFFICE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90", "application/x-executable"),
    (b"\x1f\x8b", "application/gzip"),
)
_BY_SUFFIX: Final = {
    **_OLD_OFFICE,
    ".docx": _PACKAGES["word/"],
    ".pptx": _PACKAGES["ppt/"],
    ".xlsx": _PACKAGES["xl/"],
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".eml": "message/rfc822",
}
READ_BY_PARSER: Final = frozenset(
    {*_PACKAGES.values(), *_OLD_OFFICE.values(), "application/pdf", "application/rtf", "message/rfc822"}
    | {f"application/vnd.oasis.opendocument.{kind}" for kind in ("text", "spreadsheet")}
    | {"application/epub+zip"}
)
"""What is neither text nor HTML and yet can be read."""


def is_text(content: bytes) -> bool:
    """Whether what is called plain text does not begin as some other kind of file does."""
    return not content.startswith((b"PK\x03\x04", _OLD_OFFICE_MAGIC, *(magic for magic, _ in _MAGIC)))


def media_type_of(path: Path, declared: str, filename: str | None) -> str:
    """The media type of the file at `path`, which wins over the type declared and over its name."""
    with path.open("rb") as file:
        head = file.read(16)
    stated = _stated(declared, filename)
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head.startswith(b"PK\x03\x04"):
        return _package(path, stated)
    if head.startswith(_OLD_OFFICE_MAGIC):
        return stated if stated in _OLD_OFFICE.values() else _OLD_OFFICE[".doc"]
    return stated


def _stated(declared: str, filename: str | None) -> str:
    kind = declared.split(";", 1)[0].strip().lower()
    if kind not in UNDECLARED:
        return kind
    suffix = Path(filename or "").suffix.lower()
    return _BY_SUFFIX.get(suffix) or mimetypes.types_map.get(suffix) or PLAIN


def _package(path: Path, stated: str) -> str:
    try:
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
            # OpenDocument and EPUB say themselves what they are.
            own = package.open("mimetype").read(_LONGEST_TYPE).decode() if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
        return stated if stated in READ_BY_PARSER else "application/zip"
    if own in READ_BY_PARSER:
        return own
    for folder, media_type in _PACKAGES.items():
        if any(name.startswith(folder) for name in names):
            return media_type
    return stated if stated in READ_BY_PARSER else "application/zip"
