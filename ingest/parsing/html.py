"""The text of a web page, as markdown has it: headings, lists and table rows, without what surrounds the content."""

import re
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption",
     "figure", "footer", "form", "header", "hr", "li", "main", "ol", "p", "pre", "section",
     "summary", "table", "tbody", "thead", "tr", "ul"}
)  # fmt: skip
_HIDDEN: Final = frozenset(
    {"script", "style", "noscript", "template", "nav", "svg", "select", "button", "iframe", "head"}
)
_HEADINGS: Final = {f"h{level}": "#" * level for level in range(1, 7)}
_SPACES: Final = re.compile(r"[ \t\r\f\v\u00a0]+")
_BLANK_LINES: Final = re.compile(r"\n(?:[ \t]*\n){2,}")


def text_of_html(html: str) -> tuple[str, str]:
    """Return the text and the title of a page."""
    page = _Page()
    page.feed(html)
    page.close()
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(page.parts).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip(), " ".join("".join(page.title).split())


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.title: list[str] = []
        self._hidden: list[str] = []
        self._in_title = False
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base's
        if tag == "body":
            self._hidden.clear()  # also where nobody closed the head
        elif tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag == "title" and self._hidden[-1:] in ([], ["head"]):
            self._in_title = True
        else:
            self._verbatim += tag == "pre"
            self._write_start(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HIDDEN:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        elif tag in _HEADINGS or tag in _BLOCKS:
            self._verbatim = max(0, self._verbatim - (tag == "pre"))
            self._write("\n" if tag in ("li", "tr", "dt") else "\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        else:
            self._write(data if self._verbatim else data.replace("\n", " "))

    def _write_start(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._write(f"\n\n{_HEADINGS[tag]} ")
        elif tag == "li":
            self._write("\n- ")
        elif tag in ("td", "th"):
            self._write(" | ")
        elif tag == "br" or tag in _BLOCKS:
            self._write("\n")

    def _write(self, text: str) -> None:
        if not self._hidden:
            self.parts.append(text)
