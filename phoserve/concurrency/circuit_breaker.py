"""A circuit breaker: stop calling a dependency that keeps failing, and probe it from time to time."""

import time
from collections.abc import Callable
from enum import StrEnum

FAILURES_TO_OPEN = 3
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Open after `FAILURES_TO_OPEN` consecutive failures. Each failed probe doubles the pause before the next one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = State.CLOSED
        self._clock = clock
        self._failures = 0
        self.pause_s = FIRST_PAUSE_S
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Return whether a call is allowed now."""
        if self.state is State.OPEN:
            return self._clock() >= self._closed_until
        return self.state is State.CLOSED

    def begin(self) -> None:
        """Record the start of a call. After the pause, this call is the only probe."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def succeeded(self) -> None:
        """Record a successful call and close the circuit."""
        self.state = State.CLOSED
        self._failures = 0
        self.pause_s = FIRST_PAUSE_S

    def abandoned(self) -> None:
        """Record a call that was cancelled before its outcome was known. The next call probes again."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def failed(self) -> None:
        """Record a failed call, which may open the circuit."""
        self._failures += 1
        if self.state is State.HALF_OPEN:
            self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        elif self._failures < FAILURES_TO_OPEN or self.state is State.OPEN:
            return
        self.state = State.OPEN
        self._closed_until = self._clock() + self.pause_s
