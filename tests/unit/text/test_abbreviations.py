"""Abbreviations are found in any case, with or without diacritics; so is what they stand for."""

import pytest

from phoserve.text.abbreviations import abbreviations_in, is_abbreviation, meanings_in


@pytest.mark.parametrize("text", ["BHXH", "đóng bhxh", "(bhxh)"])
def test_an_abbreviation_stands_for_its_words(text: str) -> None:
    assert meanings_in(text) == ["bảo hiểm xã hội"]


@pytest.mark.parametrize("text", ["TP.HCM", "TPHCM", "tp hcm", "Tp. HCM"])
def test_the_city(text: str) -> None:
    assert meanings_in(text) == ["thành phố hồ chí minh"]


@pytest.mark.parametrize("text", ["hđlđ", "HĐLĐ", "hdld"])
def test_with_and_without_diacritics(text: str) -> None:
    assert meanings_in(text) == ["hợp đồng lao động"]


@pytest.mark.parametrize("text", ["Ủy ban nhân dân", "uỷ ban nhân dân quận", "UY BAN NHAN DAN"])
def test_words_in_full_have_an_abbreviation(text: str) -> None:
    assert abbreviations_in(text) == ["ubnd"]


def test_other_words_have_none() -> None:
    assert meanings_in("nghỉ phép năm") == abbreviations_in("nghỉ phép năm") == []
    assert not is_abbreviation("nghỉ")
    assert is_abbreviation("HCM")
