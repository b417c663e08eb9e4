"""The messages between a platform's process and its indexing process, and the index as the latter sees it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import Metric

from phoserve.adapters.edge.frames import PendingCalls
from phoserve.adapters.remote_passages import RemotePassages
from phoserve.documents.ports import IndexingTask
from phoserve.settings import Settings

NICENESS: Final = 10
"""Of the indexing process and its parsers: a serving process that needs a core gets nine times their share of it."""


class Opening(NamedTuple):
    """What the indexing process opens."""

    settings: Settings
    model: Path
    registry_url: str
    originals: str
    log_file: Path | None = None


class Opened(NamedTuple):
    """The indexing process is ready for tasks."""


class Run(NamedTuple):
    """Process a task."""

    number: int
    task: IndexingTask


class Ran(NamedTuple):
    """A task is processed, or failed with `error`."""

    number: int
    error: Exception | None


class IndexCall(NamedTuple):
    """Call a method of the index of the model with this fingerprint."""

    number: int
    fingerprint: str
    method: str
    arguments: tuple[Any, ...]
    named: dict[str, Any]


class IndexResult(NamedTuple):
    """The result of an `IndexCall`."""

    number: int
    result: Any
    error: Exception | None


class Enqueued(NamedTuple):
    """Tasks that the indexing process has found."""

    tasks: Sequence[IndexingTask]


class Measured(NamedTuple):
    """The metrics of the indexing process."""

    families: list[Metric]


class Link:
    """Sends frames to the platform's process and returns its answers. It is also the indexing process's task queue."""

    def __init__(self, send: Callable[[Any], None]) -> None:
        self.send = send
        self._calls = PendingCalls()

    async def call(self, fingerprint: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a method of the index. Raises what the method raises."""
        return await self._calls.make(
            lambda number: self.send(IndexCall(number, fingerprint, method, arguments, named))
        )

    def receive(self, answer: IndexResult) -> None:
        """Return a result to its caller."""
        self._calls.finish(*answer)

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Give tasks to the platform's queue."""
        self.send(Enqueued(tasks))

    async def depth(self, *, bulk: bool | None = None) -> int:  # noqa: ARG002 - the platform's process has the queue
        """Return 0: the queue is in the platform's process."""
        return 0


class RelayedIndex(RemotePassages):
    """The passage store of the platform's process, which has the engine."""

    def __init__(self, link: Link, fingerprint: str, *, is_sibling: bool = False) -> None:
        self.fingerprint = fingerprint
        self._link = link
        self._is_sibling = is_sibling

    async def sibling(self, fingerprint: str) -> "RelayedIndex | None":
        """See `ActivePassageStore`."""
        is_there = await self._call("sibling", fingerprint)
        return RelayedIndex(self._link, fingerprint, is_sibling=True) if is_there else None

    async def close(self) -> None:
        """Close an index that `sibling` opened; the platform's process closes its own."""
        if self._is_sibling:
            await self._call("close")

    async def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await self._link.call(self.fingerprint, method, *arguments, **named)


RELAYED: Final = frozenset(name for name in dir(RelayedIndex) if not name.startswith("_"))
"""The methods of the index that the indexing process may call."""
