"""Single texts that are asked for at the same time travel as one call, so that what a call costs is shared."""

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

# Two, so that one is computed while the other's callers are answered. All three are measured: ADR 66.
MAX_CONCURRENCY: Final = 2
MAX_ITEMS: Final = 16
LINGER_RATIO: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Single:
    text: str
    deadline: Deadline | None
    context: Context


class MicroBatchingEmbedder:
    """An `Embedder` that sends single texts on in groups; requests of several texts go straight through.

    A text goes at once while fewer than `max_concurrency` groups are under way; those that come meanwhile make up the
    next one. Queries and passages do not mix.
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
        """As the embedder does; a text is told of its own errors alone, and waits `timeout_s` whoever is beside it."""
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
        # The task that sends the groups is nobody's own: a call belongs to its first text's trace and log lines.
        embeddings = await asyncio.create_task(call, context=group[0].context)
        return [_row(embeddings, position) for position in range(len(group))]


def _longest(deadlines: Sequence[Deadline | None]) -> float | None:
    """Seconds until the last of them has passed; those that pass before let go by themselves."""
    known = [deadline for deadline in deadlines if deadline]
    return max(known, key=lambda deadline: deadline.at).left_s() if len(known) == len(deadlines) else None


def _row(embeddings: Embeddings, position: int) -> Embeddings:
    """One text's; a copy, so that whoever keeps it does not keep the whole group."""
    row = slice(position, position + 1)
    return Embeddings(
        vectors=embeddings.vectors[row].copy(),
        tokens=embeddings.tokens[row],
        truncated=embeddings.truncated[row],
        served_by=embeddings.served_by,
    )
