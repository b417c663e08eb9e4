"""Read rows of JSON Lines or CSV files, gzipped or not."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from phoserve.errors import InvalidInput

T = TypeVar("T")
BYTE_ORDER_MARK: Final = "\ufeff"


def read_rows(path: Path, kind: type[T]) -> list[T]:
    """Return the rows of a file: CSV with a header if its name ends in .csv or .tsv, JSON Lines otherwise; .gz too.

    `kind` is a struct. Other columns and fields are ignored. Raises InvalidInput that names the line.
    """
    text = _read_text(path)
    is_table = {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}
    rows = list(_table_rows(path, text, kind) if is_table else _json_rows(path, text, kind))
    if not rows:
        raise InvalidInput(f"{path} has no rows")
    return rows


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None
    try:
        return content.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{path}, line {line}: the file is not UTF-8; save it as UTF-8 (CSV UTF-8 in Excel)"
        ) from None


def _json_rows(path: Path, text: str, kind: type[T]) -> Iterator[T]:
    decoder = msgspec.json.Decoder(kind)
    # Not splitlines: text may hold other line separators within strings.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise InvalidInput(f"{path}, line {number}: {error}") from None


def _table_rows(path: Path, text: str, kind: type[T]) -> Iterator[T]:
    table = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        names = [name.strip().lower() for name in next(table, [])]
        _check_columns(path, names, kind)
        for cells in table:
            if any(cell.strip() for cell in cells):
                yield _converted(
                    dict(zip(names, map(str.strip, cells), strict=False)), kind, f"{path}, line {table.line_num}"
                )
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {table.line_num}: {error}") from None


def _delimiter(text: str) -> str:
    """Return the one of comma, semicolon and tab that is most often in the header."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _check_columns(path: Path, names: list[str], kind: type[T]) -> None:
    required = [field.encode_name for field in msgspec.structs.fields(kind) if field.required]  # type: ignore[arg-type]
    if missing := [name for name in required if name not in names]:
        has = ", ".join(map(repr, names)) or "no column"
        raise InvalidInput(f"{path}, line 1: the header lacks {', '.join(map(repr, missing))}; it has {has}")


def _converted(row: Mapping[str, Any], kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: {error}") from None
