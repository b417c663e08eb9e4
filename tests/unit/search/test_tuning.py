import random

import pytest

from phoserve.contract import Fusion
from phoserve.errors import InvalidInput
from phoserve.search.tuning import LEAST_QUERIES, LabelledSearch, tune

CURRENT = Fusion(dense=0.3, lexical=0.7)


def searches(count: int, *, dense_knows: float, lexical_knows: float, seed: int = 1) -> dict[str, LabelledSearch]:
    """Searches of ten passages, where each side puts the right one first with the given probability."""
    rng = random.Random(seed)

    def scores(knows: float) -> dict[int, float]:
        found = {passage: rng.random() for passage in range(10)}
        return found | {0: 1.1} if rng.random() < knows else found

    return {f"q{n}": LabelledSearch(scores(dense_knows), scores(lexical_knows), {0}) for n in range(count)}


def test_the_better_side_gets_more_weight() -> None:
    tuning = tune(searches(200, dense_knows=0.9, lexical_knows=0.2), CURRENT)
    assert tuning.weights.dense > 0.6
    assert tuning.is_significant
    assert tuning.after.mean > tuning.before.mean
    assert tuning.gain.mean == pytest.approx(tuning.after.mean - tuning.before.mean)
    assert tuning.held_out == 100


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_not_significant(seed: int) -> None:
    assert not tune(searches(60, dense_knows=0.0, lexical_knows=0.0, seed=seed), CURRENT).is_significant


def test_weights_that_are_the_best_already_stay() -> None:
    perfect = {f"q{n}": LabelledSearch({0: 1.0, 1: 0.0}, {0: 1.0, 1: 0.0}, {0}) for n in range(LEAST_QUERIES)}
    tuning = tune(perfect, CURRENT)
    assert tuning.weights == CURRENT
    assert not tuning.is_significant


def test_a_few_queries_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too few"):
        tune(searches(LEAST_QUERIES - 1, dense_knows=1, lexical_knows=0), CURRENT)
