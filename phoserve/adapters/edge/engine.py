"""One engine process of an Edge passage index, and the calls that are in flight to it."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any, Final, Self

from phoserve.adapters.edge.frames import PendingCalls, next_value, packed
from phoserve.adapters.edge.server import CLOSE
from phoserve.adapters.edge.shard import model_folder
from phoserve.adapters.points import VectorSpace
from phoserve.errors import Unavailable

CLOSE_TIMEOUT_S: Final = 30.0
DRAIN_TIMEOUT_S: Final = 10.0
EXIT_TIMEOUT_S: Final = 5.0


class EngineProcess:
    """A child process that has one shard open. It ends with its pipe."""

    def __init__(self, process: asyncio.subprocess.Process, lock: int) -> None:
        """Use `start` or `take_over`. `lock` is closed when the process ends."""
        self._process = process
        self._lock = lock
        self._calls = PendingCalls()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, folder: Path, space: VectorSpace) -> Self:
        """Open the current shard, once no other process has the index open. Raises ConfigurationError."""
        place = model_folder(folder, space.fingerprint)
        place.mkdir(parents=True, exist_ok=True)
        return await cls._spawn(folder, space, os.open(place / "lock", os.O_CREAT | os.O_RDWR))

    async def take_over(self, folder: Path, space: VectorSpace, shard: str) -> Self:
        """Start a process that opens another shard of this index and shares the lock. Raises Unavailable."""
        self._check_alive()
        return await self._spawn(folder, space, os.dup(self._lock), shard)

    @classmethod
    async def _spawn(cls, folder: Path, space: VectorSpace, lock: int, *shard: str) -> Self:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "phoserve.adapters.edge.server"),
                *(str(folder), space.fingerprint, str(space.dim), str(lock), *shard),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(lock,),
                # One heap: each of its threads would keep what a rewrite of the index took once.
                env=os.environ | {"MALLOC_ARENA_MAX": "1"},
            )
        except BaseException:
            os.close(lock)
            raise
        engine = cls(process, lock)
        try:
            await engine._calls.make(_opened)
        except BaseException:
            await engine.kill()
            raise
        return engine

    @property
    def is_alive(self) -> bool:
        """Return whether calls are answered."""
        return not self._reading.done()

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a method of `EdgePassageIndex`. Raises Unavailable if the process ends."""
        self._check_alive()
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe
        return await self._calls.make(lambda number: stdin.write(packed((number, method, arguments, named))))

    async def close(self) -> None:
        """Flush, close, and end the process."""
        with contextlib.suppress(Unavailable, TimeoutError):
            if self.is_alive:
                await asyncio.wait_for(self.call(CLOSE), CLOSE_TIMEOUT_S)
        await self.kill()

    async def drain(self) -> None:
        """End the process when the calls in flight are answered."""
        try:
            await self._calls.settle(DRAIN_TIMEOUT_S)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once. What was written is in the engine's log."""
        self._end()
        await self._reading

    def _check_alive(self) -> None:
        if not self.is_alive:
            raise _stopped()

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(EOFError):
            while True:
                self._calls.finish(*await next_value(self._process.stdout))
        with contextlib.suppress(TimeoutError):  # asyncio loses the status of a process that is killed as it exits
            await asyncio.wait_for(self._process.wait(), EXIT_TIMEOUT_S)
        self._end()
        await self._process.wait()
        os.close(self._lock)
        # Last: earlier calls would wait indefinitely, and later calls start another process.
        self._calls.fail(_stopped)

    def _end(self) -> None:
        """Close the pipe, which ends the process. A hanging one is killed, because its log keeps all writes."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _opened(number: int) -> None:
    """Send nothing: the process opens its shard unasked, and reports it as call 0."""
    assert number == 0  # noqa: S101 - the first call


def _stopped() -> Unavailable:
    return Unavailable("index", "the search engine stopped; it is started again")
