"""Poll, in synchronous tests, instead of sleeping for a guess."""

import time
from collections.abc import Callable

from tests.support.patience import patient


def wait_until(condition: Callable[[], object], *, timeout_s: float = 30.0, every_s: float = 0.1) -> None:
    """Return once `condition()` is true; fail after `timeout_s`, or longer on a loaded machine."""
    begun = time.monotonic()
    limit_s = timeout_s
    while not condition():
        limit_s = max(limit_s, patient(timeout_s))
        assert time.monotonic() - begun < limit_s, f"not true within {limit_s:.0f} s"
        time.sleep(every_s)
