import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.tones import modern_tones


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hòa", "hoà"), ("Hòa", "Hoà"), ("HÒA", "HOÀ"), ("thúy", "thuý"), ("khỏe", "khoẻ"), ("qúy", "quý"),
        ("ủy ban", "uỷ ban"), ("Ủy_ban", "Uỷ_ban"), ("ọe", "oẹ"), ("NGÒE", "NGOÈ"), ("(hóa)", "(hoá)"),
        ("tòa-án", "toà-án"),
    ],
)  # fmt: skip
def test_open_syllables_change(old: str, new: str) -> None:
    assert modern_tones(old) == new


@pytest.mark.parametrize("text", ["hoà", "mùa", "hoàn", "hòan", "huýt", "của", "gìa", "lòa1", "xzòa", "hoa", "quá", ""])
def test_all_else_stays(text: str) -> None:
    assert modern_tones(text) == text


@given(st.text(st.sampled_from("hòaóthủyUÝqQ_ 1.e"), max_size=20))
def test_length_stays_and_twice_is_once(text: str) -> None:
    once = modern_tones(text)
    assert len(once) == len(text)
    assert modern_tones(once) == once
