"""The process of an Edge passage index: `python -m phoserve.adapters.edge.server FOLDER FINGERPRINT DIM LOCK [SHARD]`.

Reads calls from standard input and writes results to standard output until its parent is gone. What is not closed by
then is in the engine's write-ahead log. LOCK is the inherited descriptor of the index's lock. With SHARD, that shard is
opened instead of the current one, and another process of the same parent holds the lock.
"""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from phoserve.adapters.edge.frames import next_value, packed, portable
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.edge.shard import model_folder, remove_other_shards
from phoserve.adapters.points import VectorSpace
from phoserve.adapters.process_memory import close_memory

CLOSE: Final = "close"
PART: Final = "the search engine"
"""The name of this process in errors."""
SEARCHES: Final = ("nearest", "matching", "find")
SWITCH_S: Final = 0.0005
"""How long a search waits for a thread that prepares a write, several times in a search. Python's default is 5 ms."""


async def serve(open_index: Callable[[], EdgePassageIndex], calls: int, results: int) -> None:
    """Answer the `calls` of one pipe, (number, method, arguments), with (number, result, error) on another.

    Raises EOFError when the pipe is closed.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(calls, "rb"))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(results, "wb"))
    try:
        index = await asyncio.to_thread(open_index)
    except Exception as error:  # the parent reports every error
        transport.write(packed((0, None, portable(error, PART))))
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
            reply = (number, None, portable(error, PART))
        transport.write(packed(reply))

    while True:
        call = await next_value(reader)
        task = loop.create_task(answer(*call))
        running.add(task)
        task.add_done_callback(running.discard)
        if call[1] == CLOSE:
            await asyncio.wait(running)


def _open_current(folder: Path, space: VectorSpace, lock: int) -> EdgePassageIndex:
    """Open the current shard, once no other process has the index open: the last one may still be exiting."""
    fcntl.flock(lock, fcntl.LOCK_EX)
    remove_other_shards(model_folder(folder, space.fingerprint))
    return EdgePassageIndex(folder, space)


def main() -> None:
    close_memory()
    # The parent stops this process, also if the terminal signals all processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)
    folder, fingerprint, dim, lock, *shard = sys.argv[1:]
    place, space = Path(folder), VectorSpace(fingerprint, int(dim))
    open_index = (
        partial(EdgePassageIndex, place, space, shard=shard[0])
        if shard
        else partial(_open_current, place, space, int(lock))
    )
    results = os.dup(1)
    os.dup2(2, 1)  # nothing that anybody prints may come between the frames
    try:
        asyncio.run(serve(open_index, os.dup(0), results))
    except EOFError:
        os._exit(0)  # at once: the next process waits for the lock


if __name__ == "__main__":
    main()
