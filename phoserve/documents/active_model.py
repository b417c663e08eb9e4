"""The model of each collection, checked when a process starts."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from phoserve.documents.collections import Collection
from phoserve.documents.passages import PassageStores, not_served
from phoserve.documents.ports import ActivePassageStore, DocumentRegistry
from phoserve.errors import Unavailable

WAIT_S: Final = 1.0

log = structlog.get_logger(__name__)


async def settle_models(
    registry: DocumentRegistry, stores: PassageStores[Any], name_of: Callable[[str], str]
) -> list[Collection]:
    """Wait for the index, then record the model of collections that have none, and return those not served here.

    Before collections had models, the index recorded one active model for all of them. `name_of` returns the name of
    the model with a fingerprint.
    """
    active = await _active_model(stores.default)
    not_served_here: list[Collection] = []
    for collection in await registry.collections():
        while not collection.fingerprint and not collection.deleting:
            fingerprint = active or stores.default.fingerprint
            changed = msgspec.structs.replace(
                collection, fingerprint=fingerprint, model=collection.model or name_of(fingerprint)
            )
            saved = await registry.update_collection(changed)
            collection = saved or await registry.collection(collection.name)
        if not collection.deleting and stores.find(collection.fingerprint) is None:
            log.warning("model_not_served", collection=collection.name, detail=not_served(collection))
            not_served_here.append(collection)
    if active != stores.default.fingerprint and not not_served_here:
        await stores.default.activate()
    return not_served_here


async def _active_model(index: ActivePassageStore) -> str | None:
    while True:
        try:
            return await index.active_model()
        except Unavailable as error:
            log.warning("waiting_for_index", error=str(error))
            await asyncio.sleep(WAIT_S)
