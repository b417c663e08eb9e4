"""Read documents in processes with limited time and memory.

A hostile file takes down its own process, never the worker. That process has no environment, so no secret either, and
`containment` keeps it from the network and from other files. Processes are forked from one that has loaded the parsers
(`fork_server`), which takes milliseconds instead of tenths of a second.
"""

import asyncio
import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from ingest.parsing.child import Read, Refused
from ingest.parsing.fork_server import STARTED, Start, Stop
from ingest.parsing.limits import MIB, ParserLimits
from ingest.parsing.media import READ_BY_OCR

__all__ = ["ParserLimits", "read_in_child"]

_ANSWER_BYTES: Final = 8
"""How many times the text an answer may take: blocks repeat headers and name their places."""
_ROOT: Final = str(Path(__file__).parents[2])
_LOADED: Final = 4
"""How many times its processor time a parser may take: it has the lowest priority, and a busy machine fails no file."""
_ATTEMPTS: Final = 3
"""How often a request is sent that the server did not start on: it may end just then."""
_END_S: Final = 5.0


async def read_in_child(path: Path, media_type: str, limits: ParserLimits) -> Read | Refused:
    """Return what the parser reads in the file at `path`; Refused if it broke, or went over a limit."""
    ocr_s, clock = limits.ocr_s if media_type in READ_BY_OCR else 0.0, asyncio.get_running_loop().time
    timed_out = Refused("timeout", f"reading the document took longer than {limits.time_s + ocr_s:g} s; split it")
    began = clock()
    try:
        async with asyncio.timeout(_LOADED * limits.time_s + ocr_s):
            answer = await _answer(path, media_type, limits)
    except TimeoutError:
        return timed_out
    try:
        return await asyncio.to_thread(msgspec.msgpack.decode, answer, type=Read | Refused)
    except msgspec.DecodeError:  # the process ended before it had written all of it
        if clock() - began >= limits.time_s:
            return timed_out
        megabytes = limits.memory_bytes // MIB
        return Refused("too_complex", f"reading the document needs more than {megabytes} MiB, or broke; split it")


async def _answer(path: Path, media_type: str, limits: ParserLimits) -> bytes:
    """Return what the process writes; one that writes too much is ended."""
    for _ in range(_ATTEMPTS):
        async with _SERVER.start(path, media_type, limits) as output:
            if await output.read(len(STARTED)):
                return await _read_all(output, _ANSWER_BYTES * limits.text_bytes)
    return b""


async def _read_all(output: asyncio.StreamReader, max_bytes: int) -> bytes:
    answer = bytearray()
    while part := await output.read(1 << 20):
        answer += part
        if len(answer) > max_bytes:
            return b""
    return bytes(answer)


class _ForkServer:
    """The server of this process; started when it is needed, and again when it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @asynccontextmanager
    async def start(self, path: Path, media_type: str, limits: ParserLimits) -> AsyncIterator[asyncio.StreamReader]:
        """Start a parser on a document, for the output of its process; the process has ended on leaving."""
        request = Start(next(self._numbers), str(path), media_type, limits, _environment(path.parent))
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb") as pipe:
            try:
                self._send(msgspec.msgpack.encode(request), [theirs])
            finally:
                os.close(theirs)
            output = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(output), pipe
            )
            try:
                yield output
            finally:
                transport.close()
                if not output.at_eof():
                    with suppress(OSError):  # a server that ended has no parser to stop
                        self._send(msgspec.msgpack.encode(Stop(request.number)), [])

    def close(self) -> None:
        """End the server and its parsers."""
        with self._lock:
            self._end()

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        with self._lock:
            if self._control is None:
                self._begin()
            assert self._control is not None  # noqa: S101 - it has begun
            try:
                socket.send_fds(self._control, [message], descriptors)
            except OSError:  # it has ended: idle, or killed
                self._end()
                self._begin()
                socket.send_fds(self._control, [message], descriptors)

    def _begin(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ingest.parsing.fork_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(Path("/")),
                cwd="/",
                start_new_session=True,
            )

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


_SERVER: Final = _ForkServer()
atexit.register(_SERVER.close)


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
