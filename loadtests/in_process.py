"""A model without a server, for measurements of what is around it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embeddings
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

BATCH: Final = 64


class InProcessEmbedder:
    """An `Embedder` that runs the first precision of a model folder in this process."""

    def __init__(self, model: Path) -> None:
        self.text = TextPipeline.load(model)
        self._encoder = OnnxEncoder(model / "onnx" / f"{self.contract.precisions[0]}.onnx")

    @property
    def contract(self) -> ModelContract:
        """The model's contract."""
        return self.text.contract

    def vectors(self, texts: Sequence[str], kind: InputType = InputType.PASSAGE) -> NDArray[np.float32]:
        """Return float32 of shape (texts, dim)."""
        parts = []
        for first in range(0, len(texts), BATCH):
            tokens = self.text.encode(list(texts[first : first + BATCH]), kind)
            parts.append(self._encoder.encode(tokens.ids, np.diff(tokens.offsets).astype(np.int32)))
        return np.concatenate(parts)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = InputType.PASSAGE,
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> Embeddings:
        """See `Embedder`."""
        none = np.zeros(len(texts), np.int32)
        return Embeddings(self.vectors(texts, input_type), none, none.astype(bool), "in process")

    async def close(self) -> None:
        """See `Embedder`."""
