"""Build the graph of an index next to the process that serves it.

The shard is copied, a process of low priority builds the graph of the copy, and a new engine process opens it.
Meanwhile the old one serves searches and writes, and the writes are recorded and repeated on the copy. Between two
writes the file `current` is replaced, and the new process serves. Until then the old shard is complete, and afterwards
the new one is, so an interruption loses nothing.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import structlog

from phoserve.adapters.edge.copying import copy_changes, disk_bytes, sync_and_stamp
from phoserve.adapters.edge.engine import EngineProcess
from phoserve.adapters.edge.frames import LENGTH, packed, unpacked
from phoserve.adapters.edge.shard import FIRST, CurrentShard, ShardSize, model_folder, read_current, replace_current
from phoserve.adapters.points import VectorSpace
from phoserve.errors import PhoserveError

log = structlog.get_logger(__name__)
PAUSE_S: Final = 0.05
"""How long writes wait at most, now and then, while the copy catches up with them."""
SHARDS_OF_DISK: Final = 2.5
"""Free space that a build needs, in sizes of the shard: its copy, and the new segments next to the copy's."""


class BuildFailed(Exception):
    """The graph was not built. The index is as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions:
    """When a graph is built, and with what."""

    least_points: int = 10_000
    """Smaller indexes, and this many new points, are searched exactly in a millisecond."""
    new_share: float = 0.1
    """Build when this share of the points is outside of the graph."""
    most_new_points: int = 50_000
    """Build when more points are outside of the graph: each thousand takes a third of a millisecond of a search."""
    deleted_share: float = 0.2
    """Build when as many points as this share were deleted since the last time."""
    check_every_s: float = 10.0
    retry_after_s: float = 300.0
    threads: int = max(1, (os.cpu_count() or 1) // 2)
    indexing_threshold_kb: int = 10_000
    """Smaller segments get no graph."""
    nice: int = 10
    """Of the process that builds. 0 is the usual priority. With the lowest, 19, a busy machine hardly runs it."""

    def asks_for(self, size: ShardSize, built: CurrentShard) -> bool:
        """Return whether the graph of an index of this `size` is out of date.

        New points are estimated from the growth on the disk, because the engine's own figures hide replaced points.
        """
        if size.points < self.least_points and not built.points:
            return False
        bytes_a_point = max(built.bytes / built.points if built.points else 0, size.bytes / max(size.points, 1), 1)
        new = size.points if not built.points else (size.bytes - built.bytes) / bytes_a_point
        deleted = built.points + new - size.points
        new_allowed = max(self.least_points, min(self.most_new_points, self.new_share * size.points))
        return new >= new_allowed or deleted >= max(self.least_points, self.deleted_share * size.points)


class Write(NamedTuple):
    """A write, and whether the serving engine carried it out."""

    method: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    succeeded: bool


class Recording:
    """The writes since the copy, in order, in an unnamed file."""

    def __init__(self, folder: Path) -> None:
        """Begin in `folder`."""
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._read_to = 0
        self.waiting = 0
        self.error: OSError | None = None
        """Set when a write could not be recorded, for example because the disk is full."""

    def add(self, write: Write) -> None:
        """Append one."""
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(packed(tuple(write)))
            self._file.flush()
        except OSError as error:
            self.error = error
        self.waiting += 1

    def pop(self) -> Write:
        """Return the oldest one that was not returned yet."""
        self._file.seek(self._read_to)
        (length,) = LENGTH.unpack(self._file.read(LENGTH.size))
        write = Write(*unpacked(self._file.read(length)))
        self._read_to += LENGTH.size + length
        self.waiting -= 1
        return write

    def close(self) -> None:
        """Forget all."""
        self._file.close()


class GraphBuild:
    """One build, from the copy to the swap."""

    def __init__(self, folder: Path, space: VectorSpace, engine: EngineProcess, options: GraphOptions) -> None:
        """Build for the index of `space` under `folder`, which `engine` serves."""
        self._folder, self._space, self._engine, self._options = folder, space, engine, options
        self._place = model_folder(folder, space.fingerprint)
        self._source = self._place / read_current(self._place).name
        self._target = self._place / _next_name(self._source.name)
        self.recording: Recording | None = None

    async def run(self, pause: Callable[[], Awaitable[None]], resume: Callable[[], None]) -> EngineProcess:
        """Return the engine that serves from now on, while writes are paused.

        `pause` waits for the write in progress and holds others back, `resume` lets them pass. Raises BuildFailed,
        PhoserveError or OSError, with writes not paused, when nothing was changed.
        """
        new: EngineProcess | None = None
        try:
            self._check_space()
            await self._copy(pause, resume)
            await self._optimize()
            new = await self._engine.take_over(self._folder, self._space, self._target.name)
            await new.call("count_terms")
            await self._catch_up(new, pause, resume)
            try:
                await self._commit(new)
            except BaseException:
                resume()
                raise
            return new
        except BaseException:
            if new is not None:
                await new.kill()
            await asyncio.to_thread(shutil.rmtree, self._target, ignore_errors=True)
            raise
        finally:
            if self.recording is not None:
                self.recording.close()
                self.recording = None

    async def remove_old(self) -> None:
        """Remove the shard that served before."""
        await asyncio.to_thread(shutil.rmtree, self._source, ignore_errors=True)

    def _check_space(self) -> None:
        needed = int(disk_bytes(self._source) * SHARDS_OF_DISK)
        free = shutil.disk_usage(self._place).free
        if free < needed:
            raise BuildFailed(
                f"building needs {needed >> 20:,} MB of free disk space in {self._place}, {free >> 20:,} are there"
            )

    async def _copy(self, pause: Callable[[], Awaitable[None]], resume: Callable[[], None]) -> None:
        """Copy the shard, and record writes from then on."""
        await asyncio.to_thread(shutil.rmtree, self._target, ignore_errors=True)
        before = await asyncio.to_thread(sync_and_stamp, self._source)
        await self._run("copy", str(self._source), str(self._target), content=json.dumps(before).encode())
        # What changed during the long copy, so that only what changes during this short one is left.
        copied, before = before, await asyncio.to_thread(sync_and_stamp, self._source)
        await asyncio.to_thread(copy_changes, self._source, self._target, copied)
        await pause()
        try:
            # Not flushed, which waits for the disk: the copy's engine repeats what is in its log, as after a crash.
            await asyncio.to_thread(copy_changes, self._source, self._target, before)
            self.recording = Recording(self._place)
        finally:
            resume()

    async def _optimize(self) -> None:
        options = self._options
        await self._run(
            *("optimize", str(self._target), str(self._space.dim)),
            *(str(options.threads), str(options.indexing_threshold_kb)),
        )

    async def _catch_up(
        self, new: EngineProcess, pause: Callable[[], Awaitable[None]], resume: Callable[[], None]
    ) -> None:
        """Repeat the recorded writes. At the end none are left, and new ones are paused."""
        left = self._left
        while left:  # as long as the copy gains on the writers
            await self._repeat(new, left, until=float("inf"))
            left = self._left if self._left <= left // 2 else 0
        pause_s = PAUSE_S
        while True:
            await pause()
            try:
                await self._repeat(new, self._left, until=time.monotonic() + pause_s)
            except BaseException:
                resume()
                raise
            if not self._left:
                return
            resume()
            pause_s *= 1.2  # many writers at once may add more in a turn than the copy takes back

    async def _repeat(self, new: EngineProcess, count: int, until: float) -> None:
        """Repeat that many recorded writes, or those before the time `until`. Raises BuildFailed, OSError."""
        assert self.recording is not None  # noqa: S101 - it is there since the copy
        for _ in range(count):
            if self.recording.error is not None:
                raise self.recording.error
            if time.monotonic() >= until:
                return
            write = self.recording.pop()
            try:
                await new.call(write.method, *write.arguments, **write.named)
            except (PhoserveError, RuntimeError) as error:
                if write.succeeded:
                    raise BuildFailed(f"a write could not be repeated on the copy ({error})") from error

    @property
    def _left(self) -> int:
        return self.recording.waiting if self.recording is not None else 0

    async def _commit(self, new: EngineProcess) -> None:
        size: ShardSize = await new.call("size")
        old: ShardSize = await self._engine.call("size")
        if size.points != old.points:
            raise BuildFailed(f"the copy has {size.points} passages, the index {old.points}")
        try:
            # Not on a thread: nothing may interrupt this process between the file and the swap.
            replace_current(self._place, CurrentShard(self._target.name, size.points, size.bytes))
        except OSError:
            if read_current(self._place).name != self._target.name:
                raise

    async def _run(self, *step: str, content: bytes = b"") -> None:
        """Run one step of the builder to its end. Raises BuildFailed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "phoserve.adapters.edge.builder", str(os.getpid()), str(self._options.nice), *step),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await process.communicate(content)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            last = errors.decode(errors="replace").strip().splitlines()[-1:]
            raise BuildFailed(f"step {step[0]} ended with status {process.returncode}: {''.join(last)}")


def _next_name(name: str) -> str:
    """Return `shard-2` after `shard`, `shard-3` after `shard-2`."""
    number = name.removeprefix(FIRST).removeprefix("-")
    return f"{FIRST}-{int(number or 1) + 1}"
