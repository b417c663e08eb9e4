"""The process of an Edge passage index: `python -m phoserve.adapters.edge.server FOLDER FINGERPRINT DIM`.

Reads calls from standard input and writes results to standard output until its parent is gone. What is not closed by
then is in the engine's write-ahead log.
"""

import asyncio
import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from phoserve.adapters.edge.frames import next_value, packed
from phoserve.adapters.edge.index import EdgePassageIndex, shard_folder
from phoserve.adapters.points import VectorSpace
from phoserve.errors import EngineFailed, PhoserveError

CLOSE: Final = "close"
SEARCHES: Final = ("nearest", "matching", "find")


async def serve(folder: Path, space: VectorSpace, calls: int, results: int) -> None:
    """Answer the `calls` of one pipe, (number, method, arguments), with (number, result, error) on another.

    Raises EOFError when the pipe is closed.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(calls, "rb"))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(results, "wb"))
    try:
        index = await asyncio.to_thread(_opened, folder, space)
    except Exception as error:  # the parent reports every error
        transport.write(packed((0, None, _portable(error))))
        return
    transport.write(packed((0, None, None)))
    running: set[asyncio.Task[None]] = set()

    async def answer(number: int, method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        reply: tuple[int, Any, Exception | None]
        try:
            result = await getattr(index, method)(*arguments, **named)
            # A hundred candidates are packed in a tenth of the time that pickle takes.
            reply = (number, msgspec.msgpack.encode(result) if method in SEARCHES else result, None)
        except Exception as error:  # every error is returned to the caller
            reply = (number, None, _portable(error))
        transport.write(packed(reply))

    while True:
        call = await next_value(reader)
        task = loop.create_task(answer(*call))
        running.add(task)
        task.add_done_callback(running.discard)
        if call[1] == CLOSE:
            await asyncio.wait(running)


def _opened(folder: Path, space: VectorSpace) -> EdgePassageIndex:
    _lock(shard_folder(folder, space.fingerprint))
    return EdgePassageIndex(folder, space)


def _lock(folder: Path) -> None:
    """Wait until no other process has the index open: the last one may still be on its way out."""
    folder.mkdir(parents=True, exist_ok=True)
    fcntl.flock(os.open(folder / "lock", os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)


def _portable(error: Exception) -> Exception:
    """Return a domain error, which the other side can decode."""
    if isinstance(error, PhoserveError):
        return error
    return EngineFailed(f"the search engine failed: {type(error).__name__}: {error}")


def main() -> None:
    # The parent stops this process, also if the terminal signals all processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    folder, fingerprint, dim = sys.argv[1:]
    results = os.dup(1)
    os.dup2(2, 1)  # nothing that anybody prints may come between the frames
    try:
        asyncio.run(serve(Path(folder), VectorSpace(fingerprint, int(dim)), os.dup(0), results))
    except EOFError:
        os._exit(0)  # at once: the next process waits for the lock


if __name__ == "__main__":
    main()
