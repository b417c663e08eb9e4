"""The Edge passage index in a process of its own.

The engine keeps the interpreter's lock for the length of every call: in the process of the API, a search over 50,000
passages would stop everything else for ten milliseconds, and building a graph for minutes.
"""

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.adapters.edge.frames import next_value, packed
from phoserve.adapters.edge.index import shard_folder
from phoserve.adapters.edge.server import CLOSE
from phoserve.adapters.points import AS_STORED, VectorSpace
from phoserve.contract import ModelContract
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.documents.filters import Filter
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.errors import Unavailable
from phoserve.search.ports import PassageIndex, ScoredId
from phoserve.text import SparseVector

CLOSE_TIMEOUT_S: Final = 30.0


class EdgeProcessIndex:
    """The `PassageIndex` whose engine runs in a child process; one that dies is started again by the next call."""

    def __init__(self, folder: Path, model: ModelContract | VectorSpace) -> None:
        """Of the index of this model under `folder`; call `start` first."""
        self.fingerprint = model.fingerprint
        self._folder = folder
        self._dim = model.dim
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()

    async def start(self) -> Self:
        """Start the process, once. Raises ConfigurationError if the folder cannot be opened."""
        async with self._starting:
            if self._reading is None or self._reading.done():
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "phoserve.adapters.edge.server"),
                    *(str(self._folder), self.fingerprint, str(self._dim)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    # One heap: each of its threads would keep what a rewrite of the index took once.
                    env=os.environ | {"MALLOC_ARENA_MAX": "1"},
                )
                opened = self._waiting[0] = asyncio.get_running_loop().create_future()
                self._reading = asyncio.create_task(self._read(self._process))
                try:
                    await opened
                except BaseException:
                    self._end(self._process)
                    await self._reading
                    raise
        return self

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """See `PassageIndex`."""
        await self._call("stage", passages)

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """See `PassageIndex`."""
        await self._call("publish", revisions)

    async def set_access(self, document_key: str, access: Sequence[str], version: int) -> None:
        """See `PassageIndex`."""
        await self._call("set_access", document_key, access, version)

    async def ping(self) -> None:
        """See `PassageIndex`."""
        await self._call("ping")

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """See `PassageIndex`."""
        await self._call("discard", document_key, up_to=up_to, staged_only=staged_only)

    async def discard_many(self, document_keys: Sequence[str]) -> None:
        """See `PassageIndex`."""
        await self._call("discard_many", document_keys)

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        """See `PassageIndex`."""
        await self._call("discard_collection", collection, here_only=here_only)

    async def nearest(
        self,
        collection: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """See `PassageIndex`."""
        return _scored(await self._call("nearest", collection, vector, limit=limit, where=where, audience=audience))

    async def matching(
        self,
        collection: str,
        terms: SparseVector,
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """See `PassageIndex`."""
        return _scored(await self._call("matching", collection, terms, limit=limit, where=where, audience=audience))

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> Mapping[str, Passage]:
        """See `PassageIndex`."""
        found = await self._call("find", collection, passage_ids, audience=audience)
        return msgspec.msgpack.decode(found, type=dict[str, Passage])

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """See `PassageIndex`."""
        found: list[Passage] = await self._call("passages", collection, document_key)
        return found

    async def staged(self) -> list[tuple[str, int]]:
        """See `PassageIndex`."""
        found: list[tuple[str, int]] = await self._call("staged")
        return found

    async def published(self, collection: str | None = None) -> list[tuple[str, int]]:
        """See `PassageIndex`."""
        found: list[tuple[str, int]] = await self._call("published", collection)
        return found

    async def count(self, collection: str | None = None, *, audience: Audience = UNRESTRICTED) -> int:
        """See `PassageIndex`."""
        return int(await self._call("count", collection, audience=audience))

    async def active_model(self) -> str | None:
        """See `PassageIndex`."""
        fingerprint: str | None = await self._call("active_model")
        return fingerprint

    async def activate(self) -> None:
        """See `PassageIndex`."""
        await self._call("activate")

    async def sibling(self, fingerprint: str) -> PassageIndex | None:
        """See `PassageIndex`."""
        if not shard_folder(self._folder, fingerprint).exists():
            return None
        return await EdgeProcessIndex(self._folder, VectorSpace(fingerprint, AS_STORED)).start()

    async def close(self) -> None:
        """Flush, close, and end the process."""
        if self._process is None or self._reading is None:
            return
        with contextlib.suppress(Unavailable, TimeoutError):
            if not self._reading.done():
                await asyncio.wait_for(self._call(CLOSE), CLOSE_TIMEOUT_S)
        self._end(self._process)
        await self._reading

    async def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        await self.start()
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - it was started
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(packed((number, method, arguments, named)))
        try:
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(EOFError):
            while True:
                number, result, error = await next_value(process.stdout)
                answer = self._waiting.pop(number, None)
                if answer is None or answer.done():  # the caller was cancelled
                    continue
                if error is None:
                    answer.set_result(result)
                else:
                    answer.set_exception(error)
        self._end(process)
        await process.wait()
        # Last: earlier calls would wait indefinitely, and later calls start another process.
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable("index", "the search engine stopped; it is started again"))
        self._waiting.clear()

    @staticmethod
    def _end(process: asyncio.subprocess.Process) -> None:
        """Close the pipe, which ends the process. A hanging one is killed, because its log keeps all writes."""
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def _scored(found: bytes) -> list[ScoredId]:
    return msgspec.msgpack.decode(found, type=list[ScoredId])
