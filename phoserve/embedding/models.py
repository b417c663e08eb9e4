"""The embedding models of a deployment, found by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoserve.contract import ModelContract, slug
from phoserve.embedding.stack import Embedders
from phoserve.errors import ConfigurationError, ModelNotFound
from phoserve.text import TextPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """An embedding model: how its texts are read, and its servers."""

    text: TextPipeline
    embedders: Embedders
    triton_name: str
    """Its public model in Triton."""

    @property
    def contract(self) -> ModelContract:
        """What the model takes and returns."""
        return self.embedders.interactive.contract

    @property
    def name(self) -> str:
        """What responses call it."""
        return self.contract.name


DEFAULT_NAME: Final = "phoserve"
"""The default model, for clients that must send a name."""


class ModelCatalog:
    """Finds models by their names, by the last part of them, by their names in Triton, and by aliases."""

    def __init__(self, models: Sequence[ServedModel], aliases: Mapping[str, str] | None = None) -> None:
        """The first of `models` is the default; `aliases` map more names to theirs.

        Raises ConfigurationError if an alias names no model.
        """
        self.models = tuple(models)
        self._by_name: dict[str, ServedModel] = {DEFAULT_NAME: self.models[0]}
        for names in ((m.name for m in models), (slug(m.name) for m in models), (m.triton_name for m in models)):
            for name, model in zip(names, self.models, strict=True):
                self._by_name.setdefault(name, model)
        for alias, name in (aliases or {}).items():
            if name not in self._by_name:
                raise ConfigurationError(
                    f"PHOSERVE_MODELS__ALIASES: {alias!r} stands for {name!r}, which is not served; "
                    f"there are {', '.join(model.name for model in models)}"
                )
            self._by_name.setdefault(alias, self._by_name[name])

    @property
    def default(self) -> ServedModel:
        """The model of requests that name none."""
        return self.models[0]

    def find(self, name: str | None) -> ServedModel:
        """Return the model called `name`; the default one for None. Raises ModelNotFound."""
        if name is None:
            return self.default
        found = self._by_name.get(name)
        if found is None:
            raise ModelNotFound(name, [model.name for model in self.models])
        return found

    async def close(self) -> None:
        """Close the connections of all models."""
        for model in self.models:
            await model.embedders.close()
