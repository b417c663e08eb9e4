"""Numbers in words: each is read as what it means, and other words are no numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.spelled_kinds import in_words
from phoserve.text.folding import fold, fold_lower
from phoserve.text.number_words import numbers_in_words

AMOUNTS = st.one_of(
    st.integers(11, 999),
    st.builds(lambda part, scale: part * scale, st.integers(1, 999), st.sampled_from([10**3, 10**5, 10**6, 10**9])),
    st.builds(lambda high, low: high * 10**6 + low * 1000, st.integers(1, 99_999), st.integers(1, 999)),
)


def read(text: str) -> list[tuple[int, str]]:
    return [(each.value, text[each.start : each.end]) for each in numbers_in_words(text, fold_lower(text))]


BEFORE = st.sampled_from(["", "Tổng cộng ", "là: ", "(", "anh Nam và "])
AFTER = st.sampled_from([" đồng", "", ".", ") ngày"])
WORDS = st.sampled_from("một hai năm lăm mươi mười trăm nghìn triệu tỷ rưỡi lẻ linh không x , 2026".split())  # noqa: SIM905


@given(AMOUNTS, BEFORE, AFTER)
def test_a_number_in_words_is_read(number: int, before: str, after: str) -> None:
    words = in_words(number)
    if " " in words:
        for spelled in (words, words.capitalize(), words.upper(), fold(words)):
            assert read(f"{before}{spelled}{after}") == [(number, spelled)]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("một tỷ hai", [1_200_000_000]), ("hai triệu ba trăm", [2_300_000]), ("hai triệu ba trăm đồng", [2_000_300]),
        ("hai triệu rưỡi", [2_500_000]), ("ba trăm rưỡi", [350]), ("hai trăm linh năm", [205]),
        ("hai trăm lẻ năm", [205]),
        ("năm mươi năm", [50]), ("một nghìn năm", [1000]), ("hai mươi lăm triệu năm 2026", [25_000_000]),
        ("một trăm, hai trăm", [100, 200]), ("ba mươi tư", [34]), ("hai mươi mốt", [21]), ("hai mươi nhăm", [25]),
    ],
)  # fmt: skip
def test_usual_ways_to_say_numbers(text: str, numbers: list[int]) -> None:
    assert [number for number, _ in read(text)] == numbers


@pytest.mark.parametrize(
    "text",
    [
        "công ty năm 2020",
        "sau trăm năm",
        "mười năm trước",
        "năm nay",
        "không có ai",
        "muối tươi",
        "nghìn năm",
        "một hai ba",
        "",
    ],
)
def test_other_words_are_no_numbers(text: str) -> None:
    assert read(text) == []


@given(st.lists(WORDS, max_size=12))
def test_any_words_are_read_within_the_text(words: list[str]) -> None:
    text = " ".join(words)
    spans = [(each.start, each.end) for each in numbers_in_words(text, fold_lower(text))]
    assert all(start < end <= len(text) for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
