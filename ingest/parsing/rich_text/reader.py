"""Read RTF: what its control words mean for text, characters, paragraphs, tables and destinations."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ingest.parsing.legacy_fonts import LegacyFont, legacy_font
from ingest.parsing.rich_text.characters import (
    CODE_PAGES,
    SPECIAL,
    SYMBOL_CHARSET,
    SYMBOLS,
    WESTERN,
    Characters,
    code_page,
)
from ingest.parsing.rich_text.story import Setting, Story, plain_lines
from ingest.parsing.rich_text.tables import RowShape
from ingest.parsing.rich_text.tokens import Token
from ingest.parsing.word.numbering import format_number
from phoserve.text.blocks import Footnote

_MAX_DEPTH: Final = 1000
_ENTERED: Final = frozenset(
    {"shpinst", "shptxt", "nesttableprops", "ud", "do", "dptxbxtext", "moMath", "moMathPara", "pntext", "listtext",
     "footnote", "fldrslt", "result"}
)  # fmt: skip
"""Destinations marked as ignorable that hold text."""
_LEFT_OUT: Final = frozenset(
    {"pict", "nonshppict", "colortbl", "filetbl", "xe", "tc", "tcn", "nonesttables", "sp", "shprslt", "objdata",
     "objclass", "objname", "fldinst", "pn", "atnid", "atnauthor", "annotation", "mmathPict", "background", "ftnsep",
     "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "listtable", "listoverridetable", "revtbl", "generator",
     "themedata", "private", "datafield", "bkmkstart", "bkmkend", "falt", "panose", "fontemb", "pnseclvl", "rxe"}
)  # fmt: skip
_STORIES: Final = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "header"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "footer"),
    **dict.fromkeys(("footnote",), "note"),
    **dict.fromkeys(("shptxt", "dptxbxtext"), "box"),
}
_TABLE_WORDS: Final = frozenset(
    {"cellx", "clvmrg", "clmrg", "trhdr", "brdrs", "brdrdb", "brdrth", "brdrdash", "brdrdot", "brdrhair"}
)
_MATH_MARKS: Final = {"mden": "/", "msup": "^"}
_HEADING: Final = "heading "


@dataclass(slots=True)
class _State:
    """The properties in force in a group."""

    place: str = "text"
    """"text", or "fonts", "styles", "info", "left out" and names of pieces of text such as "title"."""
    font: int = 0
    is_bold: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    is_raised: bool = False
    replaced: int = 1
    """How many characters follow a `\\u` word for programs without Unicode."""
    style: int = 0
    outline: int | None = None
    level: int = 0
    is_in_table: bool = False
    nesting: int = 0
    on_close: Callable[[], None] | None = None
    is_first_of_pair: bool = False
    """Whether the next group is the version for programs without Unicode."""


@dataclass(slots=True)
class _Font:
    name: str = ""
    charset: int = 0
    codec: str = ""
    legacy: LegacyFont | None = None


@dataclass(slots=True)
class _Style:
    name: str = ""
    outline: int | None = None


@dataclass(slots=True)
class RichTextReader:
    """Reads the tokens of one file."""

    story: Story = field(default_factory=Story)
    info: dict[str, str] = field(default_factory=dict)
    """Title and author."""
    margins: dict[str, dict[str, None]] = field(default_factory=dict)
    """Lines of headers and footers."""
    hidden_passages: int = 0
    embedded_objects: int = 0
    _state: _State = field(default_factory=_State)
    _groups: list[_State] = field(default_factory=list)
    _fonts: dict[int, _Font] = field(default_factory=dict)
    _styles: dict[int, _Style] = field(default_factory=dict)
    _stories: list[Story] = field(default_factory=list)
    _shape: RowShape = field(default_factory=RowShape)
    _codec: str = WESTERN
    _default_font: int = 0
    _replacements: int = 0
    _is_ignorable: bool = False
    _begins: bool = False
    """Whether the group has just begun, so that a control word may name its destination."""
    _piece: Characters = field(default_factory=Characters)
    """Names of fonts and styles, title and author."""
    _was_hidden: bool = False
    _note_counts: dict[str, int] = field(default_factory=dict)

    def read(self, tokens: Iterable[Token]) -> None:
        """Read a file to its end; text after it is ignored."""
        for token in tokens:
            if token.kind == "open":
                self._open()
            elif token.kind == "close":
                self._close()
                if not self._groups:
                    break
            elif self._replacements and token.name != "u":
                self._skip_replacement(token)
            elif self._state.place != "left out":
                self._take(token)
        while self._groups:  # a file that was cut
            self._close()
        self.story.finish()

    # ---- groups

    def _open(self) -> None:
        parent = self._state
        self._groups.append(parent)
        self._state = copy.copy(parent)
        self._state.on_close = None
        self._state.is_first_of_pair = False
        if parent.is_first_of_pair:
            parent.is_first_of_pair = False
            self._state.place = "left out"
        if len(self._groups) > _MAX_DEPTH:
            self._state.place = "left out"
        self._replacements, self._is_ignorable, self._begins = 0, False, True

    def _close(self) -> None:
        self._replacements, self._is_ignorable, self._begins = 0, False, False
        if not self._groups:
            return
        if self._state.on_close:
            self._state.on_close()
        self._state = self._groups.pop()

    def _skip_replacement(self, token: Token) -> None:
        if token.kind != "text":
            self._replacements -= 1
            return
        rest = token.content[self._replacements :]
        self._replacements = max(0, self._replacements - len(token.content))
        if rest and self._state.place != "left out":
            self._add_bytes(rest)

    def _take(self, token: Token) -> None:
        if token.kind == "word":
            self._word(token.name, token.number)
        elif token.kind == "symbol":
            self._symbol(token.name)
        else:
            self._begins = self._begins and token.content.isspace()
            self._add_bytes(token.content)

    # ---- characters

    def _add_bytes(self, content: bytes) -> None:
        state = self._state
        font = self._fonts.get(state.font)
        codec = (font.codec if font else "") or self._codec
        if state.place == "text":
            if self._is_shown(content):
                if font is not None and font.charset == SYMBOL_CHARSET:
                    content = _symbols(font.name, content)
                self.story.set_run(font.legacy if font else None, raised=state.is_raised)
                self.story.add(content, codec, is_bold=state.is_bold)
        elif state.place == "fonts":
            self._name_fonts(content)
        elif state.place == "styles":
            self._name_style(content)
        elif state.place != "info":
            self._piece.add_bytes(content, codec)

    def _add_text(self, text: str) -> None:
        if self._state.place == "text":
            if self._is_shown(text.encode("utf-8", "replace")):
                font = self._fonts.get(self._state.font)
                self.story.set_run(font.legacy if font else None, raised=self._state.is_raised)
                self.story.add_text(text, is_bold=self._state.is_bold)
        elif self._state.place not in ("fonts", "styles", "info"):
            self._piece.add_text(text)

    def _is_shown(self, content: bytes) -> bool:
        hidden = self._state.is_hidden or self._state.is_deleted
        if self._state.is_hidden and not self._was_hidden and content.strip():
            self.hidden_passages += 1
        if content.strip() or not hidden:
            self._was_hidden = self._state.is_hidden
        return not hidden

    def _symbol(self, name: str) -> None:
        if name == "*":
            self._is_ignorable = True
            return
        self._begins = False
        if name in "\r\n":
            self._end_paragraph()
        elif name in SYMBOLS:
            self._add_text(SYMBOLS[name])

    # ---- control words

    def _word(self, name: str, number: int | None) -> None:
        begins, self._begins = self._begins, False
        ignorable, self._is_ignorable = self._is_ignorable, False
        if begins and self._destination(name, ignorable=ignorable):
            return
        if name == "u":
            self._replacements = self._state.replaced
            if self._state.place == "text" and not self._state.is_hidden and not self._state.is_deleted:
                font = self._fonts.get(self._state.font)
                self.story.set_run(font.legacy if font else None, raised=self._state.is_raised)
                self.story.add_code(number or 0)
            elif self._state.place not in ("text", "fonts", "styles", "info"):
                self._piece.add_code(number or 0)
        elif name in SPECIAL:
            self._add_text(SPECIAL[name])
        elif name in _TABLE_WORDS:
            self._shape.read(name, number)
        elif name in _WORDS:
            _WORDS[name](self, number)

    def _destination(self, name: str, *, ignorable: bool) -> bool:
        """Begin the destination of the group if the word names one; return whether it does."""
        state = self._state
        if name in _LEFT_OUT or name.endswith("Pr") or (ignorable and name not in _ENTERED):
            self.embedded_objects += name == "objdata"
            state.place = "left out"
        elif name in _STORIES and state.place == "text":
            self._begin_story(_STORIES[name])
        elif name in ("listtext", "pntext"):
            state.place, state.on_close = "number", self._end_number
            self._piece.take()
        elif name in ("fonttbl", "stylesheet", "info"):
            state.place = {"fonttbl": "fonts", "stylesheet": "styles"}.get(name, name)
        elif state.place == "info":
            state.place, state.on_close = name, lambda: self._end_info(name)
            self._piece.take()
        elif name in _MATH_MARKS:
            self._add_text(_MATH_MARKS[name])
        elif name == "upr":
            state.is_first_of_pair = True
        else:
            return name in _ENTERED
        return True

    def _begin_story(self, kind: str) -> None:
        outer = self.story
        self._stories.append(outer)
        inner = self.story = Story()
        marks_before = sum(self._note_counts.values())
        self._state.is_in_table, self._state.nesting = False, 0

        def end() -> None:
            blocks = inner.finish()
            self.story = self._stories.pop()
            self.story.converted += inner.converted
            if kind == "box":
                for block in blocks:
                    self.story.append(block)
            elif kind == "note":
                is_numbered = sum(self._note_counts.values()) > marks_before
                self.story.notes.extend(self._note(list(plain_lines(blocks)), is_numbered=is_numbered))
            else:
                lines = (line for line in plain_lines(blocks) if any(map(str.isalpha, line)))
                self.margins.setdefault(kind, {}).update(dict.fromkeys(lines))

        self._state.on_close = end

    def _note(self, lines: list[str], *, is_numbered: bool) -> Iterable[Footnote]:
        kind = "endnote" if self._note_counts.pop("is endnote", 0) else "footnote"
        if not any(lines):
            return
        if is_numbered:
            self._note_counts[kind] = self._note_counts.get(kind, 0) + 1
            self._note_counts.pop("mark", None)
            shown = format_number(self._note_counts[kind], "lowerRoman" if kind == "endnote" else "decimal")
        else:
            shown = ""
        yield Footnote(text="\n".join(filter(None, lines)), number=shown)

    def _end_number(self) -> None:
        text = " ".join(self._piece.take().split())
        if text and self._groups[-1].place == "text":
            self.story.number = text if any(map(str.isalnum, text)) else "-"

    def _end_info(self, name: str) -> None:
        if text := " ".join(self._piece.take().split()):
            self.info.setdefault(name, text)

    # ---- tables of fonts and styles

    def _name_fonts(self, content: bytes) -> None:
        font = self._fonts.setdefault(self._state.font, _Font())
        name, ends, _ = content.partition(b";")
        font.name += name.decode(self._codec, "replace")
        if ends:
            font.name = font.name.strip()
            font.legacy = legacy_font(font.name)

    def _name_style(self, content: bytes) -> None:
        style = self._styles.setdefault(self._state.style, _Style())
        style.outline = self._state.outline if style.outline is None else style.outline
        style.name += content.decode("latin-1").partition(";")[0]

    # ---- paragraphs

    def _setting(self) -> Setting:
        style = self._styles.get(self._state.style, _Style())
        name = style.name.strip().lower()
        level = self._state.outline
        if level is None and name.startswith(_HEADING) and name.removeprefix(_HEADING)[:1].isdecimal():
            level = int(name.removeprefix(_HEADING)[0]) - 1
        is_heading = level is not None and 0 <= level < 9
        return Setting((level or 0) + 1 if is_heading else None, name == "title", self._state.level)

    def _depth(self) -> int:
        return max(self._state.nesting, 1) if self._state.is_in_table else self._state.nesting

    def _end_paragraph(self, _: int | None = None) -> None:
        if self._state.place == "text" and not self._state.is_deleted:
            self.story.end_paragraph(self._setting(), self._depth())

    def _end_cell(self, depth: int) -> None:
        if self._state.place == "text":
            self.story.end_cell(depth)

    def _end_row(self, depth: int) -> None:
        if self._state.place == "text":
            self.story.end_row(depth, self._shape)

    def _begin_row(self, _: int | None) -> None:
        self._shape = RowShape()

    def _reset_paragraph(self, _: int | None) -> None:
        state = self._state
        state.style, state.outline, state.level, state.is_in_table, state.nesting = 0, None, 0, False, 0

    def _reset_characters(self, _: int | None) -> None:
        state = self._state
        state.is_bold = state.is_hidden = state.is_deleted = state.is_raised = False
        state.font = self._default_font

    def _set_font(self, number: int | None) -> None:
        self._state.font = self._default_font if number is None else number
        if self._state.place == "fonts":
            self._fonts[self._state.font] = _Font()

    def _set_charset(self, number: int | None) -> None:
        if self._state.place == "fonts":
            font = self._fonts.setdefault(self._state.font, _Font())
            font.charset = number or 0
            font.codec = CODE_PAGES.get(font.charset, "")

    def _set_font_page(self, number: int | None) -> None:
        if self._state.place == "fonts":
            self._fonts.setdefault(self._state.font, _Font()).codec = code_page(number or 1252)

    def _set_code_page(self, number: int | None) -> None:
        self._codec = code_page(number or 1252)

    def _set_default_font(self, number: int | None) -> None:
        self._default_font = self._state.font = number or 0

    def _count_mark(self, _: int | None) -> None:
        if self._stories:
            self._note_counts["mark"] = self._note_counts.get("mark", 0) + 1

    def _is_endnote(self, _: int | None) -> None:
        self._note_counts["is endnote"] = 1


def _symbols(font: str, content: bytes) -> bytes:
    """Return text in a font of symbols with bullets in the place of its letters."""
    return content if not content.strip() or font.lower().startswith(".vn") else b"\x95"


def _switch(name: str) -> Callable[[RichTextReader, int | None], None]:
    def switch(reader: RichTextReader, number: int | None) -> None:
        setattr(reader._state, name, number != 0)

    return switch


def _number(name: str, default: int) -> Callable[[RichTextReader, int | None], None]:
    def keep(reader: RichTextReader, number: int | None) -> None:
        setattr(reader._state, name, default if number is None else number)

    return keep


def _lower(reader: RichTextReader, _: int | None) -> None:
    reader._state.is_raised = False


_Action = Callable[[RichTextReader, int | None], None]
_WORDS: Final[dict[str, _Action]] = {
    **dict.fromkeys(("par", "sect", "page"), RichTextReader._end_paragraph),
    "cell": lambda reader, _: reader._end_cell(1),
    "nestcell": lambda reader, _: reader._end_cell(max(2, reader._state.nesting)),
    "row": lambda reader, _: reader._end_row(1),
    "nestrow": lambda reader, _: reader._end_row(max(2, reader._state.nesting)),
    "trowd": RichTextReader._begin_row,
    "pard": RichTextReader._reset_paragraph,
    "plain": RichTextReader._reset_characters,
    "f": RichTextReader._set_font,
    "deff": RichTextReader._set_default_font,
    "fcharset": RichTextReader._set_charset,
    "cpg": RichTextReader._set_font_page,
    "ansicpg": RichTextReader._set_code_page,
    "mac": lambda reader, _: reader._set_code_page(10000),
    "pc": lambda reader, _: reader._set_code_page(437),
    "pca": lambda reader, _: reader._set_code_page(850),
    "chftn": RichTextReader._count_mark,
    "ftnalt": RichTextReader._is_endnote,
    "b": _switch("is_bold"),
    "v": _switch("is_hidden"),
    "deleted": _switch("is_deleted"),
    "mvf": _switch("is_deleted"),
    "super": _switch("is_raised"),
    "nosupersub": _lower,
    "uc": _number("replaced", 1),
    "s": _number("style", 0),
    "outlinelevel": _number("outline", 9),
    "ilvl": _number("level", 0),
    "intbl": _switch("is_in_table"),
    "itap": _number("nesting", 0),
}
