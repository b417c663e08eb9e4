"""The adapters of a platform of several processes, as the settings name them: API and workers stand on the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from phoserve.adapters.celery_queue import CeleryQueue
from phoserve.adapters.qdrant.index import QdrantPassageIndex
from phoserve.adapters.qdrant.registry import QdrantRegistry
from phoserve.adapters.qdrant.server import QdrantOptions, connect
from phoserve.adapters.sources import ObjectStoreSources
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.contract import ModelContract
from phoserve.documents.active_model import check_active_model
from phoserve.documents.ports import DocumentRegistry, SourceStore
from phoserve.embedding.fallback import FallbackEmbedder
from phoserve.embedding.ports import Embedder
from phoserve.search.ports import PassageIndex
from phoserve.settings import QdrantSettings, Settings, TritonSettings
from phoserve.text import TextPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The filled ports."""

    text: TextPipeline
    embedder: Embedder
    index: PassageIndex
    registry: DocumentRegistry
    sources: SourceStore
    queue: CeleryQueue


@asynccontextmanager
async def open_platform(settings: Settings) -> AsyncIterator[Platform]:
    """The platform the settings name; its connections are closed at the end.

    Waits for Qdrant. Raises ConfigurationError, ContractMismatch.
    """
    text = await asyncio.to_thread(TextPipeline.load, settings.model.folder)
    async with AsyncExitStack() as stack:
        embedder = open_embedder(settings.triton, text.contract)
        stack.push_async_callback(embedder.close)
        index, registry = await stack.enter_async_context(open_stores(settings.qdrant, text.contract))
        await check_active_model(index)
        queue = CeleryQueue(settings.redis.url.get_secret_value())
        stack.push_async_callback(queue.close)
        sources = ObjectStoreSources(settings.sources.url)
        yield Platform(text=text, embedder=embedder, index=index, registry=registry, sources=sources, queue=queue)


def open_embedder(settings: TritonSettings, contract: ModelContract) -> Embedder:
    """Triton, with the second server behind it where there is one."""
    first = TritonEmbedder(settings.url, contract, timeout_s=settings.timeout_s)
    if not settings.fallback_url:
        return first
    return FallbackEmbedder(first, TritonEmbedder(settings.fallback_url, contract, timeout_s=settings.timeout_s))


@asynccontextmanager
async def open_stores(
    settings: QdrantSettings, contract: ModelContract
) -> AsyncIterator[tuple[QdrantPassageIndex, QdrantRegistry]]:
    """Index and registry on the Qdrant server, closed at the end."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    client = connect(settings.url, api_key=key, grpc_port=settings.grpc_port, timeout_s=settings.timeout_s)
    options = QdrantOptions(
        shards=settings.shards,
        replicas=settings.replicas,
        on_disk=settings.on_disk,
        quantization=settings.quantization,
    )
    try:
        yield QdrantPassageIndex(client, contract, options), QdrantRegistry(client, options)
    finally:
        await client.close()
