"""Read large JSON bodies in another process, one at a time, keys in turn.

A body of 32 MB may be a text, which takes milliseconds to decode, or ten million empty lists, which take seconds and a
gigabyte of memory. The decoder holds the interpreter's lock to its end, so every other request would wait. Bodies of up
to `SHORT_BYTES` are decoded where they are. The process (`api.body_child`) starts with the first longer one.
"""

import asyncio
import atexit
import os
import pickle
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from phoserve.concurrency.turns import Turns
from phoserve.errors import Unavailable

MAX_VALUES: Final = 100_000
"""Values in a body other than documents; a body with this many is decoded in a twentieth of a second."""
SHORT_BYTES: Final = 64 * 1024
"""The worst body of this length takes a few milliseconds to decode."""
TIMEOUT_S: Final = 30.0
HEAD: Final = struct.Struct("!BQQ")
"""Of a body: kind (`READERS` of `api.body_child`), most items, length. Of an answer: flags, 0, length."""
FAILED: Final = 1
"""The answer is an error."""
ENDS: Final = 2
"""The process ends after this answer."""
ATTEMPTS: Final = 2
_ROOT: Final = str(Path(__file__).parents[1])


class BodyProcess:
    """Checks bodies in a child process. One that ends, or takes too long, is started again by the next body."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "bodies")
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    async def read(self, kind: int, body: bytes, most: int) -> bytes:
        """Return what the process makes of a body with `most` items.

        Raises what it raises: InvalidInput, TooLarge; and Unavailable.
        """
        async with self._turns.take():
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, kind, most, body)
            failed, answer = await asyncio.shield(work)
        if failed:
            error: Exception = pickle.loads(answer)  # noqa: S301 - from our own child
            raise error
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _exchange(self, kind: int, most: int, body: bytes) -> tuple[int, bytes]:
        with self._lock:
            for _ in range(ATTEMPTS):  # the process may have ended since the last body
                with suppress(OSError):
                    return self._exchange_once(kind, most, body)
                self._end()
        raise Unavailable("bodies", "the body could not be read; send fewer documents at a time")

    def _exchange_once(self, kind: int, most: int, body: bytes) -> tuple[int, bytes]:
        process = self._process or self._begin()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        alarm = threading.Timer(TIMEOUT_S, process.kill)
        alarm.start()
        try:
            process.stdin.write(HEAD.pack(kind, most, len(body)))
            process.stdin.write(body)
            process.stdin.flush()
            flags, _, length = HEAD.unpack(_read(process.stdout, HEAD.size))
            answer = _read(process.stdout, length)
        finally:
            alarm.cancel()
        if flags & ENDS:
            self._end()
        return flags & FAILED, answer

    def _begin(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.body_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": _ROOT, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process.kill()
            self._process.wait()
        self._process = None


def _read(pipe: Any, length: int) -> bytes:
    content: bytes = pipe.read(length)
    if len(content) < length:
        raise OSError("the process ended")
    return content
