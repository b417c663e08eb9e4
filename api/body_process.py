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

SHORT_BYTES: Final = 64 * 1024
"""The worst body of this length takes a few milliseconds to decode."""
TIMEOUT_S: Final = 30.0
HEAD: Final = struct.Struct("!BQ")
"""Of a body: the kind (`KINDS` of `api.body_child`), and the length. Of an answer: 1 for an error, and the length."""
_ROOT: Final = str(Path(__file__).parents[1])


class BodyProcess:
    """Checks bodies in a child process. One that ends, or takes too long, is started again by the next body."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "bodies")
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    async def read(self, kind: int, body: bytes) -> bytes:
        """Return what the process makes of the body. Raises what it raises: InvalidInput, TooLarge; and Unavailable."""
        async with self._turns.take():
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, kind, body)
            is_error, answer = await asyncio.shield(work)
        if is_error:
            error: Exception = pickle.loads(answer)  # noqa: S301 - from our own child
            raise error
        return answer

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _exchange(self, kind: int, body: bytes) -> tuple[bool, bytes]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._begin()
            process = self._process
            assert process is not None  # noqa: S101 - it has begun
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            alarm = threading.Timer(TIMEOUT_S, process.kill)
            alarm.start()
            try:
                process.stdin.write(HEAD.pack(kind, len(body)))
                process.stdin.write(body)
                process.stdin.flush()
                is_error, length = HEAD.unpack(_read(process.stdout, HEAD.size))
                return bool(is_error), _read(process.stdout, length)
            except OSError as error:
                self._end()
                raise Unavailable("bodies", "the body could not be read; send fewer documents at a time") from error
            finally:
                alarm.cancel()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.body_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": _ROOT, "LANG": "C.UTF-8"},
            start_new_session=True,
        )

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
