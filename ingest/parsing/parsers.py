"""Which module reads which kind of file. Called in the parser's own process, within its limits."""

import importlib
import importlib.util
from pathlib import Path
from typing import Final

from ingest.parsing.failures import ParsingFailed
from ingest.parsing.media import (
    ARCHIVE,
    CSV_TYPES,
    DOC,
    DOCX,
    EPUB,
    HTML,
    IMAGES,
    JSON_TYPES,
    MAIL,
    MARKDOWN_TYPES,
    ODF,
    OUTLOOK,
    PDF,
    PPT,
    PPTX,
    READ_BY_KREUZBERG,
    RTF,
    XLS,
    XLSX,
)
from phoserve.text.blocks import ParsedDocument

# Modules of `ingest.parsing`, each with a function `parse(path) -> ParsedDocument`.
_MODULES: Final[dict[str, str]] = {
    **dict.fromkeys(HTML, "html"),
    **dict.fromkeys(MARKDOWN_TYPES, "markdown"),
    **dict.fromkeys(CSV_TYPES, "csv_table"),
    **dict.fromkeys(JSON_TYPES, "json_records"),
    MAIL: "mail",
    ARCHIVE: "archive",
    OUTLOOK: "outlook",
    DOC: "doc",
    DOCX: "docx",
    XLSX: "xlsx",
    XLS: "xls",
    EPUB: "epub",
    PPT: "ppt",
    PPTX: "pptx",
    **dict.fromkeys(RTF, "rtf"),
    **dict.fromkeys(ODF, "opendocument"),
    PDF: "pdf",
    **dict.fromkeys(IMAGES, "ocr"),
}


def parser_modules() -> list[str]:
    """Return the names of all parsers' modules, for loading them ahead of documents."""
    return [f"ingest.parsing.{name}" for name in dict.fromkeys([*_MODULES.values(), "other_office"])]


def can_parse(media_type: str) -> bool:
    """Return whether files of this kind are read by `parse_file`; plain text is not, it needs no parser."""
    return media_type in READ_BY_KREUZBERG or (media_type in _MODULES and _exists(_MODULES[media_type]))


def parse_file(path: Path, media_type: str) -> ParsedDocument:
    """Read the file at `path`.

    Raises Unreadable (Encrypted, TooComplex) or ParsingFailed; any other exception means that the file is damaged.
    """
    if media_type in (DOC, XLS, PPT, OUTLOOK):
        from ingest.parsing.compound import compound_type  # after the limits too

        media_type = compound_type(path, media_type)
    name = _MODULES.get(media_type, "")
    if name and _exists(name):
        module = importlib.import_module(f"ingest.parsing.{name}")
        parsed: ParsedDocument = module.parse(path)
        return parsed
    if media_type in READ_BY_KREUZBERG:
        from ingest.parsing import other_office  # after the limits: what it allocates counts

        return other_office.parse(path, media_type)
    raise ParsingFailed(
        "unsupported", f"{media_type} documents cannot be read; send text, HTML, PDF or office documents"
    )


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"ingest.parsing.{name}") is not None
