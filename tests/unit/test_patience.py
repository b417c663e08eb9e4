"""Limits follow the load."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.support import patience
from tests.support.polling import eventually
from tests.support.waiting import wait_until

CORES = os.cpu_count() or 1


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that is read instead of /proc/loadavg."""
    file = tmp_path / "loadavg"
    file.write_text("0.00 0.00 0.00 1/100 1")
    monkeypatch.setattr(patience, "Path", lambda _: file)
    return file


@pytest.mark.parametrize(
    ("last_minute", "running", "times"),
    [(0.0, 0, 1.0), (0.5, 1, 1.0), (4.0 * CORES, 1, 4.0), (1.0, 3 * CORES, 3.0), (1000.0 * CORES, 1, patience.MOST)],
)
def test_limits_grow_with_the_processes_for_each_core(
    loaded: Path, last_minute: float, running: int, times: float
) -> None:
    loaded.write_text(f"{last_minute:.2f} 0.00 0.00 {running}/100 1")
    assert patience.patient(10.0) == pytest.approx(10.0 * times)


def test_waits_end_with_an_error_at_their_limit(loaded: Path) -> None:
    with pytest.raises(AssertionError, match="not true within"):
        wait_until(lambda: False, timeout_s=0.05, every_s=0.01)
    with pytest.raises(AssertionError, match="not true within"):
        asyncio.run(eventually(lambda: False, timeout_s=0.05, every_s=0.01))


def test_a_wait_is_longer_if_the_load_rises_meanwhile(loaded: Path) -> None:
    calls = 0

    def slow() -> bool:
        nonlocal calls
        calls += 1
        loaded.write_text(f"{1000.0 * CORES:.2f} 0.00 0.00 1/100 1")
        return calls > 5

    wait_until(slow, timeout_s=0.1, every_s=0.05)
    assert calls == 6
