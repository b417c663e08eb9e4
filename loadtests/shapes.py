"""Load shapes: the number of users over a run, constant, ramp, step, spike or soak."""

from math import ceil
from typing import Final

SHAPES: Final = ("constant", "ramp", "step", "spike", "soak")
STEPS: Final = 5
SOAK_SHARE: Final = 0.6


def users_at(shape: str, share: float, peak: int) -> int:
    """Return the number of users at `share` (0 to 1) of the run, at most `peak`.

    `ramp` rises linearly. `step` has five equal steps. `spike` is at a tenth except for the middle fifth.
    `soak` stays at 60%. `constant` starts at the peak.
    """
    match shape:
        case "ramp":
            wanted = share * peak
        case "step":
            wanted = (int(share * STEPS) + 1) / STEPS * peak
        case "spike":
            wanted = peak if 0.4 <= share < 0.6 else peak / 10
        case "soak":
            wanted = SOAK_SHARE * peak
        case _:
            wanted = peak
    return min(peak, max(1, ceil(wanted)))
