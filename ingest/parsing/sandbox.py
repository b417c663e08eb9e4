"""Run the parser of documents in a process with limited time and memory.

A hostile file takes down its own process, never the worker. That process has no environment, so no secret either, and
`containment` keeps it from the network and from other files.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ingest.parsing.child import Read, Refused
from ingest.parsing.limits import MIB, ParserLimits
from ingest.parsing.media import READ_BY_OCR

__all__ = ["ParserLimits", "read_in_child"]

_ANSWER_BYTES: Final = 8
"""How many times the text an answer may take: blocks repeat headers and name their places."""
_ROOT: Final = str(Path(__file__).parents[2])


async def read_in_child(path: Path, media_type: str, limits: ParserLimits) -> Read | Refused:
    """Return what the parser reads in the file at `path`; Refused if it broke, or went over a limit."""
    time_s = limits.time_s + (limits.ocr_s if media_type in READ_BY_OCR else 0.0)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "ingest.parsing.child", str(path), media_type),
        *(str(limits.memory_bytes), str(int(limits.time_s) + 1), str(limits.text_bytes)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(path.parent),
        cwd=path.parent,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(time_s):
            answer = await _read_answer(child, _ANSWER_BYTES * limits.text_bytes)
    except TimeoutError:
        return Refused("timeout", f"reading the document took longer than {time_s:g} s; split it")
    finally:
        await _end(child)
    if child.returncode != 0:
        megabytes = limits.memory_bytes // MIB
        return Refused("too_complex", f"reading the document needs more than {megabytes} MiB, or broke; split it")
    return await asyncio.to_thread(msgspec.msgpack.decode, answer, type=Read | Refused)


async def _read_answer(child: asyncio.subprocess.Process, max_bytes: int) -> bytes:
    """Return what the child writes, and wait for its end; a child that writes more than `max_bytes` is killed."""
    assert child.stdout is not None  # noqa: S101 - it was asked for
    answer = bytearray()
    while part := await child.stdout.read(1 << 20):
        answer += part
        if len(answer) > max_bytes:
            child.kill()
            break
    await child.wait()
    return bytes(answer)


def _environment(folder: Path) -> dict[str, str]:
    """Return the variables of the parser's process: no secret, and one thread for each library that has its own."""
    kept = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
    return kept | {
        "PYTHONPATH": _ROOT,
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill the process and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
