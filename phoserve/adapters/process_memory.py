"""Keep the memory and the environment of this process, which hold keys, from other processes of the same user."""

import ctypes
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4  # include/uapi/linux/prctl.h


def close_memory() -> None:
    """Refuse reads of `/proc/PID/mem` and `environ`, tracing and core dumps, but for root; nothing on other systems.

    A parser runs as the same user. Where the kernel has no Landlock, it could open these files of the API. Programs
    that this process starts have memory of their own.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
