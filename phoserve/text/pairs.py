"""A query and a passage as a cross-encoder reads them, with PhoBERT `<s> query </s></s> passage </s>`."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.contract import InputType, ModelContract
from phoserve.text.bpe import BOS, EOS, TokenBatch
from phoserve.text.pipeline import TextPipeline

Pair = tuple[str, str]
SPECIALS: Final = 4


class PairPipeline:
    """Segments and tokenises queries with passages for one cross-encoder."""

    def __init__(self, pipeline: TextPipeline) -> None:
        self._pipeline = pipeline

    @property
    def contract(self) -> ModelContract:
        """Of the cross-encoder."""
        return self._pipeline.contract

    def encode(self, pairs: Sequence[Pair], _: InputType = InputType.PASSAGE) -> TokenBatch:
        """Return the token ids of `pairs`; one too long for the model loses the ends of what is longer in it.

        Which tokens go is what `transformers` calls `longest_first`.
        """
        if self.contract.tokenizer == "huggingface":
            return self._pipeline.tokenize_pairs(pairs)
        texts = list(dict.fromkeys(itertools.chain.from_iterable(pairs)))
        batch = self._pipeline.tokenize(self._pipeline.segment(texts))
        pieces = {
            text: batch.ids[start + 1 : end - 1]
            for text, start, end in zip(texts, batch.offsets, batch.offsets[1:], strict=False)
        }
        cut = dict(zip(texts, batch.truncated.tolist(), strict=True))
        rows, truncated = [], []
        for query, passage in pairs:
            row, kept_all = self._row(pieces[query], pieces[passage])
            rows.append(row)
            truncated.append(cut[query] or cut[passage] or not kept_all)
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return TokenBatch(np.concatenate(rows), offsets, np.array(truncated))

    def _row(self, query: NDArray[np.int32], passage: NDArray[np.int32]) -> tuple[NDArray[np.int32], bool]:
        left, right = kept_lengths(len(query), len(passage), self.contract.max_tokens - SPECIALS)
        parts = ([BOS], query[:left], [EOS, EOS], passage[:right], [EOS])
        return np.concatenate(parts).astype(np.int32), (left, right) == (len(query), len(passage))


def kept_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two sequences is kept where tokens are taken off the longer one, or the second, until they fit."""
    if first + second <= room:
        return first, second
    half = room // 2
    if second <= half:
        return room - second, second
    if first <= room - half:
        return first, room - first
    return room - half, half
