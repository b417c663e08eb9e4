"""The active model of the stored passages. A service with another model refuses to start."""

import asyncio
from typing import Final

import structlog

from phoserve.documents.ports import ActivePassageStore
from phoserve.errors import ContractMismatch, Unavailable

WAIT_S: Final = 1.0

log = structlog.get_logger(__name__)


async def check_active_model(index: ActivePassageStore) -> None:
    """Wait for the store, then check that this model is active. The first model is activated.

    Raises ContractMismatch.
    """
    while True:
        try:
            serving = await index.active_model()
            if serving is None:
                await index.activate()
            break
        except Unavailable as error:
            log.warning("waiting_for_index", error=str(error))
            await asyncio.sleep(WAIT_S)
    if serving not in {None, index.fingerprint}:
        raise ContractMismatch(
            f"the stored passages are those of model {serving}, not of {index.fingerprint}: name the model they were "
            "made with (PHOSERVE_MODEL__FOLDER; --model for a local platform), or run `phoserve reembed` with this one"
        )
