"""Lower the priority of processes whose work can wait."""

import errno
import os
import time
from pathlib import Path
from typing import Final

_AUTOGROUP: Final = Path("/proc/self/autogroup")
_ATTEMPTS: Final = 20
_PAUSE_S: Final = 0.11
"""Linux takes one change in 0.1 s from all processes without privileges."""


def lower_priority(niceness: int = 0) -> None:
    """Add `niceness` to that of this process, and give its session the same if it leads one.

    Linux shares processor time between sessions first (`sched_autogroup_enabled`, sched(7)). Niceness counts within a
    session only, so without the second step a session of its own would have as much time as the whole platform.
    """
    total = os.getpriority(os.PRIO_PROCESS, 0) + niceness
    os.setpriority(os.PRIO_PROCESS, 0, total)
    if os.getsid(0) != os.getpid():
        return
    for _ in range(_ATTEMPTS):
        try:
            _AUTOGROUP.write_text(str(total))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                return  # this kernel has no such groups, or another takes their place
            time.sleep(_PAUSE_S)
        else:
            return
