"""Read the registry that version 0.1 kept in a Qdrant collection named `documents`."""

from collections.abc import AsyncIterator
from typing import Any, Final

from qdrant_client import AsyncQdrantClient, models

from phoserve.adapters.qdrant.server import answered, equal
from phoserve.adapters.records_v01 import decode_collection, decode_document
from phoserve.documents.collections import Collection
from phoserve.documents.records import Document
from phoserve.errors import ConfigurationError

NAME: Final = "documents"
PAGE: Final = 1000


class QdrantRecords:
    """The collections and documents of a version 0.1 release, which stay as they are."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    async def check(self) -> None:
        """Check that there are records. Raises ConfigurationError, Unavailable."""
        if not await answered(self._client.collection_exists(NAME)):
            raise ConfigurationError(f"this Qdrant has no collection {NAME!r}: it holds no release of version 0.1")

    async def collections(self) -> list[Collection]:
        """Return all collections."""
        found: list[Collection] = []
        offset: Any = None
        while True:
            records, offset = await answered(
                self._client.scroll(
                    NAME, scroll_filter=_of_kind("collection"), limit=PAGE, offset=offset, with_payload=["record"]
                )
            )
            found += [decode_collection((each.payload or {})["record"]) for each in records]
            if offset is None:
                return found

    async def count(self) -> int:
        """Return how many documents there are."""
        return (await answered(self._client.count(NAME, count_filter=_of_kind("document"), exact=True))).count

    async def pages(self) -> AsyncIterator[list[Document]]:
        """Yield all documents, the oldest first."""
        last, shown = 0, set[str]()
        while True:
            later = models.FieldCondition(key="created_us", range=models.Range(gte=last))
            # Documents of one moment may fill a page: those that were shown are asked for again, and left out.
            records, _ = await answered(
                self._client.scroll(
                    NAME,
                    scroll_filter=_of_kind("document", later),
                    limit=PAGE + len(shown),
                    order_by=models.OrderBy(key="created_us", direction=models.Direction.ASC),
                    with_payload=["record", "created_us"],
                )
            )
            fresh = [each for each in records if str(each.id) not in shown]
            if not fresh:
                return
            payloads: list[dict[str, Any]] = [each.payload or {} for each in fresh]
            yield [decode_document(payload["record"]) for payload in payloads]
            newest = int(payloads[-1]["created_us"])
            ids = {
                str(each.id) for each, payload in zip(fresh, payloads, strict=True) if payload["created_us"] == newest
            }
            last, shown = newest, ids | (shown if newest == last else set())


def _of_kind(kind: str, *conditions: Any) -> models.Filter:
    return models.Filter(must=[equal("kind", kind), *conditions])
