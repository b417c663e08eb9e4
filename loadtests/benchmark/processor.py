"""Processor time of a server's processes, as Linux counts it: where the time goes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtests.benchmark.memory import family
from phoserve.serving.encoders import cores

CORE_MS: Final = "core_ms_"
"""What the names of these figures begin with: milliseconds of one core a text."""
NOBODY: Final = f"{CORE_MS}nobody"
"""Cores that stood still, or were another program's."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_STUB: Final = "triton_python_backend_stub"
_PROGRAMS: Final = ("tritonserver", "redis-server")
_ENGINE: Final = "phoserve.adapters.edge.server"


def processor_seconds(pid: int) -> dict[str, float]:
    """Seconds so far of `pid` and its descendants, by part: a model in Python of Triton, a store ... or the rest."""
    spent: dict[str, float] = {}
    for each in family(pid):
        try:
            part = part_of(each)
            times = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        spent[part] = spent.get(part, 0.0) + (int(times[11]) + int(times[12])) / _TICKS_PER_S
    return spent


def core_ms(before: Mapping[str, float], after: Mapping[str, float], *, wall_s: float, texts: int) -> dict[str, float]:
    """What each part spent between two readings `wall_s` apart, and what nobody here did, in ms of a core a text."""
    spent = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
    nobody = max(0.0, cores() * wall_s - sum(spent.values()))
    return {f"{CORE_MS}{part}": seconds * 1000 / texts for part, seconds in spent.items()} | {
        NOBODY: nobody * 1000 / texts
    }


def part_of(pid: int) -> str:
    """Which part of a server a process is. Raises OSError once it has ended."""
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
