import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.text.capitals import lower_shouting


@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("PHÒNG CHÁY CHỮA CHÁY", "phòng cháy chữa cháy"),
        ("QUY ĐỊNH VỀ BHXH CHO LAO ĐỘNG: mục 1", "quy định về BHXH cho lao động: mục 1"),
        ("Chương I QUY ĐỊNH CHUNG", "Chương i quy định chung"),
        ("LUẬT bảo hiểm", "LUẬT bảo hiểm"),
        ("UBND TPHCM", "UBND TPHCM"),
        ("Phòng Cháy Chữa Cháy", "Phòng Cháy Chữa Cháy"),
        ("VPN HR IT", "VPN HR IT"),
        ("A1 B2", "A1 B2"),
        ("", ""),
    ],
)
def test_runs_of_capitals_become_small_letters(text: str, lowered: str) -> None:
    assert lower_shouting(text) == lowered


@given(st.text(st.sampled_from("PHÒNG cháy ABC1,.\n "), max_size=60))
def test_positions_and_letters_stay(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    lowered = lower_shouting(text)
    assert len(lowered) == len(text)
    assert lowered.lower() == text.lower()
    assert lower_shouting(lowered) == lowered
