"""Remember the vectors of recent queries: people type the same ones, and a page asks again for its next page."""

from collections import OrderedDict
from collections.abc import Sequence

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embedder, Embeddings


class CachingEmbedder:
    """An `Embedder` that keeps the embeddings of the last `capacity` single queries; all else goes straight through."""

    def __init__(self, embedder: Embedder, capacity: int = 4096) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._kept: OrderedDict[str, Embeddings] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def contract(self) -> ModelContract:
        return self._embedder.contract

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """As the embedder does; what it raises is not kept."""
        if len(texts) != 1 or input_type is not InputType.QUERY:
            return await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        [query] = texts
        if (kept := self._kept.get(query)) is not None:
            self.hits += 1
            self._kept.move_to_end(query)
            return kept
        self.misses += 1
        embeddings = await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        self._keep(query, embeddings)
        return embeddings

    async def close(self) -> None:
        await self._embedder.close()

    def _keep(self, query: str, embeddings: Embeddings) -> None:
        self._kept[query] = embeddings
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
