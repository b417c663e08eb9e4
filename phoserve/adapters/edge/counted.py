"""A shard of passages whose terms are counted as it is written, so that searches need not select their corpus."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import qdrant_edge as edge
import structlog

from phoserve.adapters.edge.frequencies import CountedPassage, Frequencies
from phoserve.adapters.edge.shard import EdgeConditions, EdgeShard, Indexes, equal, filterable, scroll_all
from phoserve.adapters.points import ACCESS, BM25, DENSE, access_of, access_payload, corpus_filter, passage_payload
from phoserve.documents.access import Audience
from phoserve.documents.ports import IndexedPassage
from phoserve.errors import PhoserveError
from phoserve.text import SparseVector

COUNTED_AT_ONCE: Final = 200
"""Passages whose terms are counted between two writes, which takes a few milliseconds."""
RECOUNT_AFTER_S: Final = 30.0
"""How long after a failed write the terms are counted again."""
WEIGHT_OF_EMPTY: Final = math.log(2)
"""What the engine multiplies every term with if its corpus is empty: ln(1 + 0.5 / 0.5)."""
_NO_CORPUS: Final = edge.IdfParams(corpus=edge.Filter(must=[equal("collection", "\0")]))
_COUNTED: Final = ["collection", ACCESS]
_ENGINE: Final = EdgeConditions()
log = structlog.get_logger(__name__)


class CountedShard(EdgeShard):
    """Passages that were there when the shard was opened are counted in the background after the first search."""

    def __init__(
        self, folder: Path, config: edge.EdgeConfig | None, indexes: Indexes, *, shard: str | None = None
    ) -> None:
        """See `EdgeShard`."""
        super().__init__(folder, config, indexes, shard=shard)
        self._frequencies = Frequencies(complete=not self.query(lambda opened: opened.info().points_count))
        self._counting: asyncio.Task[None] | None = None
        self._count_from_s = 0.0

    def weigh(self, collection: str, audience: Audience, terms: SparseVector) -> tuple[SparseVector, edge.IdfParams]:
        """Return the query for `terms`, and the corpus by which the engine weighs it in addition.

        Scores are the same whether the terms are counted already or not.
        """
        weights = self._frequencies.weights(collection, audience, terms.indices)
        if weights is None:
            self._begin_counting()
            return terms, edge.IdfParams(corpus=corpus_filter(_ENGINE, collection, audience))
        weighed = (terms.values * weights / WEIGHT_OF_EMPTY).astype(np.float32)
        return SparseVector(terms.indices, weighed), _NO_CORPUS

    async def insert(self, passages: Sequence[IndexedPassage]) -> None:
        """Add those of the passages that are not there yet."""

        def insert(shard: edge.EdgeShard) -> None:
            new = {item.passage.id: item for item in passages}
            if self._frequencies.has_begun:
                ids: list[Any] = list(new)
                for there in shard.retrieve(ids, False, False):
                    del new[str(there.id)]
            points = [_point(item) for item in passages]
            shard.update(edge.UpdateOperation.upsert_points(points, update_mode=edge.UpdateMode.InsertOnly))
            self._frequencies.add(
                CountedPassage(id_, item.passage.collection, tuple(item.passage.access), item.terms.indices.tolist())
                for id_, item in new.items()
            )

        await self.change(insert)

    async def set_access(self, condition: edge.Filter, access: Sequence[str], version: int) -> None:
        """Set the groups of the passages that match."""

        def change(shard: edge.EdgeShard) -> None:
            changed = self._matching(shard, condition)
            shard.update(edge.UpdateOperation.set_payload_by_filter(condition, access_payload(access, version)))
            self._frequencies.remove(changed)
            self._frequencies.add(each._replace(access=tuple(access)) for each in changed)

        await self.change(change)

    async def remove_collection(self, collection: str) -> None:
        """Remove all passages of a collection."""
        everything = edge.UpdateOperation.delete_points_by_filter(edge.Filter(must=[equal("collection", collection)]))

        def remove(shard: edge.EdgeShard) -> None:
            shard.update(everything)
            self._frequencies.forget(collection)

        await self.change(remove)

    def remove(self, shard: edge.EdgeShard, condition: edge.Filter) -> None:
        """Remove the passages that match, as a part of a `change`."""
        removed = self._matching(shard, condition)
        shard.update(edge.UpdateOperation.delete_points_by_filter(condition))
        self._frequencies.remove(removed)

    async def change(self, call: Callable[[edge.EdgeShard], None]) -> None:
        """Write. If it fails, a part may have been written: what is counted is counted again."""

        def write(shard: edge.EdgeShard) -> None:
            try:
                call(shard)
            except BaseException:
                self._forget_counts()
                raise

        await self.write(write)

    async def count_terms(self) -> None:
        """Return when the terms of all passages are counted, or cannot be."""
        if (counting := self._begin_counting()) is not None:
            await asyncio.wait([counting])

    async def close(self) -> None:
        """Flush and close. Nothing may be called afterwards."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])
        await super().close()

    def _begin_counting(self) -> asyncio.Task[None] | None:
        """Count the terms of all passages in the background. Return the task, None if there is nothing to wait for."""
        if self._frequencies.complete or time.monotonic() < self._count_from_s:
            return None
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count_all())
        return self._counting

    async def _count_all(self) -> None:
        try:
            begun = time.monotonic()
            while not await self.between_writes(self._count_page):
                await asyncio.sleep(time.monotonic() - begun)  # as long again for searches and writes
                begun = time.monotonic()
        except PhoserveError as error:
            self._forget_counts()
            log.warning("terms_not_counted", reason=str(error), retry_after_s=RECOUNT_AFTER_S)

    def _count_page(self, shard: edge.EdgeShard) -> bool:
        """Count the terms of the next passages. Return whether these are the last ones."""
        request = edge.ScrollRequest(
            offset=self._frequencies.counted_to, limit=COUNTED_AT_ONCE, with_payload=_COUNTED, with_vector=[BM25]
        )
        records, following = shard.scroll(request)
        self._frequencies.count_page(_counted(records), None if following is None else str(following))
        return self._frequencies.complete

    def _matching(self, shard: edge.EdgeShard, condition: edge.Filter) -> list[CountedPassage]:
        """Return what is counted of the passages that match, if changes have to be counted."""
        if not self._frequencies.has_begun:
            return []
        return list(_counted(scroll_all(shard, condition, payload=_COUNTED, vectors=[BM25])))

    def _forget_counts(self) -> None:
        self._frequencies.reset()
        self._count_from_s = time.monotonic() + RECOUNT_AFTER_S


def sparse(terms: SparseVector) -> edge.SparseVector:
    """Return the engine's form of `terms`."""
    return edge.SparseVector(indices=terms.indices.tolist(), values=terms.values.tolist())


def _point(item: IndexedPassage) -> edge.Point:
    return edge.Point(
        id=item.passage.id,
        vector={DENSE: item.vector.tolist(), BM25: sparse(item.terms)},
        payload=passage_payload(item.passage, filterable(item.passage.metadata)),
    )


def _counted(records: Sequence[edge.Record]) -> Iterator[CountedPassage]:
    for each in records:
        payload: Any = each.payload or {}
        vectors: Any = each.vector or {}
        collection = payload.get("collection")
        if isinstance(collection, str):
            terms = vectors[BM25].indices if BM25 in vectors else []
            yield CountedPassage(str(each.id), collection, access_of(payload), terms)
