"""What every parsed document goes through: composed Unicode, repaired encodings, limits."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ingest.parsing.encodings import repair_texts
from ingest.parsing.failures import ParsingFailed
from ingest.parsing.limits import ParserLimits
from ingest.parsing.titles import better_title
from phoserve.text.blocks import (
    Block,
    Caption,
    Heading,
    ListItem,
    Paragraph,
    ParsedDocument,
    ParserWarning,
    Record,
    Table,
)
from phoserve.text.normalise import compose, compose_value

TITLE_CHARACTERS: Final = 300
MAX_WARNINGS: Final = 100
PROPERTY_CHARACTERS: Final = 1000
MAX_PROPERTIES: Final = 50
_SOFT_HYPHEN: Final = "\u00ad"
_FEW_CAPTIONS: Final = 3


def finish(document: ParsedDocument, limits: ParserLimits) -> ParsedDocument:
    """Return the document as it is stored. Raises ParsingFailed if its text is over the limit."""
    texts: list[str] = []

    def clean(text: str) -> str:
        texts.append(cleaned := _clean(text))
        return cleaned

    blocks = tuple(_map(block, clean) for block in document.blocks or _margins(document.properties))
    if sum(map(len, texts)) > limits.text_bytes:
        raise ParsingFailed("too_large", f"the text of the document is longer than {limits.text_bytes} characters")
    repaired = repair_texts(texts)
    if repaired.warnings:
        rest = iter(repaired.texts)
        blocks = tuple(_map(block, lambda _: next(rest)) for block in blocks)
    if any(_SOFT_HYPHEN in text for text in repaired.texts):  # before, one may be a letter of TCVN3
        blocks = tuple(_map(block, lambda text: text.replace(_SOFT_HYPHEN, "")) for block in blocks)
    blocks = _without_decorations(blocks)
    title = better_title(document.title or first_title(blocks), blocks)
    title = " ".join(repair_texts([compose(title)]).texts[0].replace(_SOFT_HYPHEN, "").split())
    return ParsedDocument(
        blocks=blocks,
        title=title[:TITLE_CHARACTERS],
        warnings=cap_warnings((*document.warnings, *repaired.warnings)),
        properties=_cap_properties(document.properties),
    )


def _margins(properties: dict[str, Any]) -> tuple[Block, ...]:
    """Return headers and footers as text, for a document that has no other, such as a letterhead."""
    lines = (line for name in ("header", "footer") for line in str(properties.get(name, "")).split("\n"))
    return tuple(Paragraph(text=line) for line in lines if line.strip())


def first_title(blocks: tuple[Block, ...]) -> str:
    """Return the heading that a document begins with, "" if it begins with something else."""
    first = blocks[0] if blocks else None
    return first.text if isinstance(first, Heading) and first.level <= 2 else ""


def _without_decorations(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Keep the first of equal captions that most pages or slides have: the alternative text of a logo."""
    counts = Counter(block.text for block in blocks if isinstance(block, Caption))
    pages = len({block.place.page or block.place.slide for block in blocks})
    decorations = {text for text, count in counts.items() if count > max(_FEW_CAPTIONS, pages // 2)}
    seen: set[str] = set()
    kept = []
    for block in blocks:
        if isinstance(block, Caption) and block.text in decorations:
            if block.text in seen:
                continue
            seen.add(block.text)
        kept.append(block)
    return tuple(kept)


def cap_warnings(warnings: tuple[ParserWarning, ...]) -> tuple[ParserWarning, ...]:
    """Return the first `MAX_WARNINGS` distinct warnings, and one that counts the others."""
    distinct = tuple(dict.fromkeys(warnings))
    if len(distinct) <= MAX_WARNINGS:
        return distinct
    more = ParserWarning(code="more_warnings", message=f"{len(distinct) - MAX_WARNINGS} more warnings are not shown")
    return (*distinct[:MAX_WARNINGS], more)


def _cap_properties(properties: dict[str, Any]) -> dict[str, Any]:
    composed: dict[str, Any] = compose_value(dict(list(properties.items())[:MAX_PROPERTIES]))
    return {
        key: value[:PROPERTY_CHARACTERS] if isinstance(value, str) else value
        for key, value in composed.items()
        if value not in ("", None, [], ())
    }


def _clean(text: str) -> str:
    if "\r" in text or "\0" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return compose(text)


def _map(block: Block, change: Callable[[str], str]) -> Block:
    """The block with `change` applied to each of its texts, in order."""
    match block:
        case Table():
            return msgspec.structs.replace(
                block,
                caption=change(block.caption),
                header=tuple(map(change, block.header)),
                rows=tuple(tuple(map(change, row)) for row in block.rows),
            )
        case Record():
            fields = tuple((change(label), change(value)) for label, value in block.fields)
            return msgspec.structs.replace(block, fields=fields)
        case ListItem():
            return msgspec.structs.replace(block, number=change(block.number), text=change(block.text))
        case _:
            return msgspec.structs.replace(block, text=change(block.text))
