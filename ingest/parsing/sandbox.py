"""Run the parser of office documents in a process that may take so much time and memory and no more.

A hostile file takes its own process down, never the worker. That process is handed no environment, so no secret either.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ingest.parsing.child import Extracted, Refused

MIB: Final = 1024 * 1024
_ROOT: Final = str(Path(__file__).parents[2])


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What one document may cost."""

    time_s: float = 45.0
    memory_bytes: int = 1024 * MIB
    text_bytes: int = 64 * MIB


async def extract(path: Path, media_type: str, limits: ParserLimits) -> Extracted | Refused:
    """What the parser makes of the file at `path`; Refused if it broke, took too long or asked for too much."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "ingest.parsing.child", str(path), media_type),
        *(str(limits.memory_bytes), str(int(limits.time_s) + 1), str(limits.text_bytes)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": _ROOT, "LANG": "C.UTF-8", "HOME": str(path.parent), "TMPDIR": str(path.parent)},
        cwd=path.parent,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limits.time_s):
            answer, _ = await child.communicate()
    except TimeoutError:
        return Refused("timeout", f"reading the document took longer than {limits.time_s:g} s")
    finally:
        await _end(child)
    if child.returncode != 0:
        megabytes = limits.memory_bytes // MIB
        return Refused("too_complex", f"the parser broke on the document, or needed more than {megabytes} MiB for it")
    return msgspec.msgpack.decode(answer, type=Extracted | Refused)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill the process and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
