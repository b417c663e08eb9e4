"""A circuit breaker: stop asking what keeps failing, try again now and then."""

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
    """Closed until `FAILURES_TO_OPEN` calls in a row fail; then open, longer with every probe that fails too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = State.CLOSED
        self._clock = clock
        self._failures = 0
        self.pause_s = FIRST_PAUSE_S
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Whether a call would be let through now."""
        if self.state is State.OPEN:
            return self._clock() >= self._closed_until
        return self.state is State.CLOSED

    def begin(self) -> None:
        """A call starts; after the pause it is the one probe that decides."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def succeeded(self) -> None:
        """A call came back well."""
        self.state = State.CLOSED
        self._failures = 0
        self.pause_s = FIRST_PAUSE_S

    def abandoned(self) -> None:
        """A call was given up before its outcome was known; a probe is tried again by the next call."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def failed(self) -> None:
        """A call failed."""
        self._failures += 1
        if self.state is State.HALF_OPEN:
            self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        elif self._failures < FAILURES_TO_OPEN or self.state is State.OPEN:
            return
        self.state = State.OPEN
        self._closed_until = self._clock() + self.pause_s
