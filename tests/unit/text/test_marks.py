"""Long runs of combining marks, which take quadratic time to sort, are cut before any work."""

import unicodedata

import pytest

from phoserve.text.normalise import MAX_MARKS
from phoserve.text.syllables import syllables

MARKS = "\u0323\u0301\u0302\u0316"


@pytest.mark.parametrize("run", [MARKS * 50_000, "".join(sorted(MARKS * 50_000)), "\u0301" * 200_000])
def test_surplus_marks_are_dropped(run: str) -> None:
    assert sum(map(len, syllables(f"a{run}"))) <= MAX_MARKS + 1
    assert sum(map(len, syllables(run))) <= MAX_MARKS


@pytest.mark.parametrize("word", ["thu\u031b\u0323c", "vie\u0302\u0323t", "e\u0301\u0323"])
def test_marks_of_writing_are_kept(word: str) -> None:
    assert "".join(syllables(word)) == unicodedata.normalize("NFC", word)
