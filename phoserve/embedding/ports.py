"""The port to an embedding model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType, ModelContract

FloatMatrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of a batch of texts, in the texts' order."""

    vectors: FloatMatrix
    """float32, shape (texts, dim), unit length if the contract normalises."""
    tokens: NDArray[np.int32]
    """int32, shape (texts,): tokens that the encoder received, special tokens included."""
    truncated: NDArray[np.bool_]
    """bool, shape (texts,): true if the text exceeded the model's limit."""
    served_by: str
    """Name of the Triton encoder model that computed them."""


class Embedder(Protocol):
    """Embeds texts."""

    @property
    def contract(self) -> ModelContract: ...

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts` (any number of them).

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...
