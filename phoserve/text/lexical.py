"""Lexical terms for BM25, as a sparse vector.

Words, their syllables and pairs of neighbouring syllables; the same without diacritics; canonical forms of numbers and
codes; the articles of a law. A syllable alone is vague, and a word may be segmented differently in a query and in a
passage; pairs are as specific as words and always the same. No pair crosses a mark. Figures: docs/text.md and
docs/adr/0011.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from weakref import WeakKeyDictionary
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from phoserve.text.articles import parts_of
from phoserve.text.codes import codes_in
from phoserve.text.normalise import strip_invisible
from phoserve.text.pipeline import TextPipeline
from phoserve.text.vocabulary import NumberedWords, Vocabulary
from phoserve.text.word_terms import FOLDED, JOINED, WordTermsTable, terms_of_word

TERMS_VERSION: Final = 2
"""Of what is indexed. 1: words, syllables, pairs. 2: also folded terms, canonical forms and articles. A query finds the
words of passages of either version; to find the rest in older passages, index them again."""

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
K1: Final = 1.2
B: Final = 0.75
AVERAGE_TERMS: Final = 300.0


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights; indices ascend and are distinct."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


_TABLES: Final[WeakKeyDictionary[Vocabulary, WordTermsTable]] = WeakKeyDictionary()
_LOCK: Final = threading.Lock()
_word: Final = lru_cache(maxsize=1 << 17)(terms_of_word)


def passage_terms(pipeline: TextPipeline, texts: Sequence[str]) -> list[SparseVector]:
    """Return BM25's term-frequency part of each text; the index multiplies by the inverse document frequency."""
    visible = [strip_invisible(text) for text in texts]
    return numbered_vectors(pipeline.number_words(visible), visible)


def numbered_vectors(words: NumberedWords, texts: Sequence[str]) -> list[SparseVector]:
    """Return `passage_terms` of visible texts whose words are numbered already."""
    with _LOCK:
        table = _TABLES.setdefault(words.vocabulary, WordTermsTable())
        found = table.terms_of(words)
    return [_vector(terms, exact, text) for (terms, exact), text in zip(found, texts, strict=True)]


def _vector(terms: NDArray[np.uint32], exact: int, text: str) -> SparseVector:
    # Length is that of the exact terms: what is found by them scores as if there were no others.
    saturation = K1 * (1 - B + B * exact / AVERAGE_TERMS)
    others = [term_hash(form) for code in codes_in(text) for form in code.forms]
    others += [term_hash(part) for part in parts_of(text)]
    if others:
        terms = np.append(terms, np.array(others, np.uint32))
    indices, counts = np.unique(terms, return_counts=True)
    return SparseVector(indices, (counts * (K1 + 1) / (counts + saturation)).astype(np.float32))


def term_hash(term: str) -> int:
    """Return the index of an exact term in a sparse vector."""
    return crc32(term.encode())


def pair_hash(before: int, after: str) -> int:
    """Return the index of the pair of a syllable, given by its hash, and the next one."""
    return crc32(JOINED + after.encode(), before)


def folded_hash(plain: str) -> int:
    """Return the index of the folded term of all syllables that are `plain` without diacritics."""
    return crc32(plain.encode(), FOLDED)


def segmented_terms(segmented: str) -> tuple[list[int], list[int]]:
    """Return the indices of the exact and of the folded terms of a segmented text."""
    exact: list[int] = []
    folded: list[int] = []
    last: int | None = None  # the hash of the syllable before, of the same run
    plain_last = FOLDED
    was_accented = False
    for first, terms, next_last, plain_first, plain_terms, next_plain_last, is_accented in map(
        _word, segmented.split()
    ):
        if last is not None and first:
            exact.append(crc32(first, last))
            if was_accented or is_accented:
                folded.append(crc32(plain_first, plain_last))
        exact += terms
        folded += plain_terms
        last, plain_last, was_accented = next_last if first else None, next_plain_last, is_accented
    return exact, folded
