"""Take documents and collections away for good; every step may be done again after a crash.

The record is marked first, so that a worker still busy with the document can no longer publish it, and goes last, so
that `reconcile` finds what a crash left half done.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from phoserve.documents.ports import DocumentRegistry, PassageStore, SourceStore
from phoserve.documents.records import Document, DocumentState

REMOVAL_LEASE: Final = timedelta(seconds=30)
KEYS_PER_CALL: Final = 1000


async def mark_deleting(documents: Sequence[Document], registry: DocumentRegistry) -> list[Document]:
    """Mark the documents, whoever else is changing them; those that vanish meanwhile are left out."""
    marked = [document for document in documents if document.state is DocumentState.DELETING]
    waiting = [document for document in documents if document.state is not DocumentState.DELETING]
    while waiting:
        saved = await registry.save([document.deleting(REMOVAL_LEASE) for document in waiting])
        marked += [document for document in saved if document]
        lost = [before for before, after in zip(waiting, saved, strict=True) if after is None]
        current = await registry.find_keys([document.key for document in lost]) if lost else {}
        marked += [document for document in current.values() if document.state is DocumentState.DELETING]
        waiting = [document for document in current.values() if document.state is not DocumentState.DELETING]
    return marked


async def remove_marked(
    documents: Sequence[Document], registry: DocumentRegistry, index: PassageStore, sources: SourceStore
) -> None:
    """Carry the deletion of marked documents through: passages, originals, records."""
    if not documents:
        return
    await index.discard_many([document.key for document in documents])
    originals = await asyncio.gather(*(_originals(document, sources) for document in documents))
    await sources.delete([key for keys in originals for key in keys])
    await registry.remove(documents)


async def purge_collection(name: str, registry: DocumentRegistry, index: PassageStore, sources: SourceStore) -> None:
    """Carry the deletion of a collection marked as deleting through."""
    await registry.remove_documents(name)
    await index.discard_collection(name)
    keys: list[str] = []
    async for key, _ in sources.keys(f"{name}/"):
        keys.append(key)
        if len(keys) == KEYS_PER_CALL:
            await sources.delete(keys)
            keys = []
    await sources.delete(keys)
    await registry.remove_collection(name)


async def sweep_originals(registry: DocumentRegistry, sources: SourceStore, *, stored_before: datetime) -> int:
    """Delete the originals that no record names: superseded, or of uploads that broke off; returns how many.

    An upload is stored before its record names it, so `stored_before` must lie further back than an upload may take.
    """
    old = [key async for key, stored in sources.keys("") if stored < stored_before]
    swept = 0
    for start in range(0, len(old), KEYS_PER_CALL):
        keys = old[start : start + KEYS_PER_CALL]
        known = await registry.find_keys([_document_key(key) for key in keys])
        named = {document.original.key for document in known.values()}
        unnamed = [key for key in keys if key not in named]
        await sources.delete(unnamed)
        swept += len(unnamed)
    return swept


def _document_key(original_key: str) -> str:
    return original_key.rpartition("/")[0].rpartition("/")[2]


async def _originals(document: Document, sources: SourceStore) -> list[str]:
    if document.revision == 1:
        return [document.original.key]  # spares an object store one listing per document
    return [key async for key, _ in sources.keys(document.source_prefix)]
