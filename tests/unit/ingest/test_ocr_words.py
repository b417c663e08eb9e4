"""Which of the words that OCR reads are kept, and the signs that it takes for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing.ocr_words import with_powers, words_of_rows
from ingest.parsing.tesseract import Row


def row(text: str, confidence: float = 95.0, line: int = 1) -> Row:
    place = {"left": "0", "top": "0", "width": "50", "height": "20", "block_num": "1", "par_num": "1"}
    return place | {"text": text, "conf": str(confidence), "line_num": str(line)}


def texts(rows: list[Row]) -> list[str]:
    return [word.text for word in words_of_rows(rows, 1.0)]


def test_an_uncertain_word_among_certain_ones_is_kept() -> None:
    assert texts([row("Quyết"), row("định"), row("25/QĐ-UBND;", 0.9)]) == ["Quyết", "định", "25/QĐ-UBND;"]


@pytest.mark.parametrize(
    "rows",
    [
        [row("ii", 5.0)],
        [row("ii", 5.0), row("a", 70.0)],
        [row("Quyết"), row("định"), row("ii", 5.0, line=2)],
        [row("Quyết"), row("định"), row("~'", 5.0)],
        [row(" ", 95.0)],
    ],
)
def test_specks_are_left_out(rows: list[Row]) -> None:
    assert not {"ii", "~'", ""} & set(texts(rows))


@pytest.mark.parametrize(
    ("before", "read", "shown"),
    [
        ("120", "m?,", "m²,"),
        ("105", "km?", "km²"),
        ("1.250,5", "cm?.", "cm²."),
        ("15", "m>", "m³"),
        ("12.500", "đồng/m?", "đồng/m²"),
        ("là", "12m?", "12m²"),
        ("3", "m>/s", "m³/s"),
        ("bao nhiêu", "m?", "m?"),
        ("bao nhiêu", "km?", "km?"),
        ("5", "em?", "em?"),
        ("30", "ngày?", "ngày?"),
        ("2", "tìm?", "tìm?"),
    ],
)
def test_raised_figures_after_units(before: str, read: str, shown: str) -> None:
    assert with_powers(read, before) == shown


@given(st.text(max_size=12), st.text(max_size=12))
def test_other_words_stay(before: str, text: str) -> None:
    if not set(text) & set("?>$‡"):
        assert with_powers(text, before) == text


def test_fractions_have_the_usual_slash() -> None:
    assert texts([row("1⁄2")]) == ["1/2"]
