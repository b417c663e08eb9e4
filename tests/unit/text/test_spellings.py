import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.diacritics import shipped_restorer
from phoserve.text.spellings import spellings_of

DECREE = "Quốc hiệu được trình bày bằng chữ in hoa, cỡ chữ từ 12 đến 13. Cỡ chữ của Tiêu ngữ từ 13 đến 14."


def test_passages_count_by_their_scores() -> None:
    found = [("Cỡ chữ lớn, cỡ chữ nhỏ", 8.0), ("có chủ và cỡ chữ", 4.0)]
    assert dict(spellings_of([("co", "chu")], found)) == {("cỡ", "chữ"): 1.25, ("có", "chủ"): 0.25}


def test_tones_are_spelled_the_new_way() -> None:
    spelled = spellings_of([("thuy", "loi")], [("Công trình thúy lợi và thuỷ lợi", 1.0)])
    assert set(spelled) == {("thuý", "lợi"), ("thuỷ", "lợi")}


@pytest.mark.parametrize(
    "text",
    [
        "co chu cua quoc hieu la co chu in hoa",
        "The co chu of the document is not accented at all",
        "cỡ, chữ",
        "cỡ chữa",
    ],
)
def test_what_shows_nothing(text: str) -> None:
    assert spellings_of([("co", "chu")], [(text, 3.0)]) == {}


@given(st.lists(st.tuples(st.text(max_size=30), st.floats(0.1, 50)), max_size=5))
def test_any_passages_will_do(found: list[tuple[str, float]]) -> None:
    found.sort(key=lambda each: -each[1])
    composed = [(unicodedata.normalize("NFC", text), score) for text, score in found]
    for weight in spellings_of([("co", "chu"), ("a", "b"), (".", "*")], composed).values():
        assert 0 < weight <= len(found) + 1e-9


@pytest.mark.parametrize(
    ("typed", "passage", "meant"),
    [
        ("co chu cua quoc hieu la bao nhieu", DECREE, "cỡ chữ của quốc hiệu là bao nhiêu"),
        ("dan so cua xa ban lien", "Dân số xã Bản Liền năm 2025 là 3.120 người.", "dân số của xã bản liền"),
        ("thuoc cam cum", "Thuốc cảm cúm được cấp miễn phí cho người bệnh.", "thuốc cảm cúm"),
    ],
)
def test_the_words_of_the_passages_are_what_was_meant(typed: str, passage: str, meant: str) -> None:
    restorer = shipped_restorer()
    assert restorer.restore(typed, [(passage, 5.0)]).text == meant


def test_a_text_with_its_diacritics_stays() -> None:
    typed = "có chủ của Quốc hiệu không"
    assert shipped_restorer().restore(typed, [(DECREE, 5.0)]).text == typed
