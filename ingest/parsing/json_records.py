"""JSON and JSON lines: keys as labels, one record a unit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ingest.parsing.failures import ParsingFailed
from ingest.parsing.plain import read_plain
from phoserve.text.blocks import Block, Heading, Paragraph, ParsedDocument, ParserWarning, Place, Record
from phoserve.text.lines import read_lines

MAX_DEPTH: Final = 6
"""Deeper values are shown as JSON."""
MAX_BAD_LINES: Final = 20
_TITLE_KEYS: Final = ("title", "tiêu đề", "tieu_de", "name", "tên")


def parse(path: Path) -> ParsedDocument:
    """Read a JSON file or JSON lines. Raises ParsingFailed."""
    return read_json(path.read_bytes())


def read_json(content: bytes) -> ParsedDocument:
    """Read JSON, or one JSON value a line; what is neither is read as plain text, with a warning."""
    decoded = read_plain(content)
    text = decoded.text.strip()
    if not text:
        return ParsedDocument(blocks=(), warnings=decoded.warnings)
    try:
        value = _loads(text)
    except RecursionError:
        raise ParsingFailed("too_complex", "the JSON is nested too deeply to be read; flatten it") from None
    except ValueError as error:
        return _read_lines(text, decoded.warnings, error)
    blocks = tuple(_blocks(value, "", 1, Place()))
    return ParsedDocument(blocks=blocks, title=_title_of(value), warnings=decoded.warnings)


class _Number(str):
    """A number as it is written in the file: 1.10 stays 1.10, and long ones keep all their digits."""

    __slots__ = ()


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object in which a key that is given twice has all its values."""
    found: dict[str, Any] = {}
    repeated: set[str] = set()
    for key, value in pairs:
        if key not in found:
            found[key] = value
        elif key in repeated:
            found[key].append(value)
        else:
            found[key] = [found[key], value]
            repeated.add(key)
    return found


def _written(value: Any) -> str:
    """Return a value as JSON, its numbers as they were written."""
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_written(key)}: {_written(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _read_lines(text: str, warnings: tuple[ParserWarning, ...], error: ValueError) -> ParsedDocument:
    """JSON lines; `error` is why the text is not one JSON value."""
    blocks: list[Block] = []
    bad: list[ParserWarning] = []
    good = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _loads(line)
        except RecursionError:
            raise ParsingFailed("too_complex", f"the JSON in line {number} is nested too deeply; flatten it") from None
        except ValueError:
            if len(bad) < MAX_BAD_LINES:
                place = Place(row=number)
                message = f"line {number} is not JSON; it was read as text"
                bad.append(ParserWarning(code="not_parsed", message=message, place=place))
            blocks.append(Paragraph(text=line.strip(), place=Place(row=number)))
        else:
            good += isinstance(value, dict | list)
            blocks += _blocks(value, "", 1, Place(row=number))
    if not good:
        plain = ParserWarning(code="not_parsed", message=f"the file is not JSON ({error}); it was read as plain text")
        return ParsedDocument(blocks=tuple(found.block for found in read_lines(text)), warnings=(*warnings, plain))
    return ParsedDocument(blocks=tuple(blocks), warnings=(*warnings, *bad))


def _title_of(value: Any) -> str:
    if not isinstance(value, dict) or not any(isinstance(each, list | dict) for each in value.values()):
        return ""
    lowered = {str(key).lower(): each for key, each in value.items()}
    return next((str(lowered[key]) for key in _TITLE_KEYS if isinstance(lowered.get(key), str)), "")


def _blocks(value: Any, label: str, level: int, place: Place) -> Iterator[Block]:
    """The blocks of a value under its label: lists of objects are records, objects of objects are sections."""
    is_list = isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
    if not is_list and not isinstance(value, dict):
        if (text := _scalar(value)).strip():
            yield Record(fields=((label, text),), place=place)
        return
    if label:
        yield Heading(text=label, level=min(level, 6), place=place)
    if is_list:
        for number, each in enumerate(value, start=1):
            yield from _blocks(each, "", level + 1, place if place.row is not None else Place(row=number))
        return
    inner = {str(key): each for key, each in value.items() if level <= MAX_DEPTH and _is_section(each)}
    if fields := tuple(_fields({key: each for key, each in value.items() if str(key) not in inner})):
        yield Record(fields=fields, place=place)
    for key, each in inner.items():
        yield from _blocks(each, key, level + 1, place)


def _is_section(value: Any) -> bool:
    """Whether a value has records of its own: a list of objects, or an object that holds one."""
    if isinstance(value, list):
        return any(isinstance(each, dict) for each in value)
    return isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values())


def _fields(value: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    for key, each in value.items():
        label = f"{prefix}{key}"
        if isinstance(each, dict) and depth < MAX_DEPTH:
            yield from _fields(each, f"{label}.", depth + 1)
        elif (text := _scalar(each)).strip():
            yield label, text


def _scalar(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if not any(isinstance(each, dict | list) for each in value):
            return ", ".join(map(_scalar, value))
        case _:
            return _written(value)
