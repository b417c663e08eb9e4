from math import log2

import numpy as np
import pytest

from phoserve.search.evaluation import auc, estimate, evaluate, ndcg, recall, reciprocal_rank


def test_ndcg_of_hand_computed_rankings() -> None:
    assert ndcg(["a", "b"], {"a"}) == 1.0
    assert ndcg(["b", "a"], {"a"}) == pytest.approx(1 / log2(3))
    assert ndcg(["a", "x", "b"], {"a", "b"}) == pytest.approx((1 + 1 / 2) / (1 + 1 / log2(3)))
    assert ndcg(["x"] * 10 + ["a"], {"a"}) == 0.0
    assert ndcg(["a"], set()) == 0.0


def test_ndcg_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    for _ in range(50):
        scores, gains = generator.random(30), generator.random(30) < 0.2
        gains[0] = True
        ranking = np.argsort(-scores).tolist()
        expected = metrics.ndcg_score([gains], [scores], k=10)
        assert ndcg(ranking, set(np.flatnonzero(gains).tolist())) == pytest.approx(expected)


def test_recall_and_reciprocal_rank() -> None:
    assert recall(["x", "a", "y"], {"a", "b"}) == 0.5
    assert reciprocal_rank(["x", "a"], {"a", "b"}) == 0.5
    assert reciprocal_rank(["x"], {"a"}) == 0.0


def test_a_query_without_a_ranking_counts_as_zero() -> None:
    figures = evaluate({"q1": ["a"]}, {"q1": {"a"}, "q2": {"b"}})
    assert figures["ndcg@10"].mean == 0.5
    assert figures["recall@100"].mean == 0.5


def test_the_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    generator = np.random.default_rng(2)
    few, many = estimate(generator.random(20).tolist()), estimate(generator.random(2000).tolist())
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert estimate([0.25, 0.5]) == estimate([0.25, 0.5])
    with pytest.raises(ValueError, match="no query is labelled"):
        estimate([])


def test_auc_counts_ties_half_and_needs_both_labels() -> None:
    assert auc([0.9, 0.8, 0.1], [True, True, False]) == 1.0
    assert auc([0.5, 0.5], [True, False]) == 0.5
    assert auc([0.1, 0.9, 0.5], [True, False, True]) == 0.0
    with pytest.raises(ValueError, match="both"):
        auc([0.1], [True])
