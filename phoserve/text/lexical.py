"""Lexical terms for BM25: the words of a text and their syllables, as a sparse vector.

Both are terms because people spell a query loosely: "bảo hiểm xã hội" is one word to the segmenter in one sentence and
two in another, but its syllables are always the same.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.pipeline import TextPipeline
from phoserve.text.tones import modern_tones

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
K1: Final = 1.2
B: Final = 0.75
AVERAGE_TERMS: Final = 200.0


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
    return [term for word in segmented.split() for term in _terms_of_word(word)]


@lru_cache(maxsize=1 << 17)
def _terms_of_word(word: str) -> tuple[int, ...]:
    spelled = modern_tones(word.lower())
    syllables = [part for part in spelled.split("_") if any(map(str.isalnum, part))]
    terms = ["_".join(syllables), *syllables] if len(syllables) > 1 else syllables
    return tuple(zlib.crc32(term.encode()) for term in terms)
