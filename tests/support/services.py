"""A whole API over stores in memory, with documents indexed on demand."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from api.services import Services
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import DocumentState, Passage
from phoserve.text import Chunker, TextPipeline, passage_terms
from tests.support.embedders import WordHashEmbedder
from tests.support.memory import MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources
from tests.support.models import tiny_model


def memory_services(folder: Path, embedder: WordHashEmbedder | None = None, **more: Any) -> Services:
    """Services of fakes; the tokenizer is real but tiny, and lies in `folder` afterwards."""
    embedder = embedder or WordHashEmbedder()
    ports: dict[str, Any] = {
        "pipeline": TextPipeline.load(tiny_model(folder)),
        "index": MemoryIndex(embedder.contract.fingerprint),
        "registry": MemoryRegistry(),
        "sources": MemorySources(),
        "queue": MemoryQueue(),
    }
    return Services(embedder=embedder, **(ports | more))


async def index_queued(services: Services) -> None:
    """Do what workers do, for all that is queued."""
    assert isinstance(services.queue, MemoryQueue)
    tasks, services.queue.tasks[:] = list(services.queue.tasks), []
    for task in tasks:
        await index_one(services, task.collection, task.document_id)


async def index_one(services: Services, collection: str, document_id: str) -> None:
    """Do what a worker does, for one document."""
    registry, lease = services.registry, timedelta(seconds=30)
    document = await registry.get(collection, document_id)
    [document] = _saved(await registry.save([document.claim(lease)]))
    text = (await services.sources.read(document.original.key)).decode(errors="replace")
    chunks = Chunker(services.pipeline).chunk(text)
    vectors = (await services.embedder.embed([chunk.text for chunk in chunks])).vectors
    terms = passage_terms(services.pipeline, [f"{document.title}\n{chunk.text}" for chunk in chunks])
    passages = [
        Passage(
            collection=collection,
            document_id=document.id,
            document_key=document.key,
            revision=document.revision,
            ordinal=ordinal,
            title=document.title,
            text=chunk.text,
            headings=chunk.headings,
            start=chunk.start,
            end=chunk.end,
            metadata=document.metadata,
        )
        for ordinal, chunk in enumerate(chunks)
    ]
    await services.index.stage(
        [IndexedPassage(p, vector, term) for p, vector, term in zip(passages, vectors, terms, strict=True)]
    )
    await services.index.publish([(document.key, document.revision)])
    [document] = _saved(
        await registry.save([document.indexed(len(passages), services.embedder.contract.fingerprint, lease)])
    )
    [document] = _saved(await registry.save([document.ready()]))
    assert document.state is DocumentState.READY


def _saved(documents: Sequence[Any]) -> list[Any]:
    assert None not in documents
    return list(documents)
