import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.contract import Fusion
from phoserve.search.fusion import fuse, stretch

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 50, allow_nan=False, width=32), max_size=8)


def test_a_blend_weighs_the_stretched_scores() -> None:
    ranking = fuse({"a": 0.9, "b": 0.5, "c": 0.1}, {"b": 12.0, "d": 4.0}, Fusion(dense=0.4, lexical=0.6))
    assert [passage for passage, _ in ranking] == ["b", "a", "d", "c"]
    assert dict(ranking) == pytest.approx({"b": 0.4 * 0.5 + 0.6, "a": 0.4, "d": 0.0, "c": 0.0})


def test_one_side_alone_keeps_its_order() -> None:
    assert [passage for passage, _ in fuse({}, {"x": 1.0, "y": 3.0, "z": 2.0}, Fusion())] == ["y", "z", "x"]
    assert fuse({}, {}, Fusion()) == []


def test_equal_scores_are_all_best() -> None:
    assert stretch({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}


@given(SCORES, SCORES, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_scale_of_a_side_does_not_matter(
    dense: dict[str, float], lexical: dict[str, float], scale: float, shift: float
) -> None:
    moved = {passage: score * scale + shift for passage, score in lexical.items()}
    before, after = dict(fuse(dense, lexical, Fusion())), dict(fuse(dense, moved, Fusion()))
    assert before.keys() == dense.keys() | lexical.keys()
    if len({*moved.values()}) == len({*lexical.values()}) and _spread(lexical) > 1e-3:
        assert after == pytest.approx(before, abs=1e-6)


def _spread(scores: dict[str, float]) -> float:
    return max(scores.values()) - min(scores.values()) if scores else 0.0
