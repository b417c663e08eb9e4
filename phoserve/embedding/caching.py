"""Cache the vectors of recent queries, because queries repeat: users share them, and paging sends them again."""

from collections import OrderedDict
from collections.abc import Sequence

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embedder, Embeddings


class CachingEmbedder:
    """An `Embedder` that caches the last `capacity` single queries. It passes other calls through."""

    def __init__(self, embedder: Embedder, capacity: int = 4096) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._cached: OrderedDict[str, Embeddings] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def contract(self) -> ModelContract:
        return self._embedder.contract

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts`, from the cache if possible. Errors are not cached."""
        if len(texts) != 1 or input_type is not InputType.QUERY:
            return await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        [query] = texts
        if (kept := self._cached.get(query)) is not None:
            self.hits += 1
            self._cached.move_to_end(query)
            return kept
        self.misses += 1
        embeddings = await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        self._keep(query, embeddings)
        return embeddings

    async def close(self) -> None:
        await self._embedder.close()

    def _keep(self, query: str, embeddings: Embeddings) -> None:
        self._cached[query] = embeddings
        while len(self._cached) > self._capacity:
            self._cached.popitem(last=False)
