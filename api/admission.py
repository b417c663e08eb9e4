"""Take on only as much as can be served soon: past that, say so at once instead of letting a queue grow."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from phoserve.errors import Overloaded

SMOOTHING: Final = 0.2
MAX_RETRY_AFTER_S: Final = 30.0


@dataclass(slots=True)
class AdmissionGate:
    """Admits work up to `capacity` units at a time; all on one event loop."""

    name: str
    capacity: int
    in_use: int = 0
    admitted: int = 0
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
        self.admitted += 1
        try:
            yield
        finally:
            self.in_use -= units
            self._service_s += SMOOTHING * (clock() - begun - self._service_s)
