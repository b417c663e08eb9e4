"""The text of Word's paragraphs: runs, fields, symbols, formulas; and what is anchored in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.alternative import alternative_text
from ingest.parsing.legacy_fonts import LegacyFont, join_runs, legacy_font
from ingest.parsing.opc import local_name
from ingest.parsing.scripts import raise_text
from ingest.parsing.word.formulas import formula
from ingest.parsing.word.styles import Styles, W, font_of, is_on, value

_MC: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_V: Final = "{urn:schemas-microsoft-com:vml}"
_DROPPED: Final = frozenset({"del", "moveFrom", "rt", "delText", "instrText", "delInstrText", "fldData", "rPr", "pPr"})
_PAGE_FIELDS: Final = ("PAGE", "NUMPAGES", "SECTIONPAGES", "PAGEREF")
# Symbols that Wingdings and Symbol have where Unicode has private characters; others become a bullet.
_SYMBOLS: Final = {
    "wingdings": {0xFC: "✓", 0xFB: "✗", 0xFE: "☑", 0xFD: "☒", 0xA8: "☐", 0x6F: "☐", 0xE0: "→", 0xE8: "→"},
    "symbol": {0xB3: "≥", 0xA3: "≤", 0xB1: "±", 0xB4: "×", 0xB8: "÷", 0xB9: "≠", 0xAE: "→", 0xDE: "⇒", 0x61: "α",
               0x62: "β", 0x67: "γ", 0x64: "δ", 0x44: "Δ", 0x53: "Σ", 0x70: "π", 0x57: "Ω", 0x6D: "µ", 0xB0: "°"},
}  # fmt: skip


@dataclass(slots=True)
class Inline:
    """What a paragraph holds."""

    text: str = ""
    all_bold: bool = True
    notes: list[tuple[str, str, str | None]] = field(default_factory=list)
    """The kind ("footnote", "endnote"), id and own mark of each note it refers to, in order; None for a number."""
    boxes: list[etree._Element] = field(default_factory=list)
    """The contents of text boxes anchored in it."""
    charts: list[str] = field(default_factory=list)
    """Relationship ids of its charts."""
    diagrams: list[str] = field(default_factory=list)
    """Relationship ids of the data of its SmartArt."""
    captions: list[str] = field(default_factory=list)
    """Alternative texts of its pictures."""
    objects: list[tuple[str, str]] = field(default_factory=list)
    """The program and the relationship id of each embedded object."""
    hidden_runs: int = 0
    encoding: str = ""
    """The legacy encoding that some of its text was converted from."""


class _LegacyText(str):
    """Text of a run set in a font that draws Vietnamese over Western letters."""

    __slots__ = ("font",)
    font: LegacyFont


class InlineReader:
    """Reads paragraphs one after the other; fields may begin in one and end in another."""

    def __init__(self, styles: Styles, *, with_page_fields: bool = True, with_fonts: bool = False) -> None:
        """Read with a document's styles; `with_fonts` if some of its text is in fonts such as .VnTime."""
        self._styles = styles
        self._with_fonts = with_fonts or styles.has_legacy_fonts
        self._with_page_fields = with_page_fields
        self._fields: list[_Field] = []

    def read(self, paragraph: etree._Element, style: str) -> Inline:
        """Return what `paragraph` holds; `style` is its style."""
        inline = Inline()
        parts: list[str] = []
        self._children(paragraph, style, inline, parts)
        inline.text = "".join(parts)
        if self._with_fonts:
            inline.text, inline.encoding = join_runs([(str(part), getattr(part, "font", None)) for part in parts])
        inline.all_bold = inline.all_bold and bool(inline.text.strip())
        return inline

    def _children(self, parent: etree._Element, style: str, inline: Inline, parts: list[str]) -> None:
        for element in parent:
            name = local_name(element)
            if name == "r" and element.tag.startswith(W):
                self._run(element, style, inline, parts)
            elif name == "AlternateContent":
                self._alternatives(element, style, inline, parts)
            elif name == "oMath":
                parts.append(formula(element))
            elif name not in _DROPPED and not self._is_left_out(element, name):
                self._children(element, style, inline, parts)

    def _alternatives(self, element: etree._Element, style: str, inline: Inline, parts: list[str]) -> None:
        """Read the first alternative that holds anything."""
        for alternative in element:
            before = _size(inline), len(parts)
            self._children(alternative, style, inline, parts)
            if (_size(inline), len(parts)) == before:
                self._objects(alternative, inline)
            if (_size(inline), len(parts)) != before:
                return

    def _is_left_out(self, element: etree._Element, name: str) -> bool:
        """Whether the element is a page number in a header, or a control that still shows what to fill in."""
        if name == "fldSimple":
            return self._is_page_field(value(element, "instr") or "")
        return name == "sdt" and element.find(f"{W}sdtPr/{W}showingPlcHdr") is not None

    def _run(self, run: etree._Element, style: str, inline: Inline, parts: list[str]) -> None:
        properties = run.find(f"{W}rPr")
        hidden = self._switch(properties, style, "vanish")
        text = "".join(self._run_content(run, inline, hidden=hidden))
        if not text:
            return
        if hidden:
            inline.hidden_runs += bool(text.strip())
            return
        if text.strip() and not self._switch(properties, style, "b"):
            inline.all_bold = False
        raised = value(properties.find(f"{W}vertAlign")) if properties is not None else None
        shown = raise_text(text, "".join(parts[-1:])) if raised == "superscript" else text
        parts.append(self._in_font(shown, properties, style) if self._with_fonts else shown)

    def _in_font(self, text: str, properties: etree._Element | None, style: str) -> str:
        """Return text marked with its font if that is one of those that draw Vietnamese over Western letters."""
        character = value(properties.find(f"{W}rStyle")) if properties is not None else None
        font = legacy_font(font_of(properties) or self._styles.font((character, style)))
        if font is None:
            return text
        marked = _LegacyText(text)
        marked.font = font
        return marked

    def _run_content(self, run: etree._Element, inline: Inline, *, hidden: bool) -> Iterator[str]:
        for element in run:
            name = local_name(element)
            if name == "fldChar":
                yield self._field_mark(element)
            elif name == "instrText" and self._fields:
                self._fields[-1].code += element.text or ""
            elif self._in_code():
                continue
            elif name in _CHARACTERS:
                yield _CHARACTERS[name](element)
            elif name in ("footnoteReference", "endnoteReference") and not hidden:
                # A mark of the author's own stays in the text, and at the beginning of the note.
                own_mark = "" if value(element, "customMarkFollows") in ("1", "true", "on") else None
                inline.notes.append((name.removesuffix("Reference"), value(element, "id") or "", own_mark))
            elif name == "AlternateContent":
                yield self._run_alternatives(element, inline, hidden=hidden)
            elif name in ("drawing", "pict", "object") and not hidden:
                self._objects(element, inline)

    def _run_alternatives(self, element: etree._Element, inline: Inline, *, hidden: bool) -> str:
        """Return the text of the first alternative that holds any, or objects."""
        for alternative in element:
            before = _size(inline)
            text = "".join(self._run_content(alternative, inline, hidden=hidden))
            if text or _size(inline) > before:
                return text
        return ""

    def _switch(self, properties: etree._Element | None, style: str, name: str) -> bool:
        own = is_on(properties, name)
        if own is not None:
            return own
        character = value(properties.find(f"{W}rStyle")) if properties is not None else None
        return self._styles.is_on(character, name) or self._styles.is_on(style, name)

    def _field_mark(self, element: etree._Element) -> str:
        """Note where a field begins, shows its result and ends; return what one without a result shows."""
        kind = value(element, "fldCharType")
        if kind == "begin":
            self._fields.append(_Field(chosen=_chosen(element)))
        elif kind == "separate" and self._fields:
            self._fields[-1].shows = self._with_page_fields or not self._is_page_field(self._fields[-1].code)
        elif kind == "end" and self._fields:
            ended = self._fields.pop()
            return "" if ended.shows or self._in_code() else ended.chosen
        return ""

    def _in_code(self) -> bool:
        return any(not one.shows for one in self._fields)

    def _is_page_field(self, code: str) -> bool:
        return not self._with_page_fields and code.split(maxsplit=1)[:1] in ([name] for name in _PAGE_FIELDS)

    def _objects(self, element: etree._Element, inline: Inline) -> None:
        """Collect text boxes, charts, diagrams and alternative texts; of alternatives, the first that holds any."""
        if element.tag == f"{_MC}AlternateContent":
            for alternative in element:
                before = _size(inline)
                self._objects(alternative, inline)
                if _size(inline) > before:
                    return
            return
        name = local_name(element)
        if name == "txbxContent":
            inline.boxes.append(element)
            return
        _note_object(element, name, inline)
        for child in element:
            self._objects(child, inline)


def _note_object(element: etree._Element, name: str, inline: Inline) -> None:
    if name == "chart" and element.get(f"{_R}id"):
        inline.charts.append(element.get(f"{_R}id", ""))
    elif name == "relIds" and element.get(f"{_R}dm"):
        inline.diagrams.append(element.get(f"{_R}dm", ""))
    elif name == "OLEObject":
        inline.objects.append((element.get("ProgID", ""), element.get(f"{_R}id", "")))
    elif text := _shown_words(element, name):
        inline.captions.append(text)


def _shown_words(element: etree._Element, name: str) -> str:
    """Return a picture's alternative text, or the words of old WordArt."""
    if element.tag == f"{_V}textpath":
        return element.get("string", "").strip()
    if name != "docPr" and element.tag not in (f"{_V}shape", f"{_V}imagedata"):
        return ""
    return alternative_text(element.get("descr") or element.get("alt"))


@dataclass(slots=True)
class _Field:
    """A field that has begun: its result shows once its code has ended."""

    shows: bool = False
    code: str = ""
    chosen: str = ""
    """What a list or a box to tick shows."""


def _chosen(begin: etree._Element) -> str:
    """Return what a form field shows that has no text for a result: the chosen entry of a list, or a box."""
    data = begin.find(f"{W}ffData")
    choices = None if data is None else data.find(f"{W}ddList")
    box = None if data is None else data.find(f"{W}checkBox")
    if choices is not None:
        entries = [value(entry) or "" for entry in choices.iterfind(f"{W}listEntry")]
        at = value(choices.find(f"{W}result")) or value(choices.find(f"{W}default")) or "0"
        return entries[int(at)] if at.isdecimal() and len(at) < 4 and int(at) < len(entries) else ""
    if box is not None:
        is_checked = is_on(box, "checked")
        return "☒" if (is_on(box, "default") if is_checked is None else is_checked) else "☐"
    return ""


def _size(inline: Inline) -> int:
    return len(inline.boxes) + len(inline.charts) + len(inline.diagrams) + len(inline.captions)


def _symbol(element: etree._Element) -> str:
    font = (value(element, "font") or "").lower()
    try:
        code = int(value(element, "char") or "", 16)
    except ValueError:
        return ""
    table = _SYMBOLS.get(font)
    if table is not None or 0xE000 <= code <= 0xF8FF:
        return (table or {}).get(code & 0xFF, "•")
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


_CHARACTERS: Final[dict[str, Callable[[etree._Element], str]]] = {
    "t": lambda element: element.text or "",
    "br": lambda element: "" if value(element, "type") in ("page", "column") else "\n",
    "cr": lambda _: "\n",
    "tab": lambda _: "\t",
    "ptab": lambda _: "\t",
    "noBreakHyphen": lambda _: "-",
    "sym": _symbol,
    "ruby": lambda element: "".join(text.text or "" for text in element.iterfind(f"{W}rubyBase//{W}t")),
}
"""The text of the elements of a run that have one."""
