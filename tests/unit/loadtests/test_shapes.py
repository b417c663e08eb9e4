"""How many users a load shape has when, and what its texts are."""

import pytest

from loadtests.shapes import SHAPES, users_at
from loadtests.texts import load_texts


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("constant", [100, 100, 100, 100]),
        ("ramp", [1, 30, 50, 100]),
        ("step", [20, 40, 60, 100]),
        ("spike", [10, 10, 100, 10]),
        ("soak", [60, 60, 60, 60]),
    ],
)
def test_users_over_a_run(shape: str, expected: list[int]) -> None:
    assert shape in SHAPES
    assert [users_at(shape, share, 100) for share in (0.0, 0.3, 0.5, 1.0)] == expected


def test_somebody_always_asks() -> None:
    assert all(users_at(shape, 0.0, 1) == 1 for shape in SHAPES)


def test_the_samples_are_of_many_lengths() -> None:
    texts = load_texts(None, None)
    lengths = sorted(len(text.split()) for text in texts.passages)
    assert lengths[0] < 10 < 40 < lengths[-1]
    assert texts.query() != texts.query()
    assert len(texts.batch()) in (8, 16, 32)
