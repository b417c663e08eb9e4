"""Counts on their way to the server's process."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from phoserve.serving import metrics_buffer as tally
from phoserve.serving.metrics_buffer import MetricsBuffer

Passed = list[tuple[str, float, str]]


@pytest.fixture
async def passed() -> Passed:
    return []


@pytest.fixture
async def told(passed: Passed) -> MetricsBuffer:
    return MetricsBuffer(lambda *count: passed.append(count), asyncio.get_running_loop())


async def test_counts_are_passed_on_in_sums(told: MetricsBuffer, passed: Passed) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: told("texts_total", 1, "ab"[number % 2]), range(100)))
    told("truncated_texts_total", 0, "a")
    assert passed == []
    await asyncio.sleep(2 * tally.EVERY_S)
    assert sorted(passed) == [("texts_total", 50, "a"), ("texts_total", 50, "b"), ("truncated_texts_total", 0, "a")]


async def test_what_comes_later_is_passed_on_too(told: MetricsBuffer, passed: Passed) -> None:
    told("waiting_tokens", 5, "any")
    await asyncio.sleep(2 * tally.EVERY_S)
    told("waiting_tokens", -5, "any")
    told.flush()
    assert [amount for _, amount, _ in passed] == [5, -5]
