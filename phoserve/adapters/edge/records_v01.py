"""Read the registry that version 0.1 kept in Qdrant Edge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import qdrant_edge as edge

from phoserve.adapters.edge.shard import equal, scroll_all
from phoserve.adapters.records_v01 import decode_collection, decode_document
from phoserve.documents.collections import Collection
from phoserve.documents.records import Document
from phoserve.errors import ConfigurationError

PAGE: Final = 1000


class EdgeRecords:
    """The collections and documents in a folder of version 0.1, which stays as it is."""

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises ConfigurationError if it cannot be read."""
        try:
            self._shard = edge.EdgeShard.load(str(folder / "shard"))
        except Exception as error:  # the engine raises a bare Exception for everything
            raise ConfigurationError(
                f"the records of version 0.1 in {folder} cannot be read ({error}); restore the folder from a backup"
            ) from error

    def collections(self) -> list[Collection]:
        """Return all collections."""
        condition = edge.Filter(must=[equal("kind", "collection")])
        return [decode_collection(_payload(each)["record"]) for each in scroll_all(self._shard, condition)]

    def count(self) -> int:
        """Return how many documents there are."""
        return int(self._shard.count(edge.CountRequest(filter=_documents())))

    def pages(self) -> Iterator[list[Document]]:
        """Yield all documents, the oldest first."""
        order = edge.OrderBy(key="sequence", direction=edge.Direction.Asc)
        last = -1
        while True:
            later = edge.FieldCondition(key="sequence", range=edge.RangeFloat(gt=last))
            request = edge.ScrollRequest(limit=PAGE, filter=_documents(later), with_payload=True, order_by=order)
            records = self._shard.scroll(request)[0]
            if not records:
                return
            yield [decode_document(_payload(each)["record"]) for each in records]
            last = _payload(records[-1])["sequence"]

    def close(self) -> None:
        """Close the folder."""
        self._shard.close()


def _documents(*conditions: Any) -> edge.Filter:
    return edge.Filter(must=[equal("kind", "document"), *conditions])


def _payload(record: edge.Record) -> dict[str, Any]:
    payload: Any = record.payload
    return dict(payload)
