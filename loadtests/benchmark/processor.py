"""CPU time of a server's processes by part, from Linux's accounting."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtests.benchmark.memory import family
from phoserve.serving.encoders import cores

CORE_MS: Final = "core_ms_"
"""Prefix of these figures: milliseconds of one core per text."""
UNUSED: Final = f"{CORE_MS}unused"
"""Cores that were idle or used by other programs."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_STUB: Final = "triton_python_backend_stub"
_PROGRAMS: Final = ("tritonserver", "redis-server")
_ENGINE: Final = "phoserve.adapters.edge.server"


def processor_seconds(pid: int) -> dict[str, float]:
    """Return the CPU seconds so far of `pid` and its descendants by part, such as a Python model of Triton."""
    spent: dict[str, float] = {}
    for each in family(pid):
        try:
            part = part_of(each)
            times = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # the process has ended
            continue
        spent[part] = spent.get(part, 0.0) + (int(times[11]) + int(times[12])) / _TICKS_PER_S
    return spent


def core_ms(before: Mapping[str, float], after: Mapping[str, float], *, wall_s: float, texts: int) -> dict[str, float]:
    """Return the CPU time of each part between two readings, and the unused time, in ms of a core per text."""
    spent = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
    unused = max(0.0, cores() * wall_s - sum(spent.values()))
    return {f"{CORE_MS}{part}": seconds * 1000 / texts for part, seconds in spent.items()} | {
        UNUSED: unused * 1000 / texts
    }


def part_of(pid: int) -> str:
    """Return the part of a server that a process belongs to. Raises OSError after its end."""
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    program = Path(command[0]).name
    if program == _STUB:  # its first argument is .../MODEL/VERSION/model.py
        return Path(command[1]).parts[-3]
    if _ENGINE in command:
        return "engine"
    if "worker" in command:
        return "worker"
    if any("qdrant" in word for word in command):
        return "qdrant"
    return program if program in _PROGRAMS else "server"
