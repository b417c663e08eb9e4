import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.folding import fold, fold_lower, fold_signs, has_diacritics, is_plain_syllable


@pytest.mark.parametrize(
    "word", ["nghỉ", "thương", "quyết", "giữ", "a", "ương", "khuya", "ngoằn", "truyện", "oanh", "yêu"]
)
def test_syllables(word: str) -> None:
    assert is_plain_syllable(word)
    assert is_plain_syllable(fold(word))


@pytest.mark.parametrize("word", ["trungtâm", "wifi", "password", "reset", "excel", "b", "", "email"])
def test_other_words(word: str) -> None:
    assert not is_plain_syllable(word)


@pytest.mark.parametrize(
    ("text", "plain"), [("Đường số bảy", "Duong so bay"), ("ƯỜNG", "UONG"), ("wifi 12%", "wifi 12%"), ("e\u0301", "e")]
)
def test_folding(text: str, plain: str) -> None:
    assert fold(text) == plain


@given(st.text(max_size=30))
def test_what_has_diacritics_is_what_folding_changes(text: str) -> None:
    assert has_diacritics(text) == (fold(text) != text)


@given(st.text(max_size=20) | st.text(st.sampled_from("aÀểĐđỹΣςİıßŉ\u0301\u00a0\u202f“ǅK"), max_size=30))
def test_a_long_text_is_folded_and_lowered_as_a_short_one_is(text: str) -> None:
    for each in (text * 20, f"đ{'a' * 200}{text}"):
        assert fold_lower(each) == fold(each.lower())


@given(st.text(st.sampled_from("aĐ1–−’×²º\u00a0\u202f％９～"), max_size=30))
def test_signs_of_a_long_text_are_those_of_a_short_one(text: str) -> None:
    shorter = fold_signs(text)
    assert len(shorter) == len(text)
    assert fold_signs(text + "đ" * 200) == shorter + "d" * 200


def test_signs() -> None:
    assert fold_signs("2–5 × 3m² ở 30º, ９％") == "2-5 x 3m2 o 30°, 9%"
