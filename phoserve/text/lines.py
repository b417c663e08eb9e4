"""Recognise what typed lines are: headings, clauses and list items, tables, code and paragraphs."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from phoserve.text.blocks import Block, Code, Heading, ListItem, Paragraph, Place, Table
from phoserve.text.headings import ARTICLE_LEVEL, is_law_title, law_level, title_of

_FENCE: Final = re.compile(r"(?:```|~~~)")
_ITEM: Final = re.compile(
    r"(?P<number>(?:[-*+•–●▪◦]\s+)?\(?(?:\d{1,3}(?:\.\d{1,3}){0,4}|[a-zđA-ZĐ]|[ivx]{1,5}|[IVX]{1,5})(?:[.)/]|\.-)|"
    r"(?:Khoản|KHOẢN)\s+\d{1,3}[a-zđ]?[.:)]|(?:Điểm|ĐIỂM)\s+[a-zđ][.:)]|[-*+•–●▪◦])\s+(?=\S)"
)
_CLAUSE: Final = re.compile(r"\(?\d[\d.]*(?:[.)/]|\.-)|khoản .*", re.IGNORECASE)
_SENTENCE_ENDS: Final = (".", ";", ":", "!", "?", "”", '"', ")")
_BULLET: Final = re.compile(r"[-*+•–●▪◦]\s+(?=\S)")
_DELIMITERS: Final = re.compile(r"[\s:|]*+-[\s:|-]*+")
_UNDERLINE: Final = re.compile(r"={3,}|-{3,}")
_LONGEST_COMPLETION: Final = 120


class Located(NamedTuple):
    """A block and where it is in a text: one span, of a table one for caption, header and each row."""

    block: Block
    spans: tuple[tuple[int, int], ...]


class _Line(NamedTuple):
    start: int
    end: int
    text: str
    """Without the white space around it."""


def read_lines(text: str) -> list[Located]:
    """Return the blocks of plain text, or of Markdown as people type it, in order; they leave out only white space."""
    reader = _Reader(Place(), marks=True)
    reader.read(_lines(text))
    return _complete_titles(reader.found)


def recognise_blocks(blocks: Iterable[Block]) -> list[Block]:
    """Return a parser's blocks with headings, clauses and list items that were typed as paragraphs recognised."""
    found: list[Located] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            _Reader(block.place, found).read(_lines(block.text))
        elif isinstance(block, ListItem) and (rest := _next_item(block.text)):
            found.append(Located(msgspec.structs.replace(block, text=block.text[:rest].rstrip()), ()))
            _Reader(block.place, found).read(_lines(block.text[rest:]))
        else:
            found.append(Located(_heading_of_item(block), ()))
            if len(found) > 1 and _is_completed(found, len(found) - 2):
                found[-2:] = _complete_titles(found[-2:])
    return [located.block for located in _complete_titles(found)]


def _next_item(text: str) -> int:
    """Where in the text of an item another one begins that was typed on a line of its own, 0 for nowhere."""
    lines = _lines(text)[1:] if "\n" in text else []
    return next((line.start for line in lines if _ITEM.match(line.text) or title_of(line.text)), 0)


def _heading_of_item(block: Block) -> Block:
    """A list item that a program numbered "Điều 3." is a heading."""
    if isinstance(block, ListItem) and law_level(f"{block.number} {block.text}".strip()):
        text = f"{block.number} {block.text}".strip()
        title = title_of(text)
        if title and title.length == len(text):
            return Heading(text=text, level=title.level, place=block.place)
    return block


class _Reader:
    """Turns lines into blocks; `found` may hold blocks of the same document that came before.

    With `marks`, lines may hold those of Markdown.
    """

    def __init__(self, place: Place, found: list[Located] | None = None, *, marks: bool = False) -> None:
        self._marks = marks
        self.found: list[Located] = [] if found is None else found
        self._place = place
        self._number: str | None = None
        self._open: list[_Line] = []

    def read(self, lines: list[_Line]) -> None:
        """Read all `lines`."""
        at = 0
        while at < len(lines):
            line = lines[at]
            if not line.text:
                self._close()
                at += 1
            elif self._marks and (end := self._marked(lines, at)) > at:
                at = end
            else:
                self._line(line)
                at += 1
        self._close()

    def _marked(self, lines: list[_Line], at: int) -> int:
        """Read what Markdown alone has at line `at`; return the line after it, `at` if there is nothing such."""
        line = lines[at]
        if _FENCE.match(line.text):
            return self._code(lines, at)
        if line.text.startswith("|"):
            return self._table(lines, at)
        if len(self._open) == 1 and self._number is None and _UNDERLINE.fullmatch(line.text):
            title = self._open.pop()
            heading = Heading(text=title.text, level=1 if line.text[0] == "=" else 2, place=self._place)
            self.found.append(Located(heading, ((title.start, line.end),)))
            return at + 1
        return at

    def _code(self, lines: list[_Line], at: int) -> int:
        self._close()
        end = at + 1
        while end < len(lines) and not _FENCE.match(lines[end].text):
            end += 1
        last = min(end, len(lines) - 1)
        body = "\n".join(line.text for line in lines[at + 1 : end])
        self.found.append(Located(Code(text=body, place=self._place), ((lines[at].start, lines[last].end),)))
        return end + 1

    def _table(self, lines: list[_Line], at: int) -> int:
        self._close()
        end = at
        while end < len(lines) and lines[end].text.startswith("|"):
            end += 1
        has_header = end - at > 1 and _DELIMITERS.fullmatch(lines[at + 1].text) is not None
        rows = [_cells(line.text) for line in lines[at + has_header : end]]
        spans = [(line.start, line.end) for line in lines[at:end]]
        if has_header:  # the line of dashes is part of the header
            spans[0:2] = [(spans[0][0], spans[1][1])]
            rows[0] = _cells(lines[at].text)
        header = rows.pop(0) if has_header else ()
        self.found.append(Located(Table(header=header, rows=tuple(rows), place=self._place), tuple(spans)))
        return end

    def _line(self, line: _Line) -> None:
        follows = self._heading_before() if not self._open else None
        if title := title_of(line.text, follows=follows, marks=self._marks, continues=self._continues()):
            self._close()
            end = line.start + title.length
            if title.completes:
                self._complete(title.text, end)
                return
            heading = Heading(text=title.text, level=title.level, place=self._place)
            self.found.append(Located(heading, ((line.start, end),)))
            rest = line.text[title.length :].lstrip()
            if rest:
                self._line(_Line(line.end - len(rest), line.end, rest))
        elif item := _ITEM.match(line.text):
            self._close()
            self._number = _BULLET.sub("", item["number"]) or item["number"]
            self._open = [line]
        else:
            if self._open and line.text.startswith(">") != self._open[-1].text.startswith(">"):
                self._close()
            self._open.append(line)

    def _continues(self) -> bool:
        """Whether the next line may continue a sentence; what follows the number of a chapter is its title."""
        if not self._open or self._open[-1].text.endswith(_SENTENCE_ENDS):
            return False
        return len(self._open) > 1 or not is_law_title(self._heading_before() or "")

    def _heading_before(self) -> str | None:
        last = self.found[-1].block if self.found else None
        return last.text if isinstance(last, Heading) else None

    def _complete(self, text: str, end: int) -> None:
        heading, spans = self.found[-1]
        assert isinstance(heading, Heading)  # noqa: S101 - `follows` was its text
        merged = msgspec.structs.replace(heading, text=f"{heading.text}\n{text}")
        self.found[-1] = Located(merged, ((spans[0][0], end),) if spans else ())

    def _close(self) -> None:
        if not self._open:
            return
        lines, number = self._open, self._number
        text = "\n".join(line.text for line in lines)
        block: Block
        if number is None:
            block = Paragraph(text=text, place=self._place)
        else:
            mark = _ITEM.match(text)
            assert mark is not None  # noqa: S101 - it was when the item was opened
            level = 1 if _CLAUSE.fullmatch(number) else 2
            block = ListItem(text=text[mark.end() :], number=number, level=level, place=self._place)
        self.found.append(Located(block, ((lines[0].start, lines[-1].end),)))
        self._open, self._number = [], None


def _complete_titles(found: list[Located]) -> list[Located]:
    """Join "Chương I" with the title on the next line."""
    joined: list[Located] = []
    at = 0
    while at < len(found):
        here = found[at]
        if _is_completed(found, at):
            title = found[at + 1]
            assert isinstance(here.block, Heading)  # noqa: S101
            assert isinstance(title.block, Heading | Paragraph)  # noqa: S101
            merged = msgspec.structs.replace(here.block, text=f"{here.block.text}\n{title.block.text}")
            spans = ((here.spans[0][0], title.spans[-1][1]),) if here.spans and title.spans else ()
            joined.append(Located(merged, spans))
            at += 2
        else:
            joined.append(here)
            at += 1
    return joined


def _is_completed(found: list[Located], at: int) -> bool:
    """Whether the block after `at` is the title of the heading at `at`, which has only its number."""
    here, after = found[at].block, found[at + 1].block if at + 1 < len(found) else None
    if not isinstance(here, Heading) or not is_law_title(here.text):
        return False
    if isinstance(after, Heading):
        return law_level(after.text) is None
    if not isinstance(after, Paragraph) or law_level(here.text) == ARTICLE_LEVEL or at + 2 >= len(found):
        return False
    text, beyond = after.text, found[at + 2].block
    is_title = "\n" not in text and len(text) <= _LONGEST_COMPLETION and not text.endswith((".", ";", ":", ","))
    # Before a heading of the same level it is the whole content of the section.
    is_above = isinstance(beyond, Heading) and (law_level(beyond.text) or 0) > (law_level(here.text) or 0)
    return is_title and text[:1].isupper() and is_above


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))


def _lines(text: str) -> list[_Line]:
    return list(_split(text))


def _split(text: str) -> Iterator[_Line]:
    at = 0
    is_blank = False
    for raw in text.splitlines(keepends=True):
        if bare := raw.strip():
            start = at + len(raw) - len(raw.lstrip())
            yield _Line(start, start + len(bare), bare)
        elif not is_blank:  # one for a run of them
            yield _Line(at, at, "")
        is_blank = not bare
        at += len(raw)
