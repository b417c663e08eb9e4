"""Batch single texts of concurrent requests, so that they share the cost of a call."""

import asyncio
from collections.abc import Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Final

from phoserve.concurrency.batcher import Batcher
from phoserve.concurrency.deadline import Deadline
from phoserve.contract import InputType, ModelContract
from phoserve.embedding.ports import Embedder, Embeddings

# Two, so that one is computed while the callers of the other are answered. ADR 66 has the measurements.
MAX_CONCURRENCY: Final = 2
MAX_ITEMS: Final = 16
LINGER_RATIO: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Single:
    text: str
    deadline: Deadline | None
    context: Context


class MicroBatchingEmbedder:
    """An `Embedder` that batches single texts. It passes requests of several texts through.

    A text is sent immediately while fewer than `max_concurrency` calls are in flight. Texts that arrive in the
    meantime form the next batch. Queries and passages have separate batches.
    """

    def __init__(
        self, embedder: Embedder, *, max_concurrency: int = MAX_CONCURRENCY, max_items: int = MAX_ITEMS
    ) -> None:
        self._embedder = embedder
        self._groups = {
            input_type: Batcher(
                partial(self._embed_group, input_type),
                max_items=max_items,
                max_concurrency=max_concurrency,
                linger_ratio=LINGER_RATIO,
            )
            for input_type in InputType
        }

    @property
    def contract(self) -> ModelContract:
        return self._embedder.contract

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType = InputType.PASSAGE, timeout_s: float | None = None
    ) -> Embeddings:
        """Embed `texts`. An error affects only the text that caused it, and each text keeps its own timeout."""
        if len(texts) != 1:
            return await self._embedder.embed(texts, input_type=input_type, timeout_s=timeout_s)
        deadline = None if timeout_s is None else Deadline.after(timeout_s)
        answer = self._groups[input_type]([_Single(texts[0], deadline, copy_context())])
        [embeddings] = await (deadline.keep(answer) if deadline else answer)
        return embeddings

    async def close(self) -> None:
        await self._embedder.close()

    async def _embed_group(self, input_type: InputType, group: Sequence[_Single]) -> list[Embeddings]:
        call = self._embedder.embed(
            [single.text for single in group], input_type=input_type, timeout_s=_longest([s.deadline for s in group])
        )
        # The sending task belongs to no request, so a call runs in the trace and log context of its first text.
        embeddings = await asyncio.create_task(call, context=group[0].context)
        return [_row(embeddings, position) for position in range(len(group))]


def _longest(deadlines: Sequence[Deadline | None]) -> float | None:
    """Return the seconds until the last deadline. Earlier deadlines cancel only their own callers."""
    known = [deadline for deadline in deadlines if deadline]
    return max(known, key=lambda deadline: deadline.at).left_s() if len(known) == len(deadlines) else None


def _row(embeddings: Embeddings, position: int) -> Embeddings:
    """Return the embedding of one text, copied so that a cached row does not keep the whole batch alive."""
    row = slice(position, position + 1)
    return Embeddings(
        vectors=embeddings.vectors[row].copy(),
        tokens=embeddings.tokens[row],
        truncated=embeddings.truncated[row],
        served_by=embeddings.served_by,
    )
