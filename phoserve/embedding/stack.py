"""Assemble the embedder layers between a request and Triton."""

from dataclasses import dataclass

from phoserve.embedding.caching import CachingEmbedder
from phoserve.embedding.fallback import FallbackEmbedder
from phoserve.embedding.micro_batching import MicroBatchingEmbedder
from phoserve.embedding.ports import Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedders:
    """The two views of one model's servers."""

    bulk: Embedder
    """For ingestion, which sends full batches: the servers with their fallback."""
    interactive: Embedder
    """For requests: batches single texts and caches the vectors of recent queries."""

    async def close(self) -> None:
        """Close the connections below both views."""
        await self.bulk.close()


def stack_embedder(primary: Embedder, fallback: Embedder | None = None, *, query_cache_entries: int) -> Embedders:
    """Stack the layers over `primary`, a server of the model, and `fallback`, a second one on CPUs.

    The order is query cache (none with 0 entries), micro-batching, fallback, server. Ingestion skips the first two.
    """
    bulk = FallbackEmbedder(primary, fallback) if fallback else primary
    micro_batching = MicroBatchingEmbedder(bulk)
    cached = CachingEmbedder(micro_batching, query_cache_entries) if query_cache_entries else micro_batching
    return Embedders(bulk=bulk, interactive=cached)
