"""Changes of all models' passages, where all of them share one engine."""

from collections import Counter
from collections.abc import Sequence

import pytest

from phoserve.documents.passages import PassageStores
from tests.support.memory import MemoryIndex

MODELS = 8


class SharedEngineIndex(MemoryIndex):
    """One of several indexes that reach each other's passages, as those on a server do."""

    calls: Counter[str]
    peers: "list[SharedEngineIndex]"

    def _reached(self, here_only: bool) -> "list[SharedEngineIndex]":
        return [self] if here_only else self.peers

    async def discard_many(self, document_keys: Sequence[str], *, here_only: bool = False) -> None:
        self.calls.update(each.fingerprint for each in self._reached(here_only))

    async def discard_collection(self, collection: str, *, here_only: bool = False) -> None:
        self.calls.update(each.fingerprint for each in self._reached(here_only))

    async def set_access(
        self, document_key: str, access: Sequence[str], version: int, *, here_only: bool = False
    ) -> None:
        self.calls.update(each.fingerprint for each in self._reached(here_only))


@pytest.mark.parametrize("change", ["discard_many", "discard_collection", "set_access"])
async def test_every_model_is_reached_in_a_number_of_calls_that_grows_with_the_models(change: str) -> None:
    calls: Counter[str] = Counter()
    engine = [SharedEngineIndex(f"model-{number}") for number in range(MODELS)]
    for each in engine:
        each.calls, each.peers = calls, engine
    served = PassageStores(engine[: MODELS - 1])  # the last one is another release's
    arguments: dict[str, tuple[object, ...]] = {
        "discard_many": (["d"],),
        "discard_collection": ("kb",),
        "set_access": ("d", ("hr",), 2),
    }
    await getattr(served, change)(*arguments[change])
    assert calls.keys() == {each.fingerprint for each in engine}
    assert calls.total() <= 2 * MODELS
