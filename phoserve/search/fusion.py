"""Blend the scores of dense and lexical search into one ranking."""

from collections.abc import Hashable, Mapping
from typing import Final, TypeVar

from phoserve.contract import Fusion

Id = TypeVar("Id", bound=Hashable)

# How many of each side's best are blended. The weights in a contract were chosen with this depth.
FUSION_DEPTH: Final = 100


def fuse(dense: Mapping[Id, float], lexical: Mapping[Id, float], weights: Fusion) -> list[tuple[Id, float]]:
    """Rank the passages found by either side, best first, with their blended scores in [0, dense + lexical weight].

    `dense` and `lexical` are each side's best FUSION_DEPTH passages with the scores search gave them. A side's scores
    are stretched to [0, 1] over its own list (its worst becomes 0, its best 1); a passage it did not return has 0.
    Then score = weights.dense * dense + weights.lexical * lexical. Equal scores keep the lexical order, then the dense.
    """
    by_dense, by_lexical = stretch(dense), stretch(lexical)
    found = dict.fromkeys([*_ranked(lexical), *_ranked(dense)])
    blended = {
        passage: weights.dense * by_dense.get(passage, 0.0) + weights.lexical * by_lexical.get(passage, 0.0)
        for passage in found
    }
    return sorted(blended.items(), key=lambda item: -item[1])


def stretch(scores: Mapping[Id, float]) -> dict[Id, float]:
    """Map the scores linearly so that the worst is 0 and the best is 1; if all are equal, each is 1."""
    if not scores:
        return {}
    worst, best = min(scores.values()), max(scores.values())
    if worst == best:
        return dict.fromkeys(scores, 1.0)
    return {passage: (score - worst) / (best - worst) for passage, score in scores.items()}


def _ranked(scores: Mapping[Id, float]) -> list[Id]:
    return sorted(scores, key=lambda passage: -scores[passage])
