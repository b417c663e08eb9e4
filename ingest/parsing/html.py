"""Web pages: the content that a reader sees, without menus, banners and hidden elements.

Lexbor parses in time linear in the length of the page; the walk below visits each node twice at most.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.parsing.alternative import alternative_text
from ingest.parsing.encodings import decode_text
from ingest.parsing.failures import ParsingFailed
from ingest.parsing.html_forms import FIELDS, Controls, field_text, is_title_button
from ingest.parsing.html_formulas import closing_mark, opening_mark
from ingest.parsing.style_sheets import HiddenElements, is_hiding, is_showing
from ingest.parsing.tables import Cell, guess_header_rows, header_depth
from ingest.parsing.word.numbering import format_number
from phoserve.text.blocks import Block, Caption, Code, Heading, ListItem, Paragraph, ParsedDocument, Record, Table

MAX_DEPTH: Final = 1000
_SHOWN_BY_SCRIPT: Final = 0.15
"""The share of its text that a page shows at least without the scripts that open it,"""
_LONG_PAGE: Final = 3000
"""if it is as long as this, in characters."""
MAX_COLUMNS: Final = 200
MAX_SPAN: Final = 1000
_HEADER_SEARCH: Final = 10
"""Rows among which those of a header are looked for."""
_BLOCKS: Final = frozenset(
    """address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form
    h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu ol p pre section summary table tbody td tfoot th thead
    tr ul caption""".split()  # noqa: SIM905
)
_SKIPPED: Final = frozenset(
    """script style noscript noframes noembed template nav svg annotation annotation-xml option datalist iframe object
    embed canvas audio video head link meta title map progress meter rp -comment""".split()  # noqa: SIM905
)
_PLAIN: Final = frozenset({"a", "abbr", "b", "bdi", "code", "em", "font", "i", "label", "small", "span", "strong", "u"})
"""Elements that change nothing but how their text is set."""
_FURNITURE_ROLES: Final = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar"})
_UNSEEN: Final = re.compile(r"(?:\A|\s)(?:sr-only|visually-hidden|screen-reader-text)(?:\Z|\s)")
_BANNER: Final = re.compile(r"cookie|consent|gdpr", re.IGNORECASE)
_LONGEST_BANNER: Final = 1500
_SPACES: Final = re.compile(r"[ \t\r\f\v\n\u00a0]+")
_SITE: Final = re.compile(r"(?<!\s)\s+[-–—|·»]\s+")
_TAG: Final = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,30})[^<>]*>?")
# Elements that have no content, or that the next of their kind ends.
_NEVER_DEEP: Final = frozenset(
    """area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option thead tbody tfoot
    colgroup""".split()  # noqa: SIM905
)
_NUMBER_KINDS: Final = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_EXPONENT: Final = re.compile(r"[+\-−]?\d+")


def parse(path: Path) -> ParsedDocument:
    """Read a page. Raises ParsingFailed."""
    try:
        decoded = decode_text(path.read_bytes())
    except ValueError as error:
        raise ParsingFailed("unreadable", f"this is not HTML: {error}") from error
    page = read_html(decoded.text)
    return ParsedDocument(blocks=page.blocks, title=page.title, warnings=decoded.warnings)


def read_html(html: str) -> ParsedDocument:
    """Read a page or a fragment of one."""
    tree = LexborHTMLParser(_limit_depth(html))
    hidden = HiddenElements.of(style.text() for style in tree.css("style") if _is_for_screens(style))
    hidden.match(tree.root)
    hidden.controls = Controls.of(tree)
    main = tree.css_first("main, [role=main]")
    blocks = _read_shown(main, hidden) if main is not None else []
    if not blocks and tree.body is not None:
        blocks = _read_shown(tree.body, hidden)
    element = tree.css_first("head > title") or tree.css_first("title")
    title = _SPACES.sub(" ", element.text()).strip() if element is not None else ""
    return ParsedDocument(blocks=tuple(blocks), title=_without_site(title, blocks))


def _read_shown(root: LexborNode, hidden: HiddenElements) -> list[Block]:
    """Read what is shown; a page whose style sheets hide nearly all of its text is one that a script shows."""
    blocks = _Page(hidden).read(root)
    if hidden.is_empty or (blocks and not _is_mostly_hidden(_length(blocks), len(root.text()))):
        return blocks
    everything = _Page(HiddenElements()).read(root)
    return everything if not blocks or _is_mostly_hidden(_length(blocks), _length(everything)) else blocks


def _is_mostly_hidden(shown: int, total: int) -> bool:
    return total >= _LONG_PAGE and shown < _SHOWN_BY_SCRIPT * total


def _length(blocks: list[Block]) -> int:
    """Return about how many characters of text blocks have."""
    tables = (len(cell) for block in blocks if isinstance(block, Table) for row in block.rows for cell in row)
    return sum(len(getattr(block, "text", "")) for block in blocks) + sum(tables)


def _is_for_screens(style: LexborNode) -> bool:
    return (style.attributes.get("media") or "all").strip().lower() in ("", "all", "screen")


def _limit_depth(html: str) -> str:
    """The page without the tags that open elements deeper than `MAX_DEPTH`, as browsers limit it too.

    The parsing rules of HTML walk over all open elements, so depth makes any parser quadratic.
    """
    if html.count("<") <= MAX_DEPTH:
        return html
    depth = 0

    def keep(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag["name"].lower() not in _NEVER_DEEP:
            depth = max(0, depth - 1) if tag["close"] else depth + 1
        return "" if depth > MAX_DEPTH and not tag["close"] else tag.group()

    return _TAG.sub(keep, html)


def _without_site(title: str, blocks: list[Block]) -> str:
    """The page's own part of a title such as "Nghỉ lễ - Công ty Sao Mai": its first heading, if that is a part."""
    heading = next((block.text for block in blocks if isinstance(block, Heading)), "")
    parts = [part.casefold() for part in _SITE.split(title)]
    return heading if not title or (len(parts) > 1 and heading.casefold() in parts) else title


class _Page:
    """Walks over nodes and collects blocks."""

    def __init__(self, hidden: HiddenElements) -> None:
        self._hidden = hidden
        self._blocks: list[Block] = []
        self._text: list[str] = []
        self._heading = 0
        self._lists: list[int | None] = []
        """For each open list the number of its last item, None where items have bullets."""
        self._number: str | None = None
        self._terms: list[str] = []
        """The terms (dt) that the next descriptions (dd) are of."""
        self._is_described = False
        self._term = ""
        """The label of the next block, if it is the first of a description."""
        self._verbatim = 0

    def read(self, root: LexborNode) -> list[Block]:
        """Return the blocks below `root`."""
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaves = stack.pop()
            if leaves:
                self._leave(node)
            elif node.tag == "-text":
                self._add(node.text_content or "")
            elif node.tag == "svg" and not _is_hidden(node, self._hidden):
                self._drawing(node)
            elif node.tag in FIELDS:
                self._field(node)
            elif not _is_skipped(node, self._hidden) and not self._enter_table(node):
                if node.tag not in _PLAIN:
                    self._enter(node)
                    stack.append((node, True))
                stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
        self._flush()
        return self._blocks

    def _add(self, text: str) -> None:
        self._text.append(text if self._verbatim else _SPACES.sub(" ", text))

    def _enter(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in _BLOCKS:
            self._flush()
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._verbatim += 1
        elif tag in ("ul", "menu", "ol"):
            self._lists.append(_start_of(node) if tag == "ol" else None)
        elif tag == "li":
            self._number = self._next_number(node)
        elif tag == "dd":
            self._term, self._is_described = ", ".join(self._terms), True
        elif tag == "br":
            self._text.append("\n")
        elif tag == "img":
            self._picture(node.attributes.get("alt") or "")
        else:
            self._text.append(_mark_before(node))

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in ("dt", "dl"):
            self._leave_terms(tag)
        elif tag == "pre":
            text = "".join(self._text).strip("\n")
            self._text.clear()
            self._verbatim -= 1
            if text.strip():
                self._blocks.append(Code(text=text))
        elif tag in ("figcaption", "caption"):
            if text := self._taken():
                self._blocks.append(Caption(text=text))
        elif tag in _BLOCKS:
            self._flush()
        else:
            self._text.append(closing_mark(node))
        if tag in _HEADINGS:
            self._heading = 0
        elif tag in ("ul", "menu", "ol") and self._lists:
            self._lists.pop()
        elif tag == "li":
            self._number = None

    def _leave_terms(self, tag: str) -> None:
        """Note a term, or at the end of a list keep terms without a description as text."""
        if tag == "dl":
            self._flush()
            if self._terms and not self._is_described:
                self._blocks.append(Paragraph(text="\n".join(self._terms)))
            self._terms, self._is_described, self._term = [], False, ""
            return
        if self._is_described:
            self._terms, self._is_described = [], False
        if text := self._taken():
            self._terms.append(text)

    def _next_number(self, item: LexborNode) -> str:
        if not self._lists or self._lists[-1] is None:
            return "-"
        own = item.attributes.get("value") or ""
        self._lists[-1] = int(own) if own.isdecimal() and len(own) < 10 else self._lists[-1] + 1
        kind = _NUMBER_KINDS.get((item.parent.attributes.get("type") if item.parent else None) or "", "decimal")
        return f"{format_number(self._lists[-1], kind)}."

    def _picture(self, alt: str) -> None:
        alt = alternative_text(alt)
        if not alt:
            return
        if "".join(self._text).strip():
            self._text.append(f" {alt} ")
        else:
            self._blocks.append(Caption(text=alt))

    def _field(self, node: LexborNode) -> None:
        """Keep what a form field shows, if it has a label or follows text."""
        is_named = "".join(self._text).strip() or self._hidden.controls.label(node)
        if is_named and not _is_hidden(node, self._hidden):
            self._text.append(f" {field_text(node)} ")

    def _drawing(self, node: LexborNode) -> None:
        """Keep the words that a drawing shows."""
        texts = (_SPACES.sub(" ", text.text()).strip() for text in node.css("text"))
        if text := " ".join(filter(None, texts)):
            self._flush()
            self._blocks.append(Caption(text=text))

    def _taken(self) -> str:
        """The text collected so far, tidied; nothing is left."""
        text = "".join(self._text)
        self._text.clear()
        lines = (line.strip() for line in re.sub(" {2,}", " ", text).split("\n"))
        return "\n".join(line for line in lines if line)

    def _flush(self) -> None:
        if self._verbatim:
            return
        text = self._taken()
        if not text:
            return
        if self._term:
            self._blocks.append(Record(fields=((self._term, text),)))
            self._term = ""
        elif self._heading:
            self._blocks.append(Heading(text=" ".join(text.split()), level=self._heading))
        elif self._number is not None:
            self._blocks.append(ListItem(text=text, number=self._number, level=max(1, len(self._lists))))
            self._number = None
        else:
            self._blocks.append(Paragraph(text=text))

    def _enter_table(self, node: LexborNode) -> bool:
        """Read a table of data whole; one that is used for layout is a container like any other."""
        if node.tag != "table" or node.attributes.get("role") in ("presentation", "none"):
            return False
        if node.css_first("table table, h1, h2, h3, ul, ol, form") is not None or node.css_first("td, th") is None:
            return False
        table = _table(node, self._hidden)
        if table is None:
            return False
        self._flush()
        self._blocks.append(table)
        return True


def _mark_before(node: LexborNode) -> str:
    """Return what is written before an inline element: ^ before an exponent, and the marks of formulas."""
    if node.tag == "sup" and _EXPONENT.fullmatch(node.text().strip()) and node.css_first("a") is None:
        return "^"
    return opening_mark(node)


def _is_skipped(node: LexborNode, hidden: HiddenElements) -> bool:
    tag = node.tag or ""
    if tag in _SKIPPED or (tag == "button" and not is_title_button(node)):
        return True
    attributes = node.attributes
    if _is_hidden(node, hidden) or (tag == "dialog" and "open" not in attributes):
        return True
    if not attributes and tag not in ("header", "footer"):
        return False
    if attributes.get("aria-hidden") == "true" or _UNSEEN.search(attributes.get("class") or ""):
        return True
    if tag in ("header", "footer") or attributes.get("role") in _FURNITURE_ROLES:
        return not _is_inside_content(node)
    return _is_cookie_banner(node)


def _is_hidden(node: LexborNode, hidden: HiddenElements) -> bool:
    """Whether an attribute or a style hides the element; its own style wins over those of style sheets.

    What a tab or the title of an answer opens is not hidden.
    """
    attributes = node.attributes
    if attributes and (attributes.get("role") == "tabpanel" or attributes.get("id") in hidden.controls.panels):
        return False
    own = attributes.get("style") or ""
    if own and is_hiding(own):
        return True
    if own and is_showing(own):
        return False
    hides = "hidden" in attributes and attributes["hidden"] != "until-found"
    return hides or "popover" in attributes or hidden.hide(node)


def _is_inside_content(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag in ("main", "article") or parent.attributes.get("role") == "main":
            return True
        parent = parent.parent
    return False


def _is_cookie_banner(node: LexborNode) -> bool:
    names = f"{node.attributes.get('id') or ''} {node.attributes.get('class') or ''}"
    if not _BANNER.search(names) or node.tag in ("body", "main", "article", "html"):
        return False
    return len(node.text()) <= _LONGEST_BANNER


def _start_of(node: LexborNode) -> int:
    start = node.attributes.get("start") or ""
    return int(start) - 1 if start.isdecimal() and len(start) < 10 else 0


def _table(node: LexborNode, hidden: HiddenElements) -> Table | None:
    """The table with each cell under its column; None if it has no more than one column."""
    head: list[_Row] = []
    body: list[_Row] = []
    caption = ""
    taken: dict[int, int] = {}  # columns that a cell above reaches into, with the rows left
    for row, is_head in _rows(node, hidden):
        read = _cells(row, taken, hidden, with_shapes=not head and len(body) < _HEADER_SEARCH)
        (head if is_head or (read.all_heads and not body) else body).append(read)
    element = node.css_first("caption")
    if element is not None:
        caption = _cell_text(element, hidden)
    width = max((len(row.texts) for row in head + body), default=0)
    if width < 2 or not body:
        return None
    if not head:
        count = _plain_header_rows(body)
        head, body = body[:count], body[count:]
    header = _joined_header([row.labels for row in head], width)
    rows = tuple(tuple(row.texts + [""] * (width - len(row.texts))) for row in body)
    return Table(header=header, rows=rows, caption=caption)


def _plain_header_rows(rows: list["_Row"]) -> int:
    """Return how many rows are a header by merged or bold cells, as Office writes its tables; 0 if none is."""
    cells = [
        Cell(at, column, row.texts[column], down, across, strong)
        for at, row in enumerate(rows[:_HEADER_SEARCH])
        for column, down, across, strong in row.shapes
    ]
    first = [cell for cell in cells if cell.row == 0 and cell.text]
    is_set_apart = header_depth(cells) > 1 or all(cell.strong for cell in first)
    count = guess_header_rows(cells) if first and is_set_apart else 0
    return count if count < len(rows) else 0


def _rows(node: LexborNode, hidden: HiddenElements) -> Iterator[tuple[LexborNode, bool]]:
    for row in node.css("tr"):
        parent = row.parent
        if not _is_hidden(row, hidden) and not (parent is not None and _is_hidden(parent, hidden)):
            yield row, parent is not None and parent.tag == "thead"


class _Row(NamedTuple):
    """A row of a table, each text in its column."""

    texts: list[str]
    labels: list[str]
    """The texts of merged cells in every column that they cover."""
    shapes: list[tuple[int, int, int, bool]]
    """Column, rows and columns of each cell, and whether all of it is bold."""
    all_heads: bool


def _cells(row: LexborNode, taken: dict[int, int], hidden: HiddenElements, *, with_shapes: bool) -> _Row:
    """Read a row; `taken` is brought up to date."""
    read = _Row([], [], [], all_heads=True)
    all_heads = True
    spans: dict[int, int] = {}
    for cell in row.iter():
        if cell.tag not in ("td", "th") or len(read.texts) >= MAX_COLUMNS or _is_hidden(cell, hidden):
            continue
        _skip_taken(read, taken)
        all_heads = all_heads and cell.tag == "th"
        down = _span(cell, "rowspan")
        across = min(_span(cell, "colspan"), MAX_COLUMNS - len(read.texts))
        if down > 1:
            spans |= dict.fromkeys(range(len(read.texts), len(read.texts) + across), down)
        if across < 1:
            continue
        text = _cell_text(cell, hidden)
        if with_shapes:
            read.shapes.append((len(read.texts), down, across, _is_bold(cell, text)))
        read.texts.extend([text, *[""] * (across - 1)])
        read.labels.extend([text] * across)
    _skip_taken(read, taken)
    for column, left in list(taken.items()):
        if left <= 1:
            del taken[column]
        else:
            taken[column] = left - 1
    taken.update({column: down - 1 for column, down in spans.items()})
    return read._replace(all_heads=all_heads and bool(read.texts))


def _skip_taken(row: _Row, taken: dict[int, int]) -> None:
    while len(row.texts) in taken and len(row.texts) < MAX_COLUMNS:
        row.texts.append("")
        row.labels.append("")


def _is_bold(cell: LexborNode, text: str) -> bool:
    bold = cell.css_first("b, strong") if text else None
    return bold is not None and " ".join((bold.text() or "").split()) == text


def _span(cell: LexborNode, name: str) -> int:
    given = (cell.attributes.get(name) or "1").strip()
    return max(1, min(int(given), MAX_SPAN)) if given.isdecimal() and len(given) < 6 else 1


def _cell_text(cell: LexborNode, hidden: HiddenElements) -> str:
    texts: list[str] = []
    for block in _Page(hidden).read(cell):
        match block:
            case Table(rows=rows):
                texts += [" ".join(row) for row in rows]
            case Record(fields=fields):
                texts += [f"{label}: {value}" for label, value in fields]
            case ListItem(text=text, number=number):
                texts.append(text if number == "-" else f"{number} {text}")
            case _:
                texts.append(block.text)
    return " ".join(" ".join(texts).split())


def _joined_header(head: list[list[str]], width: int) -> tuple[str, ...]:
    """One header row of several: the parts of each column, from above."""
    if not head:
        return ()
    columns = [[cells[column] if column < len(cells) else "" for cells in head] for column in range(width)]
    return tuple(" ".join(part for part in column if part) for column in columns)


_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
