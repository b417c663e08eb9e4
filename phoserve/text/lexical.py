"""Lexical terms for BM25, as a sparse vector: words, their syllables, and pairs of neighbouring syllables.

A syllable means little by itself, and a word may be segmented in one way in a query and in another in a passage; pairs
are as telling as words and always the same. No pair reaches across a mark. Figures: docs/adr/0011.
"""

from collections import Counter
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
    """Return the terms of each query, each weighing 1."""
    return [_vector(dict.fromkeys(_terms(text), 1.0)) for text in pipeline.segment(texts)]


def _passage_vector(terms: list[int]) -> SparseVector:
    saturation = K1 * (1 - B + B * len(terms) / AVERAGE_TERMS)
    return _vector({term: count * (K1 + 1) / (count + saturation) for term, count in Counter(terms).items()})


def _vector(weights: dict[int, float]) -> SparseVector:
    indices = np.fromiter(weights, np.uint32, len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], np.fromiter(weights.values(), np.float32, len(weights))[order])


def _terms(segmented: str) -> list[int]:
    terms: list[int] = []
    before: int | None = None  # the hash of the syllable before, of the same run
    for word in segmented.split():
        syllables = _syllables(word)
        for syllable in syllables:
            term = crc32(syllable)
            terms.append(term)
            if before is not None:
                terms.append(crc32(_JOINED + syllable, before))  # as crc32 of both with "_" between
            before = term
        if not syllables:
            before = None
        elif len(syllables) > 2:
            terms.append(crc32(_JOINED.join(syllables)))
    return terms


@lru_cache(maxsize=1 << 17)
def _syllables(word: str) -> tuple[bytes, ...]:
    """The syllables of a segmented word as terms spell them; none of a mark."""
    parts = modern_tones(word.lower()).split("_")
    return tuple(part.encode() for part in parts if any(map(str.isalnum, part)))
