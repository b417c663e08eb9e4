"""How the number of users changes over a run: constant, ramp, step, spike or soak."""

from math import ceil
from typing import Final

SHAPES: Final = ("constant", "ramp", "step", "spike", "soak")
STEPS: Final = 5
SOAK_SHARE: Final = 0.6


def users_at(shape: str, share: float, peak: int) -> int:
    """How many of `peak` users ask at `share` (0 to 1) of the run.

    `ramp` climbs evenly; `step` in five equal steps, each as long; `spike` rests at a tenth but for the middle fifth;
    `soak` stays at 60%, for hours if you like; `constant` is there at once.
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
