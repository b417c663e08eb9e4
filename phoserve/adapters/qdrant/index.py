"""The passage index on a Qdrant server: dense vectors and BM25 terms of one model, in one collection."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models

from phoserve.adapters.points import (
    ACCESS,
    ACCESS_VERSION,
    BM25,
    DENSE,
    GRAPH_EF,
    LIVE,
    SHOWN,
    STAGED,
    VectorSpace,
    access_payload,
    corpus_filter,
    decode_passages,
    fill_metadata,
    live_filter,
    passage_payload,
    places_of_metadata,
    published_passages,
    revisions_of,
)
from phoserve.adapters.qdrant.server import (
    CollectionSchema,
    QdrantCollection,
    QdrantConditions,
    QdrantOptions,
    answered,
    between,
    condition_of,
    equal,
    one_of,
)
from phoserve.contract import ModelContract
from phoserve.documents.access import READERS, UNRESTRICTED, Audience
from phoserve.documents.filters import Filter
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.ports import ScoredId
from phoserve.text import SparseVector

ALIAS: Final = "passages"
"""Names the collection of the model that serves: what backups, dashboards and people look at."""
POINTS_PER_WRITE: Final = 256
_NO_ID: Final = str(uuid.UUID(int=0))
# A graph is built for each indexed field that does not switch it off, and searches use the tenant's alone.
# Without the others, filling 200,000 passages took 11 CPU-minutes instead of 38, with the same recall.
_FILTERED: Final = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=False)
_INDEXES: Final[Mapping[str, models.KeywordIndexParams | models.IntegerIndexParams]] = {
    # The tenant's points are stored together on disk and have their own graph.
    "collection": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "document_key": _FILTERED,
    "visibility": _FILTERED,
    ACCESS: _FILTERED,
    "revision": models.IntegerIndexParams(
        type=models.IntegerIndexType.INTEGER, lookup=True, range=True, enable_hnsw=False
    ),
}
_ENGINE: Final = QdrantConditions()


class QdrantPassageIndex:
    """The `PassageIndex` that several processes share."""

    def __init__(self, client: AsyncQdrantClient, model: ModelContract | VectorSpace, options: QdrantOptions) -> None:
        """The index of this model; another model's is a collection of its own, to which only deletions go."""
        self.fingerprint = model.fingerprint
        self._client = client
        self._options = options
        self._collection = QdrantCollection(client, _name(self.fingerprint), _layout(model.dim, options), options)

    async def stage(self, passages: Sequence[IndexedPassage]) -> None:
        """Store `passages` where no search sees them; those that are published already stay as they are."""
        for start in range(0, len(passages), POINTS_PER_WRITE):
            await self._collection.call(
                "upsert",
                points=_points(passages[start : start + POINTS_PER_WRITE]),
                update_mode=models.UpdateMode.INSERT_ONLY,
            )

    async def publish(self, revisions: Sequence[tuple[str, int]]) -> None:
        """Let search see each (document key, revision) instead of older ones of that document, which are deleted."""
        operations: list[models.SetPayloadOperation | models.DeleteOperation] = []
        for document_key, revision in revisions:
            this = models.Filter(must=[equal("document_key", document_key), equal("revision", revision)])
            live = models.SetPayload(payload={"visibility": LIVE}, filter=this)
            old = models.FilterSelector(filter=_revisions(document_key, revision - 1))
            operations += [models.SetPayloadOperation(set_payload=live), models.DeleteOperation(delete=old)]
        if operations:  # over gRPC, Qdrant refuses an empty batch
            await self._collection.call("batch_update_points", update_operations=operations)

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        """Let these groups alone find the document, unless a newer version was set already.

        In every model's collection, unless `here_only`: one that is being filled becomes the active one.
        """
        newer = between(ACCESS_VERSION, gte=version)
        older = models.Filter(must=[equal("document_key", document_key)], must_not=[newer])
        payload = access_payload(access, version)
        await self._collection.call("set_payload", payload=payload, points=models.FilterSelector(filter=older))
        for name in [] if here_only else await self._other_models():
            await answered(self._client.set_payload(name, payload, points=models.FilterSelector(filter=older)))

    async def ping(self) -> None:
        """Check that the server responds for this collection, in one short request."""
        await self._collection.call("retrieve", ids=[_NO_ID], with_payload=False, with_vectors=False)

    async def discard(self, document_key: str, *, up_to: int, staged_only: bool = False) -> None:
        """Delete the document's passages of all revisions up to and including `up_to`."""
        if staged_only:  # another model's may be on their way to be published
            await self._delete(_revisions(document_key, up_to, equal("visibility", STAGED)))
        else:
            await self._delete_everywhere(_revisions(document_key, up_to))

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        """Delete all passages of several documents, also other models' unless `here_only`."""
        delete = self._delete if here_only else self._delete_everywhere
        await delete(models.Filter(must=[one_of("document_key", document_keys)]))

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        """Delete every passage of the collection, also other models' unless `here_only`."""
        delete = self._delete if here_only else self._delete_everywhere
        await delete(models.Filter(must=[equal("collection", collection)]))

    async def nearest(
        self,
        collection: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the passages whose vectors are closest to `vector`, float32 of shape (dim,), best first."""
        # A filter cuts a graph into pieces: without ACORN, one that leaves a tenth finds half of the nearest ten.
        filters = where is not None or not audience.sees_all
        acorn = models.AcornSearchParams(enable=True, max_selectivity=1.0) if filters else None
        params = models.SearchParams(hnsw_ef=GRAPH_EF, acorn=acorn)
        return await self._search(
            collection, limit, where, audience, query=vector.tolist(), using=DENSE, search_params=params
        )

    async def matching(
        self,
        collection: str,
        terms: SparseVector,
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the passages with the highest BM25 score for `terms`, best first."""
        if not len(terms.indices):
            return []
        # How rare a term is depends on what the audience sees of this collection: nothing else shows through.
        corpus = models.IdfCorpusParams(corpus=corpus_filter(_ENGINE, collection, audience))
        params = models.SearchParams(idf=corpus)
        return await self._search(
            collection, limit, where, audience, query=_sparse(terms), using=BM25, search_params=params
        )

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> Mapping[str, Passage]:
        """Return those of the passages that the audience may see still, by id."""
        records = await self._collection.call("retrieve", ids=list(passage_ids), with_payload=list(SHOWN))
        found = published_passages(collection, audience, records)
        places = places_of_metadata(found.values())
        if not places:
            return found
        first = await self._collection.call("retrieve", ids=places, with_payload=list(SHOWN))
        return fill_metadata(found, decode_passages(first))

    async def passages(self, collection: str, document_key: str) -> list[Passage]:
        """Return the document's published passages, in order."""
        condition = live_filter(_ENGINE, collection, UNRESTRICTED, [equal("document_key", document_key)])
        records = await self._collection.scroll_all(condition, payload=["passage", ACCESS])
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
        answer = await self._collection.call("count", count_filter=condition, exact=True)
        return int(answer.count)

    async def active_model(self) -> str | None:
        """The fingerprint of the model whose collection the alias names, None before the first one."""
        aliases = (await answered(self._client.get_aliases())).aliases
        names = [each.collection_name for each in aliases if each.alias_name == ALIAS]
        return names[0].partition("@")[2] if names else None

    async def activate(self) -> None:
        """Point the alias at this model's collection, in one step."""
        await self.count()  # makes the collection if it is not there
        operations: list[Any] = []
        if await self.active_model() is not None:
            operations.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=ALIAS)))
        created = models.CreateAlias(collection_name=self._collection.name, alias_name=ALIAS)
        operations.append(models.CreateAliasOperation(create_alias=created))
        await answered(self._client.update_collection_aliases(change_aliases_operations=operations))

    async def sibling(self, fingerprint: str) -> "QdrantPassageIndex | None":
        """The index of another model on the same server, if there is one."""
        if not await answered(self._client.collection_exists(_name(fingerprint))):
            return None
        return QdrantPassageIndex(self._client, VectorSpace(fingerprint, dim=1), self._options)

    async def close(self) -> None:
        """Do nothing: the creator of the client closes it."""

    async def _search(
        self, collection: str, limit: int, where: Filter | None, audience: Audience, **arguments: Any
    ) -> list[ScoredId]:
        more = [condition_of(where)] if where is not None else []
        condition = live_filter(_ENGINE, collection, audience, more)
        answer = await self._collection.call(
            "query_points", query_filter=condition, limit=limit, with_payload=False, **arguments
        )
        return [ScoredId(str(point.id), point.score) for point in answer.points]

    async def _listed(self, visibility: str, collection: str | None = None) -> list[tuple[str, int]]:
        tenant = [] if collection is None else [equal("collection", collection)]
        condition = models.Filter(must=[*tenant, equal("visibility", visibility)])
        records = await self._collection.scroll_all(condition, payload=["document_key", "revision"])
        return revisions_of(records)

    async def _delete_everywhere(self, condition: models.Filter) -> None:
        """From every model's collection: what is deleted while another one is being filled stays away there too."""
        await self._delete(condition)
        for name in await self._other_models():
            await answered(self._client.delete(name, points_selector=models.FilterSelector(filter=condition)))

    async def _other_models(self) -> list[str]:
        """Return the names of the other models' collections."""
        there = (await answered(self._client.get_collections())).collections
        return [each.name for each in there if each.name.startswith(_name("")) and each.name != self._collection.name]

    async def _delete(self, condition: models.Filter) -> None:
        await self._collection.call("delete", points_selector=models.FilterSelector(filter=condition))


def _name(fingerprint: str) -> str:
    return f"{ALIAS}@{fingerprint}"


def _layout(dim: int, options: QdrantOptions) -> CollectionSchema:
    on_disk = options.on_disk
    return CollectionSchema(
        indexes=_INDEXES,
        vectors={DENSE: models.VectorParams(size=dim, distance=models.Distance.COSINE, on_disk=on_disk)},
        sparse_vectors={
            BM25: models.SparseVectorParams(
                index=models.SparseIndexParams(on_disk=on_disk), modifier=models.Modifier.IDF
            )
        },
        # No graph over all tenants, one for each: every search is within a collection.
        hnsw=models.HnswConfigDiff(m=0, payload_m=16, on_disk=on_disk),
        quantization=_quantization(options),
    )


def _quantization(options: QdrantOptions) -> models.ScalarQuantization | models.BinaryQuantization | None:
    """Quantised vectors stay in memory: they are what makes it enough to keep the others on disk."""
    match options.quantization:
        case "int8":
            scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
            return models.ScalarQuantization(scalar=scalar)
        case "binary":
            return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        case _:
            return None


def _points(passages: Sequence[IndexedPassage]) -> models.Batch:
    return models.Batch(
        ids=[item.passage.id for item in passages],
        vectors={
            DENSE: [item.vector.tolist() for item in passages],
            BM25: [_sparse(item.terms) for item in passages],
        },
        payloads=[passage_payload(item.passage, item.passage.metadata) for item in passages],
    )


def _sparse(terms: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=terms.indices.tolist(), values=terms.values.tolist())


def _revisions(document_key: str, up_to: int, *more: Any) -> models.Filter:
    return models.Filter(must=[equal("document_key", document_key), between("revision", lte=up_to), *more])
