import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.normalise import MAX_MARKS, compose, compose_value, strip_invisible, visible_text
from tests.support.patience import patient

texts = st.text(
    st.sampled_from("aăâđeêioôơuưyntchgTrung \u0301\u0323\u00ad\u200b\u200d\u2060\ufeff\u202e") | st.characters(),
    max_size=60,
)


@given(texts)
def test_every_visible_character_keeps_its_place(text: str) -> None:
    visible = visible_text(text)
    assert visible.text == strip_invisible(text)
    for position, character in enumerate(visible.text):
        start, end = visible.span(position, position + 1)
        assert text[start:end] == character or (text[start] == "\u200b" and character == " ")


@pytest.mark.parametrize(
    ("stored", "indexed"),
    [
        ("Kho\u00adản tạm ứng", "Khoản tạm ứng"),
        ("Ng\u200bhỉ thai\u200b sản", "Nghỉ thai sản"),
        ("mật kh\u2060ẩu", "mật khẩu"),
        ("Trung\u200btâm\u200bdữ\u200bliệu", "Trung tâm dữ liệu"),
        ("data\u200bbase", "database"),
        ("\ufeffMã\u200e", "Mã"),
    ],
)
def test_invisible_characters_are_left_out(stored: str, indexed: str) -> None:
    assert strip_invisible(stored) == indexed


def test_a_span_points_into_the_stored_text() -> None:
    stored = "Ng\u200bhỉ thai\u200b sản"
    visible = visible_text(stored)
    start = visible.text.index("thai sản")
    assert stored[slice(*visible.span(start, start + 8))] == "thai\u200b sản"


@given(texts)
def test_composing_is_normal_form_c(text: str) -> None:
    assert compose(text) == unicodedata.normalize("NFC", text)


def test_surplus_marks_are_dropped_in_linear_time() -> None:
    began = time.monotonic()
    composed = compose("e" + "\u0323\u0301" * 500_000 + " xin chào")
    assert len(composed) <= MAX_MARKS + len("e xin chào")
    assert composed.endswith(" xin chào")
    assert time.monotonic() - began < patient(5)


def test_json_is_composed_all_through() -> None:
    decomposed = unicodedata.normalize("NFD", "Xã")
    assert compose_value({decomposed: [decomposed, 1, None, {"a": decomposed}]}) == {"Xã": ["Xã", 1, None, {"a": "Xã"}]}
