"""A whole API over stores in memory, with documents indexed on demand."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from api.services import Services, make_services
from phoserve.composition import Stores
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import DocumentState, Passage
from phoserve.documents.texts import store_text
from phoserve.embedding.stack import stack_embedder
from phoserve.settings import LimitSettings
from phoserve.text import Chunker, TextPipeline, passage_terms
from tests.support.embedders import WordHashEmbedder
from tests.support.memory import MemoryAnswerLog, MemoryIndex, MemoryQueue, MemoryRegistry, MemorySources
from tests.support.models import tiny_model


def memory_services(folder: Path, embedder: WordHashEmbedder | None = None, **more: Any) -> Services:
    """Services of fakes over a tiny real tokenizer, which is written to `folder`.

    `more` replaces stores by name; the rest of it goes to `make_services`.
    """
    embedder = embedder or WordHashEmbedder()
    stores: dict[str, Any] = {
        "text": TextPipeline.load(tiny_model(folder)),
        "index": MemoryIndex(embedder.contract.fingerprint),
        "registry": MemoryRegistry(),
        "sources": MemorySources(),
        "queue": MemoryQueue(),
        "answers": MemoryAnswerLog(),
        "key_store": None,
        "audit": None,
        "more_models": (),
        "more_indexes": None,
        "aliases": {},
    }
    stores |= {name: more.pop(name) for name in list(more) if name in stores}
    if stores["more_indexes"] is None:
        stores["more_indexes"] = tuple(MemoryIndex(each.contract.fingerprint) for each in stores["more_models"])
    stores["keys"] = stores.pop("key_store")
    embedders = stack_embedder(embedder, query_cache_entries=LimitSettings().query_cache_entries)
    return make_services(Stores(embedders=embedders, **stores), **more)


async def index_queued(services: Services) -> None:
    """Do what workers do, for all that is queued."""
    assert isinstance(services.stores.queue, MemoryQueue)
    tasks, services.stores.queue.tasks[:] = list(services.stores.queue.tasks), []
    for task in tasks:
        await index_one(services, task.document_key)


async def index_one(services: Services, document_key: str) -> None:
    """Do what a worker does, for one document."""
    registry, lease = services.stores.registry, timedelta(seconds=30)
    document = (await registry.find_keys([document_key]))[document_key]
    [document] = _saved(await registry.save([document.claim(lease)]))
    text = (await services.stores.sources.read(document.original.key)).decode(errors="replace")
    await store_text(document, text, services.stores.sources)
    directory = services.directory
    own = document.needed_fingerprints[:1]
    [used] = [each for each in directory.models if each.fingerprint in own] or [directory.default]
    chunks = Chunker(used.model.text).chunk(text)
    vectors = (await used.model.embedders.bulk.embed([chunk.text for chunk in chunks])).vectors
    terms = passage_terms(used.model.text, [f"{document.title}\n{chunk.text}" for chunk in chunks])
    passages = [
        Passage(
            collection=document.collection_id,
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
            access=document.access,
            access_version=document.access_version,
        )
        for ordinal, chunk in enumerate(chunks)
    ]
    await used.index.stage(
        [IndexedPassage(p, vector, term) for p, vector, term in zip(passages, vectors, terms, strict=True)]
    )
    await used.index.publish([(document.key, document.revision)])
    [document] = _saved(await registry.save([document.indexed(len(passages), used.fingerprint, lease)]))
    [document] = _saved(await registry.save([document.ready()]))
    assert document.state is DocumentState.READY


def _saved(documents: Sequence[Any]) -> list[Any]:
    assert None not in documents
    return list(documents)
