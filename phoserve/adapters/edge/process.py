"""The Edge passage index in a process of its own.

The engine keeps the interpreter's lock for the length of every call: in the process of the API, a search over 50,000
passages would stop everything else for ten milliseconds, and building a graph for minutes.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from phoserve.adapters.edge.engine import EngineProcess
from phoserve.adapters.edge.graph import BuildFailed, GraphBuild, GraphOptions, Recording, Write
from phoserve.adapters.edge.shard import ShardSize, model_folder, read_current
from phoserve.adapters.points import AS_STORED, VectorSpace
from phoserve.adapters.remote_passages import RemotePassages
from phoserve.contract import ModelContract
from phoserve.documents.access import READERS, Audience
from phoserve.documents.filters import Filter
from phoserve.documents.records import Passage
from phoserve.errors import PhoserveError
from phoserve.search.ports import PassageIndex, ScoredId
from phoserve.text import SparseVector

log = structlog.get_logger(__name__)


class EdgeProcessIndex(RemotePassages):
    """The `PassageIndex` whose engine runs in a child process. One that dies is started again by the next call.

    Its graph is built while it serves (`graph.py`).
    """

    def __init__(self, folder: Path, model: ModelContract | VectorSpace, graph: GraphOptions | None = None) -> None:
        """Use the index of this model under `folder`. Call `start` first."""
        self.fingerprint = model.fingerprint
        self._folder = folder
        self._space = VectorSpace(model.fingerprint, model.dim)
        self._graph = graph or GraphOptions()
        self._engine: EngineProcess | None = None
        self._starting = asyncio.Lock()
        self._write_turn = asyncio.Lock()
        self._upkeep: asyncio.Task[None] | None = None
        self._build: GraphBuild | None = None
        self._paused_at = self._longest_pause_s = 0.0
        self._writing: set[asyncio.Task[Any]] = set()

    async def start(self) -> Self:
        """Start the process, once. Raises ConfigurationError if the folder cannot be opened."""
        async with self._starting:
            if self._engine is None or not self._engine.is_alive:
                self._engine = await EngineProcess.start(self._folder, self._space)
            if self._upkeep is None and self._space.dim != AS_STORED:
                self._upkeep = asyncio.create_task(self._keep_graph())
        return self

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

    async def sibling(self, fingerprint: str) -> PassageIndex | None:
        """See `PassageIndex`."""
        if not model_folder(self._folder, fingerprint).exists():
            return None
        return await EdgeProcessIndex(self._folder, VectorSpace(fingerprint, AS_STORED)).start()

    async def close(self) -> None:
        """Flush, close, and end the process."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
        if self._engine is not None:
            await self._engine.close()

    async def build_graph(self) -> None:
        """Build the graph now, while searches and writes continue.

        Raises BuildFailed, PhoserveError or OSError. The index is then as it was.
        """
        engine = (await self.start())._engine
        assert engine is not None  # noqa: S101 - it was started
        begun, self._longest_pause_s = time.monotonic(), 0.0
        build = self._build = GraphBuild(self._folder, self._space, engine, self._graph)
        try:
            new = await build.run(self._pause, self._resume)
        finally:
            self._build = None
        self._engine = new
        self._resume()
        took, waited = round(time.monotonic() - begun, 1), round(self._longest_pause_s, 3)
        log.info("graph_built", model=self.fingerprint, seconds=took, writes_waited_s=waited)
        await engine.drain()
        await build.remove_old()

    async def _keep_graph(self) -> None:
        """Build the graph whenever too much is outside of it."""
        options, place = self._graph, model_folder(self._folder, self.fingerprint)
        while True:
            await asyncio.sleep(options.check_every_s)
            try:
                size: ShardSize = await self._call("size")
                if options.asks_for(size, read_current(place)):
                    await self.build_graph()
            except (BuildFailed, PhoserveError, OSError) as error:
                log.warning("graph_build_failed", reason=str(error), retry_after_s=options.retry_after_s)
                await asyncio.sleep(options.retry_after_s)

    async def _pause(self) -> None:
        await self._write_turn.acquire()
        self._paused_at = time.monotonic()

    def _resume(self) -> None:
        self._longest_pause_s = max(self._longest_pause_s, time.monotonic() - self._paused_at)
        self._write_turn.release()

    async def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        await self.start()
        assert self._engine is not None  # noqa: S101 - it was started
        return await self._engine.call(method, *arguments, **named)

    async def _write(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a write, which ends also if the caller does not wait for it: its turn is its own."""
        task = asyncio.create_task(self._write_in_turn(method, *arguments, **named))
        self._writing.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    async def _write_in_turn(self, method: str, *arguments: Any, **named: Any) -> Any:
        async with self._write_turn:
            succeeded = False
            try:
                result = await self._call(method, *arguments, **named)
                succeeded = True
                return result
            finally:
                if self._recording is not None:
                    self._recording.add(Write(method, arguments, named, succeeded))

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not retrieve it

    @property
    def _recording(self) -> Recording | None:
        return self._build.recording if self._build is not None else None


def _scored(found: bytes) -> list[ScoredId]:
    return msgspec.msgpack.decode(found, type=list[ScoredId])
