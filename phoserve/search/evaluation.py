"""Measure a ranking against labelled queries: nDCG, recall, reciprocal rank, with bootstrap intervals."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Final

import numpy as np

Ranking = Sequence[Hashable]
Relevant = Collection[Hashable]
Metric = Callable[[Ranking, Relevant], float]

RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of a metric over queries, with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


def ndcg(ranking: Ranking, relevant: Relevant, *, depth: int = 10) -> float:
    """Normalised discounted cumulative gain of the first `depth` ids, binary relevance, gain 1 / log2(rank + 1)."""
    gained = sum(1.0 / log2(rank + 1) for rank, found in enumerate(ranking[:depth], 1) if found in relevant)
    ideal = sum(1.0 / log2(rank + 1) for rank in range(1, min(len(relevant), depth) + 1))
    return gained / ideal if ideal else 0.0


def recall(ranking: Ranking, relevant: Relevant, *, depth: int = 10) -> float:
    """The share of the relevant ids among the first `depth`."""
    return len(set(ranking[:depth]) & set(relevant)) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Ranking, relevant: Relevant, *, depth: int = 10) -> float:
    """One over the rank of the first relevant id, 0 if none is among the first `depth`."""
    return next((1.0 / rank for rank, found in enumerate(ranking[:depth], 1) if found in relevant), 0.0)


METRICS: Final[Mapping[str, Metric]] = {
    "ndcg@10": ndcg,
    "recall@10": recall,
    "recall@100": lambda ranking, relevant: recall(ranking, relevant, depth=100),
    "mrr@10": reciprocal_rank,
}


def evaluate(
    rankings: Mapping[str, Ranking], relevant: Mapping[str, Relevant], *, metrics: Mapping[str, Metric] = METRICS
) -> dict[str, Estimate]:
    """Average each metric over the labelled queries; a query without a ranking counts as 0.

    `rankings` and `relevant` are keyed by query. Raises ValueError if no query is labelled.
    """
    return {
        name: estimate([metric(rankings.get(query, ()), wanted) for query, wanted in relevant.items()])
        for name, metric in metrics.items()
    }


def estimate(values: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean and its 95% percentile bootstrap interval (Efron 1979), with a fixed seed for reproducibility."""
    if not len(values):
        raise ValueError("no query is labelled: add relevance labels for at least one query")
    observed = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    means = [generator.choice(observed, len(observed)).mean() for _ in range(resamples)]
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(float(observed.mean()), float(low), float(high))


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Probability that a positive pair scores above a negative one, ties counting half (Mann-Whitney U).

    Raises ValueError unless both labels occur.
    """
    values, positive = np.asarray(scores, np.float64), np.asarray(labels, np.bool_)
    if positive.all() or not positive.any():
        raise ValueError("the area under the curve needs both positive and negative pairs")
    ordered = np.sort(values[~positive])
    below = np.searchsorted(ordered, values[positive], "left") + np.searchsorted(ordered, values[positive], "right")
    return float(below.mean() / 2 / len(ordered))
