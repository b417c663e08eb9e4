"""What is made of a soak's readings."""

import os

import pytest

from loadtests.soak import TOTAL, memory_mb, trend


def test_the_slope_is_that_of_the_second_half() -> None:
    readings = [(60.0 * minute, {"engine": 100.0 + 50 * min(minute, 5) + max(0, minute - 5)}) for minute in range(11)]
    found = trend(readings, "engine")
    assert found == pytest.approx({"first": 100, "last": 355, "most": 355, "an_hour": 60})


def test_memory_of_this_process_is_told_by_part() -> None:
    found = memory_mb(os.getpid())
    assert 10 < found["server"] <= found[TOTAL]
