"""A passage store whose engine runs in another process."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from phoserve.documents.access import UNRESTRICTED, Audience
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage


class RemotePassages(ABC):
    """The methods of an `ActivePassageStore`, each as one call to the process that has the engine."""

    fingerprint: str

    @abstractmethod
    async def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of this method in the other process. Raises what the method raises."""

    async def _write(self, method: str, *arguments: Any, **named: Any) -> None:
        """Make a call that changes passages."""
        await self._call(method, *arguments, **named)

    async def ping(self) -> None:
        """See `PassageStore`."""
        await self._call("ping")

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """See `PassageStore`."""
        await self._write("stage", list(passages))

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """See `PassageStore`."""
        await self._write("publish", list(revisions))

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        """See `PassageStore`."""
        await self._write("set_access", document_key, access, version, here_only=here_only)

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._write("discard", document_key, up_to=up_to, staged_only=staged_only)

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._write("discard_many", list(document_keys), here_only=here_only)

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        """See `PassageStore`."""
        await self._write("discard_collection", collection, here_only=here_only)

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
