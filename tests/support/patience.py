"""Time limits of tests, scaled by the load of the machine."""

import os
from pathlib import Path
from typing import Final

MOST: Final = 20.0
"""A machine this much slower needs attention, not patience."""


def patient(seconds: float) -> float:
    """Return a limit that an idle machine meets within `seconds`, for the load that this one has now."""
    return seconds * slowness()


def slowness() -> float:
    """Return how many processes want each core, at least 1: of the last minute or of this moment, if more."""
    last_minute, _, _, now, _ = Path("/proc/loadavg").read_text().split()
    wanted = max(float(last_minute), float(now.partition("/")[0]))
    return min(MOST, max(1.0, wanted / (os.cpu_count() or 1)))
