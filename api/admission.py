"""Admission control: reject requests at capacity at once instead of letting a queue grow."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

from phoserve.errors import Overloaded
from phoserve.settings import LimitSettings

SMOOTHING: Final = 0.2
MAX_RETRY_AFTER_S: Final = 30.0


@dataclass(slots=True)
class AdmissionGate:
    """Admits work up to `capacity` units at a time; all on one event loop."""

    name: str
    capacity: int
    in_use: int = 0
    refused: int = 0
    _service_s: float = field(default=0.1)
    """Smoothed time a piece of work holds its units."""

    def check(self, units: int = 1) -> None:
        """Raise Overloaded if `hold` would."""
        if self.in_use and self.in_use + units > self.capacity:
            self.refused += 1
            raise Overloaded(
                f"the server is busy: {self.in_use} of {self.capacity} {self.name} are in use; try again shortly",
                retry_after_s=min(self._service_s, MAX_RETRY_AFTER_S),
            )

    @contextmanager
    def hold(self, units: int = 1) -> Iterator[None]:
        """Hold `units` for the length of the block; work larger than the whole gate is admitted when it is empty.

        Raises Overloaded.
        """
        self.check(units)
        clock = asyncio.get_running_loop().time
        begun = clock()
        self.in_use += units
        try:
            yield
        finally:
            self.in_use -= units
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
