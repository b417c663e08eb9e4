"""CSV files: the separator found by how evenly it cuts, quoted line breaks, the header row."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from ingest.parsing.plain import read_plain
from phoserve.text.blocks import Block, Paragraph, ParsedDocument, ParserWarning, Place, Table

SEPARATORS: Final = ";\t,|"
SAMPLE_ROWS: Final = 200
SAMPLE_CHARACTERS: Final = 1 << 18
MAX_COLUMNS: Final = 500
LONGEST_CELL: Final = 100_000
_NUMBER: Final = re.compile(r"[-+(]?[\d.,\s/:%-]+\)?")
_HINT: Final = re.compile(r"sep=(.)\s*\n")

Row = tuple[int, list[str]]
"""A row and the number of the line it begins at."""


def parse(path: Path) -> ParsedDocument:
    """Read a CSV or TSV file. Raises ParsingFailed."""
    return read_csv(path.read_bytes())


def read_csv(content: bytes) -> ParsedDocument:
    """Read a table of text in any encoding. Raises ParsingFailed."""
    decoded = read_plain(content)
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    hint = _HINT.match(text)
    separator = hint[1] if hint else _separator_of(text[:SAMPLE_CHARACTERS])
    rows = [row for row in _read_rows(text, separator, skip=1 if hint else 0) if any(map(str.strip, row[1]))]
    blocks, warnings = _blocks(rows)
    return ParsedDocument(blocks=tuple(blocks), warnings=(*decoded.warnings, *warnings))


def _read_rows(text: str, separator: str, *, skip: int = 0) -> Iterator[Row]:
    lines = _lines(text)[skip:]
    return _rows(lines, separator, skip=skip, is_quoted=_is_quoted(lines))


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")]


def _rows(lines: Sequence[str], separator: str, *, is_quoted: bool, skip: int = 0) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE)
    begin = skip + 1
    for row in reader:
        yield begin, row
        begin = skip + reader.line_num + 1


def _is_quoted(lines: Sequence[str]) -> bool:
    """Whether quotation marks quote: each that is opened is closed again before too long."""
    marks = sum(line.count('"') for line in lines)
    if marks == 0 or marks % 2 == 1:
        return False
    csv.field_size_limit(LONGEST_CELL)
    try:
        for _ in csv.reader(lines):
            pass
    except csv.Error:
        return False
    return True


def _separator_of(sample: str) -> str:
    """The separator that cuts most rows into the same number of cells, more than one."""
    lines = _lines(sample)
    is_quoted = _is_quoted(lines)
    scores: dict[str, tuple[float, int]] = {}
    for separator in SEPARATORS:
        rows = islice(_rows(lines, separator, is_quoted=is_quoted), SAMPLE_ROWS)
        widths = Counter(len(row) for _, row in rows if row)
        width, count = max(((w, n) for w, n in widths.items() if w > 1), key=lambda pair: pair[1], default=(0, 0))
        scores[separator] = (count / max(1, widths.total()), width)
    best = max(scores, key=lambda separator: scores[separator])
    return best if scores[best][0] > 0 else ","


def _blocks(rows: Sequence[Row]) -> tuple[list[Block], list[ParserWarning]]:
    warnings = []
    if wide := [number for number, row in rows if len(row) > MAX_COLUMNS]:
        message = f"{len(wide)} rows have more than {MAX_COLUMNS} columns; the others are left out"
        warnings.append(ParserWarning(code="columns_cut", message=message, place=Place(row=wide[0])))
        rows = [(number, row[:MAX_COLUMNS]) for number, row in rows]
    widths = Counter(_width(row) for _, row in rows)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    lead = 0
    while lead < min(len(rows) - 1, 10) and usual > 1 and _width(rows[lead][1]) == 1:
        lead += 1
    blocks: list[Block] = [
        Paragraph(text=" ".join(cell for cell in row if cell.strip()), place=Place(row=number))
        for number, row in rows[:lead]
    ]
    rest = rows[lead:]
    header = rest[0][1] if len(rest) > 1 and _is_header(rest[0][1]) else []
    body = rest[1:] if header else rest
    if not body:
        return blocks, warnings
    width = max(len(row) for _, row in rest)
    table = Table(
        header=_padded(header, width) if header else (),
        rows=tuple(_padded(row, width) for _, row in body),
        row_numbers=tuple(number for number, _ in body),
    )
    return [*blocks, table], warnings


def _width(row: Sequence[str]) -> int:
    return sum(map(bool, map(str.strip, row)))


def _is_header(row: Sequence[str]) -> bool:
    """Whether a first row names the columns: mostly filled, different, and no numbers."""
    filled = [cell.strip() for cell in row if cell.strip()]
    return bool(filled) and len(set(filled)) == len(filled) and not any(map(_NUMBER.fullmatch, filled))


def _padded(row: Sequence[str], width: int) -> tuple[str, ...]:
    return (*map(str.strip, row), *[""] * (width - len(row)))
