"""Admission control: reject requests at capacity at once instead of letting a queue grow."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from phoserve.concurrency.turns import CALLER
from phoserve.errors import Overloaded
from phoserve.settings import LimitSettings

SMOOTHING: Final = 0.2
MAX_RETRY_AFTER_S: Final = 30.0
SHARE: Final = 3.0
"""How much one of several callers may hold of a gate, in units of what it leaves free: three quarters if it is alone.

Dynamic thresholds (Choudhury and Hahne, 1998): callers that come one after the other each leave a quarter of what was
free, so that a gate of 16 has a place left behind two greedy ones, and a gate of 64 behind three.
"""
ACTIVE_S: Final = 600.0
"""A caller counts as one of several for this time after its last request."""
REMEMBERED_CALLERS: Final = 1000


@dataclass(slots=True)
class AdmissionGate:
    """Admits work up to `capacity` units at a time; all on one event loop."""

    name: str
    capacity: int
    in_use: int = 0
    refused: int = 0
    _service_s: float = field(default=0.1)
    """Smoothed time a piece of work holds its units."""
    _held: Counter[str] = field(default_factory=Counter)
    """Units by caller."""
    _seen_s: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When each caller came last, the latest at the end."""

    def check(self, units: int = 1) -> None:
        """Raise Overloaded if `hold` would."""
        caller, free = CALLER.get(), self.capacity - self.in_use
        is_shared = self._is_shared(caller)
        if self.in_use and units > free:
            raise self._busy(f"{self.in_use} of {self.capacity} {self.name} are in use")
        held = self._held.get(caller, 0)
        if is_shared and held and held + units > SHARE * (free - units):
            raise self._busy(f"{held} of {self.capacity} {self.name} are in use with this key, and others need some")

    def _is_shared(self, caller: str) -> bool:
        """Note that the caller came, and return whether others did lately."""
        now = asyncio.get_running_loop().time()
        self._seen_s[caller] = now
        self._seen_s.move_to_end(caller)
        if len(self._seen_s) > REMEMBERED_CALLERS:
            self._seen_s.popitem(last=False)
        latest = next((seen for other, seen in reversed(self._seen_s.items()) if other != caller), None)
        return latest is not None and now - latest < ACTIVE_S

    def _busy(self, reason: str) -> Overloaded:
        self.refused += 1
        return Overloaded(
            f"the server is busy: {reason}; try again shortly", retry_after_s=min(self._service_s, MAX_RETRY_AFTER_S)
        )

    @contextmanager
    def hold(self, units: int = 1) -> Iterator[None]:
        """Hold `units` for the length of the block; work larger than the whole gate is admitted when it is empty.

        Raises Overloaded.
        """
        self.check(units)
        caller, clock = CALLER.get(), asyncio.get_running_loop().time
        begun = clock()
        self.in_use += units
        self._held[caller] += units
        try:
            yield
        finally:
            self.in_use -= units
            self._held[caller] -= units
            if not self._held[caller]:
                del self._held[caller]
            self._service_s += SMOOTHING * (clock() - begun - self._service_s)


@dataclass(frozen=True, slots=True)
class AdmissionGates:
    """One gate for each scarce resource."""

    requests: AdmissionGate
    texts: AdmissionGate
    answers: AdmissionGate

    @classmethod
    def of(cls, limits: LimitSettings) -> Self:
        """Return gates of the sizes that `limits` sets."""
        return cls(
            requests=AdmissionGate("requests", limits.max_in_flight),
            texts=AdmissionGate("texts", limits.max_texts_in_flight),
            answers=AdmissionGate("answers", limits.max_answers_in_flight),
        )

    def __iter__(self) -> Iterator[AdmissionGate]:
        return iter((self.requests, self.texts, self.answers))
