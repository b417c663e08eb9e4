"""Two embedding servers as one: the second answers while the first is unavailable."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embedder, Embeddings
from phoserve.errors import Overloaded, Unavailable

PAUSE_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FallbackEmbedder:
    """An `Embedder` over two servers of the same model, such as pods with and without GPUs.

    If the first is overloaded or unavailable, the second is called. After the first was unavailable, it is skipped for
    `pause_s`, so that requests do not all wait for it.
    """

    first: Embedder
    second: Embedder
    pause_s: float = PAUSE_S
    clock: Callable[[], float] = time.monotonic
    _skip_first_until: float = 0.0

    @property
    def contract(self) -> ModelContract:
        """The contract of both servers."""
        return self.first.contract

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts` on the first available server. If both fail, raises the error of the second."""
        begun = self.clock()
        if begun >= self._skip_first_until:
            try:
                return await self.first.embed(texts, input_type=input_type, timeout_s=timeout_s)
            except Overloaded:
                pass
            except Unavailable as error:
                self._skip_first_until = self.clock() + self.pause_s
                log.warning("embedder_fallback", error=str(error), for_s=self.pause_s)
        left_s = None if timeout_s is None else timeout_s - (self.clock() - begun)
        return await self.second.embed(texts, input_type=input_type, timeout_s=left_s)

    async def close(self) -> None:
        """Close both connections."""
        await asyncio.gather(self.first.close(), self.second.close())
