"""Web pages: the content that a reader sees, without menus, banners and hidden elements.

Lexbor parses in time linear in the length of the page; the walk below visits each node twice at most.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.parsing.alternative import alternative_text
from ingest.parsing.css_declarations import FONTS, INHERITED, Aspect, declared_by
from ingest.parsing.encodings import Decoded, decode_text
from ingest.parsing.failures import ParsingFailed
from ingest.parsing.html_forms import FIELDS, Controls, field_text, is_title_button
from ingest.parsing.html_formulas import closing_mark, opening_mark
from ingest.parsing.legacy_fonts import LegacyFont, converted_warning, join_runs
from ingest.parsing.media_queries import fits_a_screen
from ingest.parsing.style_sheets import HiddenElements
from ingest.parsing.tables import Cell, guess_header_rows, header_depth
from ingest.parsing.word.numbering import format_number
from phoserve.text.blocks import Block, Caption, Code, Heading, ListItem, Paragraph, ParsedDocument, Record, Table
from phoserve.text.normalise import compose

MAX_DEPTH: Final = 1000
_SHOWN_BY_SCRIPT: Final = 0.15
"""The share of its text that a page shows at least without the scripts that open it,"""
_LONG_PAGE: Final = 3000
"""if it is as long as this, in characters."""
_CHARSET: Final = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_CHARSET_WITHIN: Final = 4096
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DECODED_BY_CONTENT: Final = frozenset(
    {"utf-8", "ascii", "iso8859-1", "cp1252", "cp1258", "latin_1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
)
"""Encodings that Vietnamese text is declared in, rightly or not; what it really is shows in its words."""
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
_UNSEEN_ASPECTS: Final = frozenset({Aspect.VISIBILITY, Aspect.FONT, Aspect.INK})
"""With one of them the letters are not seen, though what is within may be."""
_GONE: Final = (Aspect.OPACITY, Aspect.PLACE, Aspect.TURN, Aspect.CLIP, Aspect.BOX)
_OLD_ATTRIBUTES: Final = {"color": "color", "bgcolor": "background-color", "face": "font-family"}
_LABELS: Final = "text, foreignObject"
_UNDRAWN: Final = ("defs", "symbol", "clippath", "clipPath", "mask", "marker", "pattern")
_BANNER: Final = re.compile(r"cookie|consent|gdpr", re.IGNORECASE)
_LONGEST_BANNER: Final = 1500
_SPACES: Final = re.compile(r"[ \t\r\f\v\n\u00a0]+")
_MANY_SPACES: Final = re.compile(r" {2,}")
_SITE: Final = re.compile(r"(?<!\s)\s+[-–—|·»]\s+")
_TAG: Final = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,30})[^<>]*>?")
# Elements that have no content, or that the next of their kind ends.
_NEVER_DEEP: Final = frozenset(
    """area base br col embed hr img input link meta param source track wbr p li td th tr dt dd option thead tbody tfoot
    colgroup""".split()  # noqa: SIM905
)
_NUMBER_KINDS: Final = {
    **{"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"},
    **dict.fromkeys(("disc", "circle", "square"), ""),
}
_LIST_STYLE: Final = re.compile(r"list-style(?:-type)?\s*:\s*([a-z-]+)")
_LIST_STYLES: Final = {
    **{"decimal": "decimal", "lower-roman": "lowerRoman", "upper-roman": "upperRoman"},
    **dict.fromkeys(("lower-alpha", "lower-latin"), "lowerLetter"),
    **dict.fromkeys(("upper-alpha", "upper-latin"), "upperLetter"),
}
_BULLETS: Final = ("disc", "circle", "square", "none")
_EXPONENT: Final = re.compile(r"[+\-−]?\d+")


def parse(path: Path) -> ParsedDocument:
    """Read a page. Raises ParsingFailed."""
    try:
        decoded = decode_page(path.read_bytes())
    except ValueError as error:
        raise ParsingFailed("unreadable", f"this is not HTML: {error}") from error
    page = read_html(decoded.text)
    return ParsedDocument(blocks=page.blocks, title=page.title, warnings=(*decoded.warnings, *page.warnings))


def decode_page(content: bytes) -> Decoded:
    """Return the text of a page: in UTF-8 if it is, or in the encoding that it declares for another language."""
    declared = _CHARSET.search(content, 0, _CHARSET_WITHIN)
    encoding = ""
    if declared is not None and not content.startswith(_BYTE_ORDER_MARKS):
        try:
            encoding = codecs.lookup(declared[1].decode()).name
            if encoding not in _DECODED_BY_CONTENT and (content.isascii() or not _is_utf8(content)):
                return Decoded(compose(content.decode(encoding)))
        except (LookupError, ValueError):
            encoding = ""
    decoded = decode_text(content)
    if encoding == "cp1258" and any("Windows-1252" in warning.message for warning in decoded.warnings):
        return replace(decoded, text=compose(content.decode(encoding, "replace")), warnings=())
    return decoded


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_html(html: str) -> ParsedDocument:
    """Read a page or a fragment of one."""
    tree = LexborHTMLParser(_limit_depth(html))
    may_be_coloured = _may_be_coloured(tree)
    sheets = (style.text() for style in tree.css("style") if _is_for_screens(style))
    hidden = HiddenElements.of(sheets, with_colours=not may_be_coloured)
    hidden.match(tree.root)
    setting = _Setting(hidden, Controls.of(tree), may_be_coloured)
    main = tree.css_first("main, [role=main]")
    blocks = _read_shown(main, setting) if main is not None else []
    if not blocks and tree.body is not None:
        blocks = _read_shown(tree.body, setting)
    element = tree.css_first("head > title") or tree.css_first("title")
    title = _SPACES.sub(" ", element.text()).strip() if element is not None else ""
    warnings = tuple(converted_warning(setting.converted))
    return ParsedDocument(blocks=tuple(blocks), title=_without_site(title, blocks), warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What of a page decides how its elements are shown."""

    hidden: HiddenElements
    controls: Controls
    may_be_coloured: bool = True
    """Whether white letters may be seen on pictures or on grounds that other files declare."""
    converted: list[str] = field(default_factory=list)
    """The encoding of each text that was converted from the font that draws it."""


def _may_be_coloured(tree: LexborHTMLParser) -> bool:
    return tree.css_first("link[rel~=stylesheet], img, picture, video, canvas, svg, [background]") is not None


def _read_shown(root: LexborNode, setting: _Setting) -> list[Block]:
    """Read what is shown; a page whose style sheets hide nearly all of its text is one that a script shows."""
    sight = _sight_at(root, setting)
    blocks = _Page(setting, sight).read(root)
    if setting.hidden.is_empty or (blocks and not _is_mostly_hidden(_length(blocks), len(root.text()))):
        return blocks
    everything = _Page(replace(setting, hidden=HiddenElements(), converted=[])).read(root)
    return everything if not blocks or _is_mostly_hidden(_length(blocks), _length(everything)) else blocks


class _Sight(NamedTuple):
    """How elements around show the text within them."""

    inherited: frozenset[Aspect] = frozenset()
    """Those of `css_declarations.INHERITED` that hold."""

    def within(self, looks: dict[Aspect, bool]) -> "_Sight":
        """Return it for what is within an element that is declared to look so."""
        own = frozenset(aspect for aspect in INHERITED if looks.get(aspect, aspect in self.inherited))
        return _Sight(own) if own != self.inherited else self

    def shows(self, setting: _Setting) -> bool:
        """Return whether text is seen."""
        if not self.inherited:
            return True
        is_white = Aspect.WHITE in self.inherited and Aspect.PAPER not in self.inherited
        return not (_UNSEEN_ASPECTS & self.inherited or (is_white and not setting.may_be_coloured))

    @property
    def font(self) -> LegacyFont | None:
        """Return the font of Vietnamese over Western letters that draws text, if one does."""
        return next((FONTS[aspect] for aspect in self.inherited if aspect in FONTS), None)


def _sight_at(root: LexborNode, setting: _Setting) -> _Sight:
    """Return how the elements around `root` show what is within them."""
    around = [root.parent] if root.parent is not None else []
    while around and around[-1].parent is not None and len(around) < MAX_DEPTH:
        around.append(around[-1].parent)
    sight = _Sight()
    for node in reversed(around):
        sight = sight.within(_looks(node, setting))
    return sight


def _is_mostly_hidden(shown: int, total: int) -> bool:
    return total >= _LONG_PAGE and shown < _SHOWN_BY_SCRIPT * total


def _length(blocks: list[Block]) -> int:
    """Return about how many characters of text blocks have."""
    tables = (len(cell) for block in blocks if isinstance(block, Table) for row in block.rows for cell in row)
    return sum(len(getattr(block, "text", "")) for block in blocks) + sum(tables)


def _is_for_screens(style: LexborNode) -> bool:
    return fits_a_screen(style.attributes.get("media") or "all")


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

    def __init__(self, setting: _Setting, sight: _Sight = _Sight()) -> None:  # noqa: B008 (immutable)
        self._setting = setting
        self._sight = sight
        self._blocks: list[Block] = []
        self._text: list[str] = []
        self._fonts: dict[int, LegacyFont] = {}
        """The fonts that draw some of the texts as other letters, by their numbers."""
        self._heading = 0
        self._lists: list[_List] = []
        self._number: str | None = None
        self._terms: list[str] = []
        """The terms (dt) that the next descriptions (dd) are of."""
        self._is_described = False
        self._term = ""
        """The label of the next block, if it is the first of a description."""
        self._verbatim = 0

    def read(self, root: LexborNode) -> list[Block]:
        """Return the blocks below `root`."""
        stack: list[tuple[LexborNode, bool, _Sight]] = [(root, False, self._sight)]
        while stack:
            node, leaves, sight = stack.pop()
            self._sight = sight
            if leaves:
                self._leave(node)
            elif node.tag == "-text":
                self._add(node.text_content or "")
            else:
                looks = _looks(node, self._setting)
                self._sight = sight.within(looks) if looks else sight
                if self._is_read_otherwise(node, looks):
                    continue
                if node.tag not in _PLAIN:
                    self._enter(node)
                    stack.append((node, True, self._sight))
                stack.extend((child, False, self._sight) for child in reversed(list(node.iter(include_text=True))))
        self._flush()
        return self._blocks

    def _is_read_otherwise(self, node: LexborNode, looks: dict[Aspect, bool]) -> bool:
        """Skip an element, or read one that is no text; return False for one whose content is to be read."""
        if node.tag == "svg":
            if not _is_hidden(node, looks, self._setting) and self._is_seen:
                self._drawing(node)
        elif node.tag in FIELDS:
            if not _is_hidden(node, looks, self._setting) and self._is_seen:
                self._field(node)
        else:
            return _is_skipped(node, looks, self._setting) or (self._is_seen and self._enter_table(node))
        return True

    @property
    def _is_seen(self) -> bool:
        return self._sight.shows(self._setting)

    def _add(self, text: str) -> None:
        shown = text if self._verbatim else _SPACES.sub(" ", text)
        if not self._sight.inherited:
            self._text.append(shown)
        elif self._is_seen:
            self._write(shown, self._sight.font)

    def _write(self, text: str, font: LegacyFont | None = None) -> None:
        if font is not None:
            self._fonts[len(self._text)] = font
        self._text.append(text)

    def _enter(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in _BLOCKS:
            self._flush()
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._verbatim += 1
        elif tag in ("ul", "menu", "ol"):
            self._lists.append(_list_of(node))
        elif tag == "li":
            self._number = self._next_number(node)
        elif tag == "dd":
            self._term, self._is_described = ", ".join(self._terms), True
        elif tag == "br":
            self._write("\n")
        elif tag == "img":
            self._picture(node.attributes.get("alt") or "")
        else:
            self._write(_mark_before(node))

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in ("dt", "dl"):
            self._leave_terms(tag)
        elif tag == "pre":
            text = self._joined().strip("\n")
            self._verbatim -= 1
            if text.strip():
                self._blocks.append(Code(text=text))
        elif tag in ("figcaption", "caption"):
            if text := self._taken():
                self._blocks.append(Caption(text=text))
        elif tag in _BLOCKS:
            self._flush()
        else:
            self._write("”" if tag == "q" else closing_mark(node))
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
        if not self._lists:
            return "-"
        inside = self._lists[-1]
        own = _whole(item.attributes.get("value"))
        inside.last = inside.last + inside.step if own is None else own
        kind = _kind_of(item, inside.kind)
        if not kind:
            return "-"
        return f"{format_number(inside.last, kind) if inside.last > 0 else inside.last}."

    def _picture(self, alt: str) -> None:
        alt = alternative_text(alt)
        if not alt or not self._is_seen:
            return
        if self._has_text:
            self._write(f" {alt} ")
        else:
            self._blocks.append(Caption(text=alt))

    def _field(self, node: LexborNode) -> None:
        """Keep what a form field shows, if it has a label or follows text."""
        if self._has_text or self._setting.controls.label(node):
            self._write(f" {field_text(node)} ")

    def _drawing(self, node: LexborNode) -> None:
        """Keep the words that a drawing shows."""
        shown = (text for text in node.css(_LABELS) if not _is_hidden_within(text, node, self._setting))
        texts = (_SPACES.sub(" ", text.text()).strip() for text in shown)
        if text := " ".join(filter(None, texts)):
            self._flush()
            self._blocks.append(Caption(text=text))

    def _taken(self) -> str:
        """The text collected so far, tidied; nothing is left."""
        text = self._joined() if self._text else ""
        if not text or text.isspace():
            return ""
        lines = map(str.strip, _MANY_SPACES.sub(" ", text).split("\n"))
        return "\n".join(filter(None, lines))

    @property
    def _has_text(self) -> bool:
        return any(map(str.strip, self._text))

    def _joined(self) -> str:
        """Return the text collected so far as it is displayed; nothing is left."""
        text = "".join(self._text)
        if self._fonts:
            text, encoding = join_runs([(each, self._fonts.get(at)) for at, each in enumerate(self._text)])
            self._setting.converted.extend([encoding] if encoding else ())
            self._fonts.clear()
        self._text.clear()
        return text

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
        table = _table(node, self._setting, self._sight)
        if table is None:
            return False
        self._flush()
        self._blocks.append(table)
        return True


def _mark_before(node: LexborNode) -> str:
    """Return what is written before an inline element: ^ before an exponent, and the marks of formulas."""
    if node.tag == "q":
        return "“"
    if node.tag == "sup" and _EXPONENT.fullmatch(node.text().strip()) and node.css_first("a") is None:
        return "^"
    return opening_mark(node)


def _is_skipped(node: LexborNode, looks: dict[Aspect, bool], setting: _Setting) -> bool:
    tag = node.tag or ""
    if tag in _SKIPPED or (tag == "button" and not is_title_button(node)):
        return True
    attributes = node.attributes
    if _is_hidden(node, looks, setting) or (tag == "dialog" and "open" not in attributes):
        return True
    if not attributes and tag not in ("header", "footer"):
        return False
    if attributes.get("aria-hidden") == "true" or _UNSEEN.search(attributes.get("class") or ""):
        return True
    if tag in ("header", "footer") or attributes.get("role") in _FURNITURE_ROLES:
        return not _is_inside_content(node)
    return _is_cookie_banner(node)


def _looks(node: LexborNode, setting: _Setting) -> dict[Aspect, bool]:
    """Return what style sheets, its own style and old attributes declare about an element."""
    attributes = node.attributes
    style = attributes.get("style") if attributes else None
    looks = setting.hidden.look_at(node, style or "") if style or not setting.hidden.is_empty else {}
    if attributes and _OLD_ATTRIBUTES.keys() & attributes.keys():
        old = ";".join(f"{name}:{attributes.get(attribute) or ''}" for attribute, name in _OLD_ATTRIBUTES.items())
        looks = {one.aspect: one.holds for one in declared_by(old)} | looks
    return looks


def _is_hidden(node: LexborNode, looks: dict[Aspect, bool], setting: _Setting) -> bool:
    """Whether an attribute or a style hides the element with all that is in it.

    What a tab or the title of an answer opens is not hidden.
    """
    attributes = node.attributes
    if not attributes and not looks:
        return False
    if attributes.get("role") == "tabpanel" or attributes.get("id") in setting.controls.panels:
        return False
    if looks:
        if any(looks.get(aspect) for aspect in _GONE):
            return True
        if Aspect.DISPLAY in looks:
            return looks[Aspect.DISPLAY]
    return ("hidden" in attributes and attributes["hidden"] != "until-found") or "popover" in attributes


def _is_hidden_within(node: LexborNode, drawing: LexborNode, setting: _Setting) -> bool:
    """Whether a label of a drawing is not drawn."""
    inner: LexborNode | None = node
    for _ in range(MAX_DEPTH):
        if inner is None or inner.mem_id == drawing.mem_id:
            return False
        looks = _looks(inner, setting)
        if inner.tag in _UNDRAWN or inner.attributes.get("display") == "none" or _is_hidden(inner, looks, setting):
            return True
        if any(looks.get(aspect) for aspect in (Aspect.VISIBILITY, Aspect.FONT)):
            return True
        inner = inner.parent
    return False


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


@dataclass(slots=True)
class _List:
    """An open list: the number of its last item, what the next one adds, how numbers are written ("" for bullets)."""

    last: int
    step: int
    kind: str


def _list_of(node: LexborNode) -> _List:
    kind = _kind_of(node, "decimal" if node.tag == "ol" else "")
    start = _whole(node.attributes.get("start")) if node.tag == "ol" else None
    if node.tag != "ol" or "reversed" not in node.attributes:
        return _List((1 if start is None else start) - 1, 1, kind)
    items = sum(child.tag == "li" for child in node.iter()) if start is None else start
    return _List(items + 1, -1, kind)


def _kind_of(node: LexborNode, default: str) -> str:
    """Return how a list or an item writes its numbers, by its own style or type."""
    attributes = node.attributes
    style = _LIST_STYLE.search((attributes.get("style") or "").lower()) if attributes else None
    if style is not None:
        return _LIST_STYLES.get(style[1], "" if style[1] in _BULLETS else default)
    return _NUMBER_KINDS.get(attributes.get("type") or "", default) if attributes else default


def _whole(written: str | None) -> int | None:
    written = (written or "").strip()
    return int(written) if written.removeprefix("-").isdecimal() and len(written) < 10 else None


def _table(node: LexborNode, setting: _Setting, sight: _Sight) -> Table | None:
    """The table with each cell under its column; None if it has no more than one column."""
    head: list[_Row] = []
    body: list[_Row] = []
    caption = ""
    taken: dict[int, int] = {}  # columns that a cell above reaches into, with the rows left
    for row, is_head, row_sight in _rows(node, setting, sight):
        read = _cells(row, taken, setting, row_sight, with_shapes=not head and len(body) < _HEADER_SEARCH)
        (head if is_head or (read.all_heads and not body) else body).append(read)
    element = node.css_first("caption")
    if element is not None:
        caption = _cell_text(element, setting, sight)
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


def _rows(node: LexborNode, setting: _Setting, sight: _Sight) -> Iterator[tuple[LexborNode, bool, _Sight]]:
    """Yield the rows that are shown as browsers order them, whether each is in the head, and how it is seen."""
    groups: dict[str, list[tuple[LexborNode, bool, _Sight]]] = {"thead": [], "": [], "tfoot": []}
    for row in node.css("tr"):
        parent = row.parent
        around = {} if parent is None else _looks(parent, setting)
        looks = _looks(row, setting)
        if _is_hidden(row, looks, setting) or (parent is not None and _is_hidden(parent, around, setting)):
            continue
        group = parent.tag if parent is not None and parent.tag in ("thead", "tfoot") else ""
        groups[group or ""].append((row, group == "thead", sight.within(around).within(looks)))
    yield from (row for rows in groups.values() for row in rows)


class _Row(NamedTuple):
    """A row of a table, each text in its column."""

    texts: list[str]
    labels: list[str]
    """The texts of merged cells in every column that they cover."""
    shapes: list[tuple[int, int, int, bool]]
    """Column, rows and columns of each cell, and whether all of it is bold."""
    all_heads: bool


def _cells(row: LexborNode, taken: dict[int, int], setting: _Setting, sight: _Sight, *, with_shapes: bool) -> _Row:
    """Read a row; `taken` is brought up to date."""
    read = _Row([], [], [], all_heads=True)
    all_heads = True
    spans: dict[int, int] = {}
    for cell in row.iter():
        if cell.tag not in ("td", "th") or len(read.texts) >= MAX_COLUMNS:
            continue
        if _is_hidden(cell, _looks(cell, setting), setting):
            continue
        _skip_taken(read, taken)
        all_heads = all_heads and cell.tag == "th"
        down = _span(cell, "rowspan")
        across = min(_span(cell, "colspan"), MAX_COLUMNS - len(read.texts))
        if down > 1:
            spans |= dict.fromkeys(range(len(read.texts), len(read.texts) + across), down)
        if across < 1:
            continue
        text = _cell_text(cell, setting, sight)
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


def _cell_text(cell: LexborNode, setting: _Setting, sight: _Sight) -> str:
    texts: list[str] = []
    for block in _Page(setting, sight).read(cell):
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
