"""How the queue is cut into batches, held against a search over every possible one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.serving.batch_policy import (
    CLASS_LIMITS,
    MAX_CALL_TOKENS,
    BatchPolicy,
    PackedBatchPolicy,
    PaddedBatchPolicy,
)
from phoserve.serving.encoders import Ids

LENGTHS = st.lists(st.integers(2, 256), min_size=1, max_size=30)


def yields(chosen: Ids, call_tokens: int) -> float:
    """Tokens for the cost of the call."""
    return float(chosen.sum() / (call_tokens + len(chosen) * chosen.max()))


@given(LENGTHS, st.integers(0, 2000), st.integers(256, 4000))
def test_the_padded_batch_comes_near_the_cheapest_run_with_the_most_urgent_text(
    found: list[int], call: int, budget: int
) -> None:
    lengths = np.array(found, np.int32)
    cut = PaddedBatchPolicy(budget, call)
    rows = cut.rows(lengths)
    chosen = lengths[rows]
    assert 0 in rows
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) * chosen.max() <= budget or len(rows) == 1
    ascending = np.sort(lengths)
    for start, end in itertools.combinations(range(len(lengths) + 1), 2):
        run = ascending[start:end]
        if lengths[0] in run and len(run) * run.max() <= budget:
            assert yields(chosen, call) >= 0.5 * yields(run, call)  # not every run is looked at


def test_few_texts_share_a_padded_call_and_many_hardly_pad() -> None:
    cut = PaddedBatchPolicy(batch_tokens=16_384, call_tokens=1024)
    assert len(cut.rows(np.array([10, 40, 12], np.int32))) == 3
    many = np.tile(np.array([10, 40, 200], np.int32), 500)
    chosen = many[cut.rows(many)]
    assert chosen.sum() >= 0.25 * cut.batch_tokens
    assert cut.padding(chosen) <= 0.05 * chosen.sum()


def test_of_equally_long_texts_the_most_urgent_go_first() -> None:
    rows = PaddedBatchPolicy(batch_tokens=30, call_tokens=100).rows(np.full(9, 10, np.int32))
    assert sorted(rows.tolist()) == [0, 1, 2]


def test_padding_is_what_the_longest_text_makes_of_the_others() -> None:
    assert PaddedBatchPolicy(100, 0).padding(np.array([3, 5, 4], np.int32)) == 3
    assert PackedBatchPolicy(100).padding(np.array([3, 5, 4], np.int32)) == 0


@pytest.mark.parametrize("length", [2, *CLASS_LIMITS, CLASS_LIMITS[-1] + 1, 256])
def test_a_packed_batch_holds_one_class_up_to_its_budget(length: int) -> None:
    lengths = np.array([length, 64, 65, 128, 129, 256, 2, 200], np.int32)
    chosen = lengths[PackedBatchPolicy(batch_tokens=600).rows(lengths)]
    classes = np.searchsorted(CLASS_LIMITS, chosen)
    assert chosen[0] == length
    assert set(classes.tolist()) == {int(np.searchsorted(CLASS_LIMITS, length))}
    assert chosen.sum() <= 600
    assert len(chosen) > 1


def test_a_fast_encoders_calls_grow_and_a_slow_ones_do_not() -> None:
    lengths, cut = np.full(100, 100, np.int32), PackedBatchPolicy(batch_tokens=1000)
    for _ in range(30):
        cut.observe(1000, seconds=1.0)
    assert len(cut.rows(lengths)) == 10
    for _ in range(30):
        cut.observe(1000, seconds=0.002)
    assert 45 <= len(cut.rows(lengths)) <= 50, "500,000 tokens a second, for 10 ms"
    cut.observe(10, seconds=10.0)
    assert len(cut.rows(lengths)) >= 45, "a small call says nothing of the pace"
    for _ in range(30):
        cut.observe(1000, seconds=1e-5)
    assert int(lengths[cut.rows(lengths)].sum()) <= MAX_CALL_TOKENS


@pytest.mark.parametrize("cut", [PackedBatchPolicy(1000), PaddedBatchPolicy(1000, call_tokens=10_000)])
def test_a_share_leaves_the_others_theirs(cut: BatchPolicy) -> None:
    lengths = np.array([9, 10, 11, 10, 9, 10, 11], np.int32)
    rows = cut.rows(lengths, 2)
    assert len(rows) == 4
    assert 0 in rows
