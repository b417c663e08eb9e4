"""The text of Word's paragraphs: runs, fields, symbols, formulas; and what is anchored in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from ingest.parsing.alternative import alternative_text
from ingest.parsing.opc import local_name
from ingest.parsing.scripts import raise_text
from ingest.parsing.word.styles import Styles, W, is_on, value

_M: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
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
    hidden_runs: int = 0


class InlineReader:
    """Reads paragraphs one after the other; fields may begin in one and end in another."""

    def __init__(self, styles: Styles, *, with_page_fields: bool = True) -> None:
        self._styles = styles
        self._with_page_fields = with_page_fields
        self._fields: list[_Field] = []

    def read(self, paragraph: etree._Element, style: str) -> Inline:
        """Return what `paragraph` holds; `style` is its style."""
        inline = Inline()
        parts: list[str] = []
        self._children(paragraph, style, inline, parts)
        inline.text = "".join(parts)
        inline.all_bold = inline.all_bold and bool(inline.text.strip())
        return inline

    def _children(self, parent: etree._Element, style: str, inline: Inline, parts: list[str]) -> None:
        for element in parent:
            name = local_name(element)
            if name == "r" and element.tag.startswith(W):
                self._run(element, style, inline, parts)
            elif name == "AlternateContent":
                self._objects(element, inline)
            elif name == "oMath":
                parts.append(formula(element))
            elif name not in _DROPPED and not self._is_left_out(element, name):
                self._children(element, style, inline, parts)

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
        parts.append(raise_text(text, "".join(parts[-1:])) if raised == "superscript" else text)

    def _run_content(self, run: etree._Element, inline: Inline, *, hidden: bool) -> Iterator[str]:
        for element in run:
            name = local_name(element)
            if name == "fldChar":
                self._field_mark(value(element, "fldCharType") or "")
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
            elif name in ("drawing", "pict", "object", "AlternateContent") and not hidden:
                self._objects(element, inline)

    def _switch(self, properties: etree._Element | None, style: str, name: str) -> bool:
        own = is_on(properties, name)
        if own is not None:
            return own
        character = value(properties.find(f"{W}rStyle")) if properties is not None else None
        return self._styles.is_on(character, name) or self._styles.is_on(style, name)

    def _field_mark(self, kind: str) -> None:
        if kind == "begin":
            self._fields.append(_Field())
        elif kind == "separate" and self._fields:
            self._fields[-1].shows = self._with_page_fields or not self._is_page_field(self._fields[-1].code)
        elif kind == "end" and self._fields:
            self._fields.pop()

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
        if name == "chart" and element.get(f"{_R}id"):
            inline.charts.append(element.get(f"{_R}id", ""))
        elif name == "relIds" and element.get(f"{_R}dm"):
            inline.diagrams.append(element.get(f"{_R}dm", ""))
        elif name == "docPr" or element.tag in (f"{_V}shape", f"{_V}imagedata"):
            inline.captions.extend(filter(None, [alternative_text(element.get("descr") or element.get("alt"))]))
        for child in element:
            self._objects(child, inline)


@dataclass(slots=True)
class _Field:
    """A field that has begun: its result shows once its code has ended."""

    shows: bool = False
    code: str = ""


def formula(element: etree._Element) -> str:
    """Return an Office formula on one line: a/b, x^2, √(x)."""
    name = local_name(element)
    if name == "t":
        return element.text or ""
    inner = {local_name(child): child for child in element}

    def part(child: str) -> str:
        return formula(inner[child]) if child in inner else ""

    if name == "f":
        return f"{_grouped(part('num'))}/{_grouped(part('den'))}"
    if name in ("sSup", "sSub", "sSubSup"):
        below = f"_{_grouped(part('sub'))}" if "sub" in inner else ""
        above = f"^{_grouped(part('sup'))}" if "sup" in inner else ""
        return part("e") + below + above
    if name == "rad":
        return f"{part('deg')}√{_grouped(part('e'))}"
    if name == "nary":
        symbol = element.find(f"{_M}naryPr/{_M}chr")
        sign = symbol.get(f"{_M}val", "∫") if symbol is not None else "∫"
        return f"{sign}_{_grouped(part('sub'))}^{_grouped(part('sup'))} {part('e')}"
    if name == "d":
        return f"({', '.join(formula(child) for child in element if local_name(child) == 'e')})"
    return "".join(formula(child) for child in element if not local_name(child).endswith("Pr"))


def _grouped(text: str) -> str:
    return text if len(text) <= 1 or text.isalnum() else f"({text})"


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
