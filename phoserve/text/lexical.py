"""Lexical terms for BM25, as a sparse vector.

Words, their syllables and pairs of neighbouring syllables; the same without diacritics; canonical forms of numbers and
codes; the articles of a law. A syllable alone is vague, and a word may be segmented differently in a query and in a
passage; pairs are as specific as words and always the same. No pair crosses a mark. Figures: docs/text.md and
docs/adr/0011.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from phoserve.text.articles import parts_of
from phoserve.text.codes import codes_in
from phoserve.text.folding import fold
from phoserve.text.normalise import strip_invisible
from phoserve.text.pipeline import TextPipeline
from phoserve.text.tones import modern_tones

TERMS_VERSION: Final = 2
"""Of what is indexed. 1: words, syllables, pairs. 2: also folded terms, canonical forms and articles. A query finds the
words of passages of either version; to find the rest in older passages, index them again."""

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
K1: Final = 1.2
B: Final = 0.75
AVERAGE_TERMS: Final = 300.0

_JOINED: Final = b"_"
_FOLDED: Final = crc32(b"folded:")
"""Hashes of folded terms start from here, so that they never equal an exact one."""


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights; indices ascend and are distinct."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


class _Word(NamedTuple):
    """What one segmented word adds to the terms of its text; a mark adds nothing and ends a run."""

    first: bytes
    """Joined to the hash of the syllable before, it gives the pair across the two words."""
    terms: tuple[int, ...]
    last: int | None
    plain_first: bytes
    plain_terms: tuple[int, ...]
    """Folded terms, of what is spelled with diacritics only."""
    plain_last: int
    is_accented: bool


_MARK: Final = _Word(b"", (), None, b"", (), _FOLDED, False)


def passage_terms(pipeline: TextPipeline, texts: Sequence[str]) -> list[SparseVector]:
    """Return BM25's term-frequency part of each text; the index multiplies by the inverse document frequency."""
    visible = [strip_invisible(text) for text in texts]
    return [
        segmented_vector(segmented, text) for text, segmented in zip(visible, pipeline.segment(visible), strict=True)
    ]


def segmented_vector(segmented: str, text: str) -> SparseVector:
    """Return `passage_terms` of one visible text that is segmented already."""
    exact, folded = segmented_terms(segmented)
    # Length is that of the exact terms: what is found by them scores as if there were no others.
    saturation = K1 * (1 - B + B * len(exact) / AVERAGE_TERMS)
    others = [term_hash(form) for code in codes_in(text) for form in code.forms]
    others += [term_hash(part) for part in parts_of(text)]
    indices, counts = np.unique(np.array(exact + folded + others, np.uint32), return_counts=True)
    return SparseVector(indices, (counts * (K1 + 1) / (counts + saturation)).astype(np.float32))


def term_hash(term: str) -> int:
    """Return the index of an exact term in a sparse vector."""
    return crc32(term.encode())


def pair_hash(before: int, after: str) -> int:
    """Return the index of the pair of a syllable, given by its hash, and the next one."""
    return crc32(_JOINED + after.encode(), before)


def folded_hash(plain: str) -> int:
    """Return the index of the folded term of all syllables that are `plain` without diacritics."""
    return crc32(plain.encode(), _FOLDED)


def segmented_terms(segmented: str) -> tuple[list[int], list[int]]:
    """Return the indices of the exact and of the folded terms of a segmented text."""
    exact: list[int] = []
    folded: list[int] = []
    last: int | None = None  # the hash of the syllable before, of the same run
    plain_last = _FOLDED
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
        last, plain_last, was_accented = next_last, next_plain_last, is_accented
    return exact, folded


@lru_cache(maxsize=1 << 17)
def _word(word: str) -> _Word:
    """The terms of a segmented word, whose syllables are joined by "_"."""
    parts = [part for part in modern_tones(word.lower()).split("_") if any(map(str.isalnum, part))]
    if not parts:
        return _MARK
    syllables = [part.encode() for part in parts]
    hashes = [crc32(syllable) for syllable in syllables]
    # crc32(b, crc32(a)) is crc32(a + b)
    pairs = [crc32(_JOINED + after, before) for before, after in zip(hashes, syllables[1:], strict=False)]
    whole = [crc32(_JOINED.join(syllables))] if len(syllables) > 2 else []
    plain = [fold(part).encode() for part in parts]
    plain_hashes = [crc32(syllable, _FOLDED) for syllable in plain]
    accented = [one != other for one, other in zip(plain, syllables, strict=True)]
    folded = [each for each, is_accented in zip(plain_hashes, accented, strict=True) if is_accented]
    for at, after in enumerate(plain[1:]):
        if accented[at] or accented[at + 1]:
            folded.append(crc32(_JOINED + after, plain_hashes[at]))
    return _Word(
        _JOINED + syllables[0],
        (*hashes, *pairs, *whole),
        hashes[-1],
        _JOINED + plain[0],
        tuple(folded),
        plain_hashes[-1],
        any(accented),
    )
