"""What one key may hold of a gate while others are active."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import admission
from api.admission import AdmissionGate
from phoserve.concurrency.turns import CALLER
from phoserve.errors import Overloaded


@contextmanager
def calling(name: str) -> Iterator[None]:
    token = CALLER.set(name)
    yield
    CALLER.reset(token)


def take(gate: AdmissionGate, stack: ExitStack, caller: str, units: int = 1, *, most: float = inf) -> int:
    """Hold units again and again until the gate refuses, and return how often it did not."""
    taken = 0
    with calling(caller):
        while taken < most:
            try:
                stack.enter_context(gate.hold(units))
            except Overloaded:
                break
            taken += 1
    return taken


@pytest.mark.parametrize("caller", ["", "app"])
async def test_a_single_caller_has_the_whole_gate(caller: str) -> None:
    with ExitStack() as stack:
        gate = AdmissionGate("answers", 16)
        assert take(gate, stack, caller) == 16
    assert gate.in_use == 0


@pytest.mark.parametrize(("capacity", "units", "first"), [(16, 1, 12), (64, 1, 48), (8192, 2048, 3)])
async def test_one_of_several_callers_leaves_a_quarter(capacity: int, units: int, first: int) -> None:
    gate = AdmissionGate("answers", capacity)
    with ExitStack() as stack:
        assert take(gate, stack, "other", most=0) == 0
        with calling("other"), gate.hold():
            pass
        assert take(gate, stack, "greedy", units) == first
        assert take(gate, stack, "other", units) >= 1
        with calling("greedy"), pytest.raises(Overloaded):
            gate.check(units)
    assert (gate.in_use, gate._held) == (0, {})


async def test_who_came_long_ago_needs_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ACTIVE_S", 0.0)
    gate = AdmissionGate("answers", 16)
    with calling("other"), gate.hold():
        pass
    with ExitStack() as stack:
        assert take(gate, stack, "greedy") == 16


@given(st.integers(1, 3), st.integers(0, 300))
def test_a_few_greedy_callers_leave_something_for_another_one(greedy: int, more: int) -> None:
    capacity = 4**greedy + more

    async def run() -> None:
        gate = AdmissionGate("requests", capacity)
        names = [f"greedy{number}" for number in range(greedy)]
        with ExitStack() as stack:
            for name in ("victim", *names):
                with calling(name), gate.hold():
                    pass
            for name in names * 3:
                take(gate, stack, name)
            assert take(gate, stack, "victim", most=1) == 1
        assert (gate.in_use, gate._held) == (0, {})

    asyncio.run(run())
