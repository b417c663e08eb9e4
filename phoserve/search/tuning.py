"""Choose a collection's fusion weights from its labelled queries, if they help on queries not used to choose them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from phoserve.contract import Fusion
from phoserve.errors import InvalidInput
from phoserve.search.evaluation import Estimate, Relevant, estimate, ndcg
from phoserve.search.fusion import fuse

LEAST_QUERIES: Final = 40
"""With fewer labelled queries no gain of a usual size is significant."""
STEPS: Final = 20

Scores = Mapping[Any, float]
"""What one side of a search found, with its scores."""


@dataclass(frozen=True, slots=True)
class LabelledSearch:
    """What both sides found for a query, and what answers it."""

    dense: Scores
    lexical: Scores
    relevant: Relevant

    def ndcg(self, weights: Fusion) -> float:
        """Return nDCG@10 of the blend with `weights`."""
        return ndcg([found for found, _ in fuse(self.dense, self.lexical, weights)], self.relevant)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The weights chosen on one half of the queries, measured on the other."""

    weights: Fusion
    before: Estimate
    """nDCG@10 on the held-out queries with the weights so far."""
    after: Estimate
    gain: Estimate
    """Of each held-out query, paired."""
    held_out_queries: tuple[str, ...]

    @property
    def held_out(self) -> int:
        """How many queries were held out."""
        return len(self.held_out_queries)

    @property
    def is_significant(self) -> bool:
        """Whether the 95% interval of the gain is above 0."""
        return self.gain.low > 0


def tune(searches: Mapping[str, LabelledSearch], current: Fusion) -> Tuning:
    """Choose weights on a random half of the queries and measure them against `current` on the other half.

    Raises InvalidInput for fewer than LEAST_QUERIES queries.
    """
    if len(searches) < LEAST_QUERIES:
        raise InvalidInput(f"{len(searches)} labelled queries are too few to tune with; label at least {LEAST_QUERIES}")
    shuffled = sorted(searches)
    random.Random(0).shuffle(shuffled)  # noqa: S311 - repeatable, not secret
    half = len(shuffled) // 2
    chosen_on, held_out = ([searches[query] for query in part] for part in (shuffled[:half], shuffled[half:]))
    weights = choose_weights(chosen_on, current)
    before, after = ([search.ndcg(each) for search in held_out] for each in (current, weights))
    gains = [new - old for new, old in zip(after, before, strict=True)]
    return Tuning(weights, estimate(before), estimate(after), estimate(gains), tuple(shuffled[half:]))


def choose_weights(searches: list[LabelledSearch], current: Fusion) -> Fusion:
    """Return the weights with the highest mean nDCG@10; of equal ones, those nearest to `current`."""
    share = current.dense / (current.dense + current.lexical)
    trials = [Fusion(dense=step / STEPS, lexical=round(1 - step / STEPS, 2)) for step in range(STEPS + 1)]
    return max(
        trials,
        key=lambda weights: (round(sum(search.ndcg(weights) for search in searches), 6), -abs(weights.dense - share)),
    )
