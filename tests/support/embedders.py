"""An embedder for tests without a model: its vectors depend on the words."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embeddings
from phoserve.errors import PhoserveError

DIM = 64


def fake_contract(dim: int = DIM) -> ModelContract:
    """A contract of a model that does not exist."""
    return ModelContract(name="tests/word-hash", dim=dim, tokenizer_sha256="0" * 64, weights_sha256="1" * 64)


class WordHashEmbedder:
    """Adds up one pseudo-random direction per lower-case word: texts that share words are close."""

    def __init__(self, contract: ModelContract | None = None, *, delay_s: float = 0.0) -> None:
        self.contract = contract or fake_contract()
        self.delay_s = delay_s
        self.failure: PhoserveError | None = None
        self.calls: list[tuple[tuple[str, ...], InputType, float | None]] = []

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        self.calls.append((tuple(texts), input_type, timeout_s))
        await asyncio.sleep(self.delay_s)
        if self.failure:
            raise self.failure
        words = [text.lower().split() for text in texts]
        vectors = np.stack([self._vector(each) for each in words])
        lengths = np.array([len(each) + 2 for each in words], np.int32)
        limit = self.contract.max_tokens
        return Embeddings(vectors, np.minimum(lengths, limit), lengths > limit, "word_hash")

    async def close(self) -> None:
        pass

    def _vector(self, words: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        total = np.full(self.contract.dim, 1e-3, np.float32)
        for word in words:
            seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
            total += np.random.default_rng(seed).standard_normal(self.contract.dim).astype(np.float32)
        return (total / np.linalg.norm(total)).astype(np.float32)


class InterruptedEmbedder(WordHashEmbedder):
    """Runs an action once while a batch is being embedded, in a task that continues if the work is cancelled."""

    meanwhile: Callable[[], Coroutine[Any, Any, object]] | None = None
    happening: asyncio.Task[object] | None = None

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        event, self.meanwhile = self.meanwhile, None
        if event:
            self.happening = asyncio.create_task(event())
            await asyncio.shield(self.happening)
        return await super().embed(texts, input_type=input_type, timeout_s=timeout_s)
