"""Lexical terms for BM25, as a sparse vector: words, their syllables, and pairs of neighbouring syllables.

A syllable means little by itself, and a word may be segmented in one way in a query and in another in a passage; pairs
are as telling as words and always the same. No pair reaches across a mark. Figures: docs/adr/0011.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from phoserve.text.pipeline import TextPipeline
from phoserve.text.tones import modern_tones

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
K1: Final = 1.2
B: Final = 0.75
AVERAGE_TERMS: Final = 300.0

_JOINED: Final = b"_"


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights; indices ascend and are distinct."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


def passage_terms(pipeline: TextPipeline, texts: Sequence[str]) -> list[SparseVector]:
    """Return BM25's term-frequency part of each text; the index multiplies by the inverse document frequency."""
    return [_passage_vector(_terms(text)) for text in pipeline.segment(texts)]


def query_terms(pipeline: TextPipeline, texts: Sequence[str]) -> list[SparseVector]:
    """Return the terms of each query, each of weight 1. Does not wait for batches: an event loop may call it."""
    return [_query_vector(_terms(text)) for text in pipeline.segment_query(texts)]


def _passage_vector(terms: list[int]) -> SparseVector:
    saturation = K1 * (1 - B + B * len(terms) / AVERAGE_TERMS)
    indices, counts = np.unique(np.array(terms, np.uint32), return_counts=True)
    return SparseVector(indices, (counts * (K1 + 1) / (counts + saturation)).astype(np.float32))


def _query_vector(terms: list[int]) -> SparseVector:
    indices = np.unique(np.array(terms, np.uint32))
    return SparseVector(indices, np.ones(len(indices), np.float32))


def _terms(segmented: str) -> list[int]:
    terms: list[int] = []
    before: int | None = None  # the hash of the syllable before, of the same run
    for first, own, last in map(_word, segmented.split()):
        if before is not None and first:
            terms.append(crc32(first, before))
        terms += own
        before = last
    return terms


@lru_cache(maxsize=1 << 17)
def _word(word: str) -> tuple[bytes, tuple[int, ...], int | None]:
    """What its first syllable adds to the hash of the one before, its own terms, and the hash of its last syllable.

    Nothing at all of a mark.
    """
    parts = modern_tones(word.lower()).split("_")
    syllables = [part.encode() for part in parts if any(map(str.isalnum, part))]
    if not syllables:
        return b"", (), None
    hashes = [crc32(syllable) for syllable in syllables]
    # crc32(b, crc32(a)) is crc32(a + b)
    pairs = [crc32(_JOINED + after, before) for before, after in zip(hashes, syllables[1:], strict=False)]
    whole = [crc32(_JOINED.join(syllables))] if len(syllables) > 2 else []
    return _JOINED + syllables[0], (*hashes, *pairs, *whole), hashes[-1]
