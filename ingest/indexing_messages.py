"""The messages between a platform's process and its indexing process, and the index as the latter sees it."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import Metric

from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.ports import IndexedPassage, IndexingTask
from phoserve.documents.records import Passage
from phoserve.errors import EngineFailed, PhoserveError
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
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def call(self, fingerprint: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a method of the index. Raises what the method raises."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.send(IndexCall(number, fingerprint, method, arguments, named))
        try:
            return await answer
        finally:
            self._waiting.pop(number, None)

    def receive(self, answer: IndexResult) -> None:
        """Give an answer to its caller; one that was cancelled gets none."""
        waiting = self._waiting.pop(answer.number, None)
        if waiting is None or waiting.done():
            return
        if answer.error is None:
            waiting.set_result(answer.result)
        else:
            waiting.set_exception(answer.error)

    async def enqueue(self, tasks: Sequence[IndexingTask]) -> None:
        """Give tasks to the platform's queue."""
        self.send(Enqueued(tasks))

    async def depth(self, *, bulk: bool | None = None) -> int:  # noqa: ARG002 - the platform's process has the queue
        """Return 0: the queue is in the platform's process."""
        return 0


class RelayedIndex:
    """An `ActivePassageStore` whose calls are made by the platform's process, which has the engine."""

    def __init__(self, link: Link, fingerprint: str, *, is_sibling: bool = False) -> None:
        self.fingerprint = fingerprint
        self._link = link
        self._is_sibling = is_sibling

    async def ping(self) -> None:
        """See `PassageStore`."""
        await self._call("ping")

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """See `PassageStore`."""
        await self._call("stage", list(passages))

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """See `PassageStore`."""
        await self._call("publish", list(revisions))

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        """See `PassageStore`."""
        await self._call("set_access", document_key, access, version, here_only=here_only)

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._call("discard", document_key, up_to=up_to, staged_only=staged_only)

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._call("discard_many", list(document_keys), here_only=here_only)

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._call("discard_collection", collection, here_only=here_only)

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """See `PassageStore`."""
        found: list[Passage] = await self._call("passages", collection, document_key)
        return found

    async def staged(self) -> list[tuple[str, int]]:
        """See `PassageStore`."""
        found: list[tuple[str, int]] = await self._call("staged")
        return found

    async def published(self, collection: str | None = None) -> list[tuple[str, int]]:
        """See `PassageStore`."""
        found: list[tuple[str, int]] = await self._call("published", collection)
        return found

    async def count(self, collection: str | None = None, *, audience: Audience = UNRESTRICTED) -> int:
        """See `PassageStore`."""
        return int(await self._call("count", collection, audience=audience))

    async def active_model(self) -> str | None:
        """See `ActivePassageStore`."""
        fingerprint: str | None = await self._call("active_model")
        return fingerprint

    async def activate(self) -> None:
        """See `ActivePassageStore`."""
        await self._call("activate")

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


RELAYED: Final = frozenset(
    name for name, value in vars(RelayedIndex).items() if callable(value) and not name.startswith("_")
)
"""The methods of the index that the indexing process may call."""


def portable(error: Exception) -> Exception:
    """Return an error that the other process can rebuild."""
    return error if isinstance(error, PhoserveError) else EngineFailed(f"{type(error).__name__}: {error}")
