"""Delete documents and collections for good; every step may be repeated after a crash.

The record is marked first, so that a worker that is still processing the document can no longer publish it. It is
removed last, so that `reconcile` finds what a crash left unfinished.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from phoserve.documents.passages import PassageStores
from phoserve.documents.ports import DocumentRegistry, SourceStore
from phoserve.documents.records import Document, DocumentState
from phoserve.documents.texts import document_key_of, needed_texts, text_keys

REMOVAL_LEASE: Final = timedelta(seconds=30)
KEYS_PER_CALL: Final = 1000
QUARANTINE: Final = "quarantine/"
"""Prefix of damaged records in the store of originals, which nothing removes."""


async def mark_deleting(documents: Sequence[Document], registry: DocumentRegistry) -> list[Document]:
    """Mark the documents as being deleted, in whatever version they are; those that are gone are left out."""
    marked: list[Document] = []
    waiting = list(documents)
    while waiting:
        marked += await mark_unchanged(waiting, registry)
        done = {document.key for document in marked}
        current = await registry.find_keys([each.key for each in waiting if each.key not in done])
        waiting = list(current.values())
    return marked


async def mark_unchanged(documents: Sequence[Document], registry: DocumentRegistry) -> list[Document]:
    """Mark the documents as being deleted and return those whose record had not changed meanwhile."""
    marked = [document for document in documents if document.state is DocumentState.DELETING]
    others = [document for document in documents if document.state is not DocumentState.DELETING]
    saved = await registry.save([document.deleting(REMOVAL_LEASE) for document in others]) if others else []
    return marked + [document for document in saved if document]


async def remove_marked(
    documents: Sequence[Document], registry: DocumentRegistry, indexes: PassageStores[Any], sources: SourceStore
) -> None:
    """Complete the deletion of marked documents: passages, originals, records."""
    if not documents:
        return
    await indexes.discard_many([document.key for document in documents])
    await sources.delete([key for document in documents for key in (document.original.key, *text_keys(document))])
    await registry.remove(documents)


async def purge_collection(
    collection_id: str, registry: DocumentRegistry, indexes: PassageStores[Any], sources: SourceStore
) -> None:
    """Complete the deletion of a collection that is marked as being deleted."""
    await registry.remove_documents(collection_id)
    await indexes.discard_collection(collection_id)
    keys: list[str] = []
    async for key, _ in sources.keys(f"{collection_id}/"):
        keys.append(key)
        if len(keys) == KEYS_PER_CALL:
            await sources.delete(keys)
            keys = []
    await sources.delete(keys)
    await registry.remove_collection(collection_id)


async def sweep_originals(registry: DocumentRegistry, sources: SourceStore, *, stored_before: datetime) -> int:
    """Delete the originals that no record names and return how many: superseded ones, and interrupted uploads.

    An upload is stored before its record names it, so `stored_before` must be earlier than the start of any upload in
    progress. Those of a collection with a record whose original is unknown stay, until `phoserve doctor --repair`.
    """
    unnamed = await unnamed_originals(registry, sources, stored_before=stored_before)
    if unnamed:
        unsure = {each.collection_id for each in await registry.damaged() if each.lacks_original}
        unnamed = [key for key in unnamed if key.partition("/")[0] not in unsure]
    await sources.delete(unnamed)
    return len(unnamed)


async def unnamed_originals(
    registry: DocumentRegistry, sources: SourceStore, *, stored_before: datetime, of: str = ""
) -> list[str]:
    """Return the keys of originals and texts, stored before a time, that no record names; `of` is a prefix of keys."""
    old = [key async for key, stored in sources.keys(of) if stored < stored_before and not key.startswith(QUARANTINE)]
    unnamed: list[str] = []
    for start in range(0, len(old), KEYS_PER_CALL):
        keys = old[start : start + KEYS_PER_CALL]
        named = {*await registry.find_originals(keys), *await _find_texts(registry, keys)}
        unnamed += [key for key in keys if key not in named]
    return unnamed


async def _find_texts(registry: DocumentRegistry, keys: Sequence[str]) -> set[str]:
    """Return the keys among `keys` of texts that a document needs."""
    documents = [document_key for key in keys if (document_key := document_key_of(key))]
    return needed_texts(await registry.find_keys(documents)) if documents else set()
