"""What is made of an overload's rounds."""

import pytest

from loadtests.benchmark.results import Measurement
from loadtests.overload import CLOSED, OPEN, SUITE, summary


def measured(contender: str, requests_per_s: float, **figures: float) -> Measurement:
    return Measurement(SUITE, contender, "search", 0, 0, {"requests_per_s": requests_per_s, **figures})


def test_goodput_is_a_share_of_the_most_that_was_ever_answered() -> None:
    rounds = [
        measured(CLOSED, 40),
        measured(CLOSED, 90),
        measured(CLOSED, 30),
        measured(OPEN, 50, share_of_peak=1.0),
        measured(OPEN, 30, share_of_peak=2.0, refused_ms_p95=10),
        measured(OPEN, 45, share_of_peak=2.0),
        measured(OPEN, 40, share_of_peak=2.0, refused_ms_p95=30),
    ]
    found = summary(rounds)
    assert found[1.0] == {"goodput": 1.0, "requests_per_s": 50}
    assert found[2.0] == pytest.approx({"goodput": 0.8, "requests_per_s": 40, "refused_ms_p95": 20})
