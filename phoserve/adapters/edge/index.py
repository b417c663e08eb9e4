"""The passage index in Qdrant Edge: dense vectors and BM25 terms of one model, in one folder."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from phoserve.adapters.edge.counted import CountedShard, sparse
from phoserve.adapters.edge.shard import (
    VACUUM_ONLY,
    EdgeConditions,
    Indexes,
    ShardSize,
    condition_of,
    equal,
    model_folder,
    one_of,
    replace_file,
    scroll_all,
)
from phoserve.adapters.points import (
    ACCESS,
    ACCESS_VERSION,
    AS_STORED,
    BM25,
    DENSE,
    GRAPH_EF,
    LIVE,
    SHOWN,
    STAGED,
    VectorSpace,
    decode_passages,
    fill_metadata,
    live_filter,
    places_of_metadata,
    published_passages,
    revisions_of,
)
from phoserve.contract import ModelContract
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.documents.filters import Filter
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.ports import ScoredId
from phoserve.text import SparseVector

POINTS_PER_WRITE: Final = 16
"""The engine holds the interpreter's lock while it writes: short writes let searches in between."""
# Like Qdrant's, the engine builds a graph for each indexed field that does not switch it off.
_FILTERED: Final = edge.KeywordIndexParams(enable_hnsw=False)
_INDEXES: Final[Indexes] = {
    "collection": edge.KeywordIndexParams(is_tenant=True),
    "document_key": _FILTERED,
    "visibility": _FILTERED,
    ACCESS: _FILTERED,
    "revision": edge.IntegerIndexParams(lookup=True, range=True, enable_hnsw=False),
}
_ENGINE: Final = EdgeConditions()


class EdgePassageIndex:
    """The `PassageIndex` of one process."""

    def __init__(self, folder: Path, model: ModelContract | VectorSpace, *, shard: str | None = None) -> None:
        """Open or create the index of this model under `folder`. Indexes of other models are separate.

        With `shard`, that shard is opened instead of the current one.
        """
        self.fingerprint = model.fingerprint
        self._folder = folder
        self._active_file = folder / "serving"
        config = None if model.dim == AS_STORED else shard_config(model.dim, VACUUM_ONLY)
        self._shard = CountedShard(model_folder(folder, self.fingerprint), config, _INDEXES, shard=shard)

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """Store `passages` hidden from searches. Those that are published already stay as they are."""
        for start in range(0, len(passages), POINTS_PER_WRITE):
            await self._shard.insert(passages[start : start + POINTS_PER_WRITE])

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """Let search see each (document key, revision) instead of older ones of that document, which are deleted."""

        first = [document_key for document_key, revision in revisions if revision == 1]

        def flip(shard: edge.EdgeShard) -> None:
            if first:  # nothing is older: one operation for all
                shard.update(_publishing([one_of("document_key", first), equal("revision", 1)]))
            for document_key, revision in revisions:
                if revision > 1:
                    shard.update(_publishing([equal("document_key", document_key), equal("revision", revision)]))
                    self._shard.remove(shard, _revisions(document_key, revision - 1))

        await self._shard.change(flip)

    async def set_access(
        self,
        document_key: str,
        access: Sequence[str],
        version: int,
        *,
        here_only: bool = False,  # noqa: ARG002 - other models' passages are in other shards
    ) -> None:
        """Let these groups alone find the document, unless a newer version was set already."""
        newer = edge.FieldCondition(key=ACCESS_VERSION, range=edge.RangeFloat(gte=version))
        older = edge.Filter(must=[equal("document_key", document_key)], must_not=[newer])
        await self._shard.set_access(older, access, version)

    async def ping(self) -> None:
        """Check that the engine responds."""
        self._shard.query(lambda shard: shard.retrieve([0], with_payload=False, with_vector=False))

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """Delete the document's passages of all revisions up to and including `up_to`."""
        condition = _revisions(document_key, up_to, *([equal("visibility", STAGED)] if staged_only else []))
        await self._delete(condition)

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:  # noqa: ARG002
        """Delete all passages of several documents. Other models' passages are in other shards."""
        await self._delete(edge.Filter(must=[one_of("document_key", list(document_keys))]))

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:  # noqa: ARG002
        """Delete every passage of the collection. Other models' passages are in other shards."""
        await self._shard.remove_collection(collection)

    async def nearest(
        self,
        collection: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the published passages whose vectors are closest to `vector`, float32 of shape (dim,), best first."""
        # A filter cuts a graph into pieces: without ACORN, one that leaves a tenth finds half of the nearest ten.
        filters = where is not None or not audience.sees_all
        acorn = edge.AcornSearchParams(enable=True, max_selectivity=1.0) if filters else None
        params = edge.SearchParams(hnsw_ef=GRAPH_EF, acorn=acorn)
        query = edge.Query.Nearest(vector.tolist(), using=DENSE)
        return await self._search(query, collection, limit, where, audience, params)

    async def matching(
        self,
        collection: str,
        terms: SparseVector,
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the published passages with the highest BM25 score for `terms`, best first."""
        if not len(terms.indices):
            return []
        # How rare a term is depends on what the audience sees of this collection: nothing else shows through.
        terms, idf = self._shard.weigh(collection, audience, terms)
        params = edge.SearchParams(idf=idf)
        query = edge.Query.Nearest(sparse(terms), using=BM25)
        return await self._search(query, collection, limit, where, audience, params)

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> Mapping[str, Passage]:
        """Return those of the passages that the audience may see still, by id."""
        ids: list[Any] = list(passage_ids)
        records = self._shard.query(lambda shard: shard.retrieve(ids, SHOWN, False))
        found = published_passages(collection, audience, records)
        places: list[Any] = places_of_metadata(found.values())
        if not places:
            return found
        first = self._shard.query(lambda shard: shard.retrieve(places, SHOWN, False))
        return fill_metadata(found, decode_passages(first))

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """Return the document's published passages, in order."""
        condition = live_filter(_ENGINE, collection, UNRESTRICTED, [equal("document_key", document_key)])
        records = await self._shard.read(lambda shard: scroll_all(shard, condition))
        found = decode_passages(records)
        return sorted(fill_metadata(found, found).values(), key=lambda passage: passage.ordinal)

    async def staged(self) -> list[tuple[str, int]]:
        """Return document key and revision of all staged passages, in progress or orphaned."""
        return await self._listed(STAGED)

    async def published(self, collection: str | None = None) -> list[tuple[str, int]]:
        """Return document key and revision of all published passages, in one collection or in all."""
        return await self._listed(LIVE, collection)

    async def count(self, collection: str | None = None, *, audience: Audience = UNRESTRICTED) -> int:
        """Return how many passages are published, in one collection or in all."""
        condition = live_filter(_ENGINE, collection, audience)
        return await self._shard.read(lambda shard: shard.count(edge.CountRequest(filter=condition)))

    async def active_model(self) -> str | None:
        """Return the fingerprint of the folder's active model, None before the first one."""
        return await asyncio.to_thread(lambda: self._active_file.read_text() if self._active_file.exists() else None)

    async def activate(self) -> None:
        """Activate this index's model atomically."""
        await asyncio.to_thread(replace_file, self._active_file, self.fingerprint.encode())

    async def sibling(self, fingerprint: str) -> "EdgePassageIndex | None":
        """Return the index of another model in the same folder, None if there is none."""
        if not model_folder(self._folder, fingerprint).exists():
            return None
        return await asyncio.to_thread(EdgePassageIndex, self._folder, VectorSpace(fingerprint, AS_STORED))

    async def size(self) -> ShardSize:
        """Return how large the index is."""
        return await self._shard.size()

    async def count_terms(self) -> None:
        """Return when the terms of all passages are counted, so that searches need not select their corpus."""
        await self._shard.count_terms()

    async def close(self) -> None:
        """Flush and close."""
        await self._shard.close()

    async def _listed(self, visibility: str, collection: str | None = None) -> list[tuple[str, int]]:
        tenant = [] if collection is None else [equal("collection", collection)]
        condition = edge.Filter(must=[*tenant, equal("visibility", visibility)])
        records = await self._shard.read(
            lambda shard: scroll_all(shard, condition, payload=["document_key", "revision"])
        )
        return revisions_of(records)

    async def _search(
        self,
        query: Any,
        collection: str,
        limit: int,
        where: Filter | None,
        audience: Audience,
        params: edge.SearchParams,
    ) -> list[ScoredId]:
        more = [condition_of(where)] if where is not None else []
        condition = live_filter(_ENGINE, collection, audience, more)
        request = edge.QueryRequest(limit=limit, query=query, filter=condition, with_payload=False, params=params)
        points = self._shard.query(lambda shard: shard.query(request))
        return [ScoredId(str(point.id), point.score) for point in points]

    async def _delete(self, condition: edge.Filter) -> None:
        await self._shard.change(lambda shard: self._shard.remove(shard, condition))


def shard_config(
    dim: int, optimizers: edge.EdgeOptimizersConfig, graph: edge.HnswIndexConfig | None = None
) -> edge.EdgeConfig:
    """Return the engine's configuration of an index. Without `graph`, an existing shard keeps its own."""
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(dim, edge.Distance.Cosine, hnsw_config=graph)},
        sparse_vectors={BM25: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=optimizers,
    )


def _publishing(conditions: list[Any]) -> Any:
    return edge.UpdateOperation.set_payload_by_filter(edge.Filter(must=conditions), {"visibility": LIVE})


def _revisions(document_key: str, up_to: int, *more: Any) -> edge.Filter:
    old = edge.FieldCondition(key="revision", range=edge.RangeFloat(lte=up_to))
    return edge.Filter(must=[equal("document_key", document_key), old, *more])
