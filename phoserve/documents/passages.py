"""The passage stores of all models that a process serves, found by the record of a collection."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from phoserve.documents.collections import Collection
from phoserve.documents.ports import PassageStore
from phoserve.errors import ContractMismatch

S = TypeVar("S", bound=PassageStore)


class PassageStores(Generic[S]):
    """Passage stores by the fingerprint of their model; the first one is the default.

    Changes of all stores are made by the default one for the models that share its engine, and by each for its own.
    """

    def __init__(self, stores: Sequence[S]) -> None:
        self._by_fingerprint = {store.fingerprint: store for store in reversed(stores)}
        self.default = stores[0]

    def __iter__(self) -> Iterator[S]:
        """Yield the default store, then the others."""
        yield self.default
        yield from (each for each in self._by_fingerprint.values() if each is not self.default)

    def find(self, fingerprint: str) -> S | None:
        """Return the store of the model with this fingerprint, the default one for "", None if it is not served."""
        return self._by_fingerprint.get(fingerprint) if fingerprint else self.default

    def of(self, collection: Collection) -> S:
        """Return the store that searches of the collection read.

        That of its model, or of a former model whose passages are still kept, so that a release with the former model
        serves until it is replaced. Raises ContractMismatch if none of them is served.
        """
        for fingerprint in collection.searchable_fingerprints:
            if store := self.find(fingerprint):
                return store
        raise ContractMismatch(not_served(collection))

    async def discard_many(self, document_keys: Sequence[str]) -> None:
        """Delete all passages of several documents from all stores."""
        for store in self:
            await store.discard_many(document_keys, here_only=store is not self.default)

    async def discard_collection(self, collection: str) -> None:
        """Delete every passage of the collection from all stores."""
        for store in self:
            await store.discard_collection(collection, here_only=store is not self.default)

    async def set_access(self, document_key: str, access: Sequence[str], version: int) -> None:
        """Let these groups alone find the document in all stores; nothing changes where a newer version was set."""
        for store in self:
            await store.set_access(document_key, access, version, here_only=store is not self.default)

    async def count(self) -> int:
        """Return how many passages are published in all stores."""
        return sum([await store.count() for store in self])


def not_served(collection: Collection) -> str:
    """Return the message for a collection whose model is not served."""
    named = (
        f"{collection.model!r}, fingerprint {collection.fingerprint}" if collection.model else collection.fingerprint
    )
    return (
        f"the passages of collection {collection.name!r} were embedded by another model ({named}), which is not served "
        "here: serve it too (`phoserve up --model FOLDER --model FOLDER`, PHOSERVE_MODELS__FOLDERS), or embed the "
        "collection again with `phoserve reembed`"
    )
