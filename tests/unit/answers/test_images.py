"""Nothing that an LLM writes makes a reader's browser load an address, however it is written and cut."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from phoserve.answers.citations import CitedText
from phoserve.answers.images import ImageFilter
from phoserve.documents.records import Passage

ELEMENTS = {
    *("audio", "base", "body", "embed", "frame", "iframe", "image", "img", "input", "link", "meta", "object"),
    *("picture", "script", "source", "style", "svg", "table", "track", "video"),
}
ATTRIBUTES = {"background", "data", "poster", "src", "srcset", "style", "xlink:href"}


class Loads(HTMLParser):
    """Finds what loads an address by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ELEMENTS or ATTRIBUTES & {name for name, _ in attrs}:
            self.found.append(tag)


PARSER = MarkdownIt("commonmark", {"html": True})
PIECES = [
    *["!", "[", "]", "(", ")", "![", "](", "][", "a", "\\", "\n", "<", ">", "<img", "img", "src=", "im", " ", "/", '"'],
    *["http://e/", "[r]", "![a](http://e/)", "[r]: http://e/ ", "\n\n[r]: http://e/\n", "<iframe src=e>", "<p style=x"],
    *["[99]", "【99】", "【1】", "`", "  ", "<a", "<svg", "(b)", "<!--", "-->", "&lt;", "&#33;"],
]


def filtered(text: str, cuts: list[int]) -> str:
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    reader, images = CitedText([], frozenset()), ImageFilter()
    left = ""
    for part in [*(part for piece in pieces for part in reader.feed(piece)), *reader.finish()]:
        assert isinstance(part, str)
        left += "".join(images.feed(part))
    return left + "".join(images.finish())


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.lists(st.integers(0, 80), max_size=6))
@example("![a\nb](http://e/)", [])
@example("![a [b] c](http://e/)", [])
@example("![![x](http://e/)](http://e/)", [])
@example("![r]\n\n[r]: http://e/", [])
@example("![a\\]b](http://e/)", [])
@example("![<img src=e>](http://e/)", [])
@example("<im<img>g src=e>", [])
@example("!<img>[a](http://e/)", [])
@example("!【99】[a](http://e/)", [])
@example("<!--<a<iframe src=e>", [])
@example("<i【99】mg src=http://e/>", [])
def test_no_text_loads_an_address(text: str, cuts: list[int]) -> None:
    assert not Loads(PARSER.render(filtered(text, cuts))).found


def test_a_marker_of_another_kind_is_no_alternative_text() -> None:
    text = "Nghỉ mười hai ngày."
    cited = Passage(
        collection="kb",
        document_id="d",
        document_key="1" * 32,
        revision=1,
        ordinal=0,
        title="",
        text=text,
        start=0,
        end=len(text),
    )
    reader, images = CitedText([cited], frozenset({1})), ImageFilter()
    written = [*reader.feed("!【1】(http://e/)"), *reader.finish()]
    left = "".join(each for piece in written if isinstance(piece, str) for each in images.feed(piece))
    assert "<img" not in PARSER.render(left + "".join(images.finish()))


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.lists(st.integers(0, 80), max_size=6))
@example("<a<iframe src=e>", [3])
@example("<a<b style=x>", [2, 3])
@example("<![a](http://e/)<iframe src=e>", [2])
def test_how_the_stream_is_cut_does_not_matter(text: str, cuts: list[int]) -> None:
    assert filtered(text, cuts) == filtered(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "List<String> và a < b, c > d",
        "xem [hướng dẫn](https://vd.vn/a_(b))",
        "Thật không! [xem](http://vd.vn) <b>đậm</b>",
        "x != [1, 2]",
        'mã `a["b"]` và <br>',
    ],
)
def test_other_text_is_kept(text: str) -> None:
    images = ImageFilter()
    assert "".join([*images.feed(text), *images.finish()]) == text


@pytest.mark.parametrize(
    ("text", "left"), [("![a](http://e/(1)) b", "a b"), ("![a](http://e/\nb)", "[a](http://e/\nb)")]
)
def test_the_alternative_text_is_kept(text: str, left: str) -> None:
    images = ImageFilter()
    assert "".join([*images.feed(text), *images.finish()]) == left
