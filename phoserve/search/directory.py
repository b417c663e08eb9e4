"""What a collection is searched and filled with: its model and the index of that model's passages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phoserve.documents.collections import Collection
from phoserve.documents.passages import PassageStores
from phoserve.embedding.models import ModelCatalog, ServedModel
from phoserve.errors import ContractMismatch
from phoserve.search.ports import PassageIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedModel:
    """A served model and the index of the passages that it embedded."""

    model: ServedModel
    index: PassageIndex

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model."""
        return self.index.fingerprint


class ModelDirectory:
    """Finds the model of a collection by its record, and models by name."""

    def __init__(self, models: Sequence[IndexedModel], aliases: Mapping[str, str] | None = None) -> None:
        """The first of `models` is the default. Raises ConfigurationError if an alias names no model."""
        self.models = tuple(models)
        self.catalog = ModelCatalog([each.model for each in models], aliases)
        self.indexes = PassageStores([each.index for each in models])
        self._by_fingerprint = {each.fingerprint: each for each in reversed(models)}

    @property
    def default(self) -> IndexedModel:
        """The model of collections that name none."""
        return self.models[0]

    def of(self, collection: Collection) -> IndexedModel:
        """Return what the collection is searched with. Raises ContractMismatch if its model is not served."""
        return self._by_fingerprint[self.indexes.of(collection).fingerprint]

    def find(self, collection: Collection) -> IndexedModel | None:
        """Return what the collection is searched with, None if its model is not served."""
        try:
            return self.of(collection)
        except ContractMismatch:
            return None

    def named(self, name: str | None) -> IndexedModel:
        """Return the model of that name, the default one for None. Raises ModelNotFound."""
        return self._by_fingerprint[self.catalog.find(name).contract.fingerprint]

    def name_of(self, fingerprint: str) -> str:
        """Return the name of the model with this fingerprint, "" if it is not served."""
        found = self._by_fingerprint.get(fingerprint)
        return found.model.name if found else ""
