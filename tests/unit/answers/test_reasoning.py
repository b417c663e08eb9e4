"""Reasoning and images are taken out of a reply however its stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.answers.images import ImageFilter
from phoserve.answers.reasoning import PAIRS, ReasoningFilter


def split(pieces: list[str], *, begins_inside: bool = False) -> tuple[str, str, bool]:
    """The text and the reasoning at the end, and whether the next reply begins inside."""
    text = reasoning = ""
    reader = ReasoningFilter(begins_inside=begins_inside)
    for part in [part for piece in pieces for part in reader.feed(piece)] + list(reader.finish()):
        if part.is_retraction:
            reasoning, text = reasoning + text, ""
        text += part.text
        reasoning += part.reasoning
    return text, reasoning, reader.begins_inside


def cut(whole: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@given(st.sampled_from(sorted(PAIRS)), st.data())
def test_every_kind_of_tag_wherever_it_is_cut(opening: str, data: st.DataObject) -> None:
    whole = f"{opening}có [1] < 2{PAIRS[opening]}\n\nMười hai ngày <b> [1]."
    assert split(cut(whole, data)) == ("Mười hai ngày <b> [1].", "có [1] < 2", False)


PIECES = ["<think>", "</think>", "<", "/think>", "think", "a", " b ", "\n", "[1]", "<b>"]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.booleans(), st.data())
def test_how_the_stream_is_cut_does_not_matter(words: list[str], inside: bool, data: st.DataObject) -> None:
    whole = "".join(words)
    text, _, begins_inside = split([whole], begins_inside=inside)
    again = split(cut(whole, data), begins_inside=inside)
    assert (again[0], again[2]) == (text, begins_inside)


def test_a_block_that_the_template_opened_is_retracted_and_then_expected() -> None:
    reader = ReasoningFilter()
    assert [part.text for part in reader.feed("nghĩ ")] == ["nghĩ "]
    assert [part.is_retraction for part in reader.feed("rồi</think>đáp")] == [True, False, False]
    following = ReasoningFilter(begins_inside=reader.begins_inside)
    assert list(following.feed("nghĩ rồi")) == []
    assert "".join(part.text for part in following.feed("</think>đáp")) == "đáp"


def test_a_reply_without_the_expected_block_is_all_text() -> None:
    assert split(["mười hai ", "ngày"], begins_inside=True)[0] == "mười hai ngày"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a ![x](http://e/?q=1) b", "a x b"),
        ("a ![](http://e) b", "a  b"),
        ("a ![x][ref] b", "a x b"),
        ('a <img src="http://e"> b', "a  b"),
        ("a <IMG/src=x> b", "a  b"),
        ("thật không! [1] 3 < 4 <i>", "thật không! [1] 3 < 4 <i>"),
        ("xem [x](http://e)", "xem [x](http://e)"),
        ("dở dang ![x](http://e", "dở dang [x](http://e"),
    ],
)
@given(data=st.data())
def test_images_are_dropped(text: str, left: str, data: st.DataObject) -> None:
    reader = ImageFilter()
    pieces = [piece for part in cut(text, data) for piece in reader.feed(part)] + list(reader.finish())
    assert "".join(pieces) == left


def test_an_endless_address_is_not_held_for_ever() -> None:
    reader = ImageFilter()
    text = "".join(piece for _ in range(100) for piece in reader.feed("![x](data:" + "A" * 100))
    assert len(text) > 5000
    assert "![" not in text
