"""The text of shapes and tables on slides."""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from ingest.parsing.opc import local_name
from ingest.parsing.slides.shapes import number_of, unwrapped
from ingest.parsing.tables import Cell
from ingest.parsing.word.formulas import formula
from ingest.parsing.word.numbering import format_number

_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def lines_of(shape: etree._Element) -> Iterator[tuple[str, int, str]]:
    """Yield a shape's paragraphs: text, level of nesting from 0, number as displayed ("" for none)."""
    counts: dict[int, int] = {}
    for paragraph in shape.iterfind("{*}txBody/{*}p"):
        text = _paragraph_text(paragraph)
        if not any(character.isalnum() for character in text):
            continue
        properties = paragraph.find(f"{_A}pPr")
        level = 0 if properties is None else number_of(properties.get("lvl"))
        automatic = None if properties is None else properties.find(f"{_A}buAutoNum")
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        if automatic is None:
            counts.pop(level, None)
            yield text, level, ""
            continue
        counts[level] = counts[level] + 1 if level in counts else number_of(automatic.get("startAt")) or 1
        yield text, level, _number_text(counts[level], automatic.get("type", ""))


def _number_text(number: int, kind: str) -> str:
    """Return an automatic number as PowerPoint shows it: "1.", "a)", "(iv)"."""
    formats = {"alphaLc": "lowerLetter", "alphaUc": "upperLetter", "romanLc": "lowerRoman", "romanUc": "upperRoman"}
    shown = next(
        (format_number(number, name) for prefix, name in formats.items() if kind.startswith(prefix)), str(number)
    )
    if kind.endswith("ParenBoth"):
        return f"({shown})"
    return f"{shown})" if kind.endswith("ParenR") else shown if kind.endswith("Plain") else f"{shown}."


def _paragraph_text(paragraph: etree._Element) -> str:
    parts: list[str] = []
    for child in unwrapped(paragraph):
        name = local_name(child)
        if name in ("r", "fld"):
            parts.append(child.findtext(f"{_A}t") or "")
        elif name == "br":
            parts.append("\n")
        elif name == "m":
            parts.append(formula(child))
    lines = (" ".join(line.split()) for line in "".join(parts).replace("\v", "\n").split("\n"))
    return "\n".join(lines).strip()


def table_cells(table: etree._Element) -> list[Cell]:
    """Return the cells of a table; merged ones once."""
    cells = []
    for row, element in enumerate(table.iterfind(f"{_A}tr")):
        for column, cell in enumerate(element.iterfind(f"{_A}tc")):
            if cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true"):
                continue
            paragraphs = [_paragraph_text(paragraph) for paragraph in cell.iterfind(f"{_A}txBody/{_A}p")]
            runs = [run for run in cell.iter(f"{_A}r") if (run.findtext(f"{_A}t") or "").strip()]
            strong = bool(runs) and all(_is_bold(run) for run in runs)
            spans = max(1, number_of(cell.get("rowSpan"))), max(1, number_of(cell.get("gridSpan")))
            cells.append(Cell(row, column, "\n".join(filter(None, paragraphs)), *spans, strong))
    return cells


def _is_bold(run: etree._Element) -> bool:
    properties = run.find(f"{_A}rPr")
    return properties is not None and properties.get("b") in ("1", "true")
