"""Cache the vectors of recent queries, because queries repeat: users share them, and paging sends them again."""

from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embedder, Embeddings

# Whose queries a lookup may be answered from. The API sets it to the key, so that the time a search takes does not show
# one key what another has searched for.
CACHE_SCOPE: Final[ContextVar[str]] = ContextVar("CACHE_SCOPE", default="")


class CachingEmbedder:
    """An `Embedder` that caches the embeddings of the last `capacity` single queries, apart for each `CACHE_SCOPE`."""

    def __init__(self, embedder: Embedder, capacity: int = 4096) -> None:
        self._embedder = embedder
        self._capacity = capacity
        self._cached: OrderedDict[tuple[str, str], Embeddings] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def contract(self) -> ModelContract:
        return self._embedder.contract

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """See `Embedder`. Errors are not cached."""
        if len(texts) != 1 or input_type is not InputType.QUERY:
            return await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        query = (CACHE_SCOPE.get(), texts[0])
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

    def _keep(self, query: tuple[str, str], embeddings: Embeddings) -> None:
        self._cached[query] = embeddings
        while len(self._cached) > self._capacity:
            self._cached.popitem(last=False)
