"""The terms of the words of a batch of texts, as operations on arrays.

The hash of a pair across two words follows from the hashes of its halves: CRC-32 is linear, so that
crc32(after, before) == shift(before, len(after)) ^ crc32(after), as zlib's `crc32_combine` has it.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from phoserve.text.folding import fold
from phoserve.text.memo import bounds, ranges
from phoserve.text.tones import modern_tones
from phoserve.text.vocabulary import Column, NumberedWords, RaggedColumn

JOINED: Final = b"_"
FOLDED: Final = crc32(b"folded:")
"""Hashes of folded terms start from here, so that they never equal an exact one."""
_LONGEST_SHIFT: Final = 64


class WordTerms(NamedTuple):
    """What one segmented word adds to the terms of its text; a mark adds nothing and ends a run."""

    first: bytes
    """Joined to the hash of the syllable before, it gives the pair across the two words; empty of a mark."""
    terms: tuple[int, ...]
    last: int
    """Hash of the last syllable."""
    plain_first: bytes
    plain_terms: tuple[int, ...]
    """Folded terms, of what is spelled with diacritics only."""
    plain_last: int
    is_accented: bool


MARK: Final = WordTerms(b"", (), 0, b"", (), FOLDED, False)


def terms_of_word(word: str) -> WordTerms:
    """Return the terms of a segmented word, whose syllables are joined by "_"."""
    found = [syllable for part in word.split("_") if (syllable := _syllable(part)) is not None]
    if not found:
        return MARK
    first, last = found[0], found[-1]
    if len(found) == 1:
        folded = (first.plain_hash,) if first.is_accented else ()
        return WordTerms(
            JOINED + first.spelled, (first.hash,), first.hash, JOINED + first.plain, folded, first.plain_hash,
            first.is_accented,
        )  # fmt: skip
    # crc32(b, crc32(a)) is crc32(a + b)
    pairs = [crc32(JOINED + after.spelled, before.hash) for before, after in pairwise(found)]
    whole = [crc32(JOINED.join([each.spelled for each in found]))] if len(found) > 2 else []
    plain = [each.plain_hash for each in found if each.is_accented]
    plain += [
        crc32(JOINED + after.plain, before.plain_hash)
        for before, after in pairwise(found)
        if before.is_accented or after.is_accented
    ]
    return WordTerms(
        JOINED + first.spelled,
        (*[each.hash for each in found], *pairs, *whole),
        last.hash,
        JOINED + first.plain,
        tuple(plain),
        last.plain_hash,
        any(each.is_accented for each in found),
    )


class _Syllable(NamedTuple):
    spelled: bytes
    hash: int
    plain: bytes
    plain_hash: int
    is_accented: bool


@lru_cache(maxsize=1 << 15)
def _syllable(part: str) -> _Syllable | None:
    """Return a syllable in small letters and with and without its diacritics; None for marks."""
    if not (part.isalnum() or any(map(str.isalnum, part))):
        return None
    modern = modern_tones(part.lower())
    spelled, plain = modern.encode(), fold(modern).encode()
    return _Syllable(spelled, crc32(spelled), plain, crc32(plain, FOLDED), spelled != plain)


class WordTermsTable:
    """`terms_of_word` of each word of a vocabulary, in arrays."""

    def __init__(self) -> None:
        self._terms = RaggedColumn(np.uint32)
        """Exact terms, then folded ones."""
        self._exact = Column(np.int64)
        """How many terms are exact."""
        self._is_word = Column(np.bool_)
        self._is_accented = Column(np.bool_)
        self._spelled = _Ends()
        self._plain = _Ends()

    def terms_of(self, words: NumberedWords) -> list[tuple[NDArray[np.uint32], int]]:
        """Return all terms of each text, with repetitions, and how many of them are exact."""
        self._extend(words.vocabulary.words)
        numbers, offsets = words.numbers, words.offsets
        paired = self._pairs(numbers, offsets)
        accented = self._is_accented.take(numbers)
        accented[1:] |= accented[:-1].copy()  # of this word or the one before
        also_folded = paired & accented
        counts = self._terms.counts(numbers)
        places = bounds(counts + paired + also_folded)
        found = np.empty(places[-1], np.uint32)
        found[ranges(places[:-1], counts)] = self._terms.flat(numbers, counts)
        [at] = np.nonzero(paired)
        found[places[at] + counts[at]] = self._spelled.joined(numbers[at - 1], numbers[at])
        [at] = np.nonzero(also_folded)
        found[places[at] + counts[at] + 1] = self._plain.joined(numbers[at - 1], numbers[at])
        exact = np.diff(bounds(self._exact.take(numbers) + paired)[offsets]).tolist()
        edges = places[offsets].tolist()
        return [(found[start:end], each) for start, end, each in zip(edges, edges[1:], exact, strict=False)]

    def _pairs(self, numbers: NDArray[np.int32], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each word makes a pair with the one before it: both are words of the same text."""
        is_word = self._is_word.take(numbers)
        paired = is_word.copy()
        paired[1:] &= is_word[:-1]
        firsts = offsets[:-1]
        paired[firsts[firsts < len(numbers)]] = False
        return paired

    def _extend(self, words: Sequence[str]) -> None:
        new = [terms_of_word(word) for word in words[len(self._exact) :]]
        if new:
            self._terms.extend([each.terms + each.plain_terms for each in new])
            self._exact.extend([len(each.terms) for each in new])
            self._is_word.extend([bool(each.first) for each in new])
            self._is_accented.extend([each.is_accented for each in new])
            self._spelled.extend([each.first for each in new], [each.last for each in new])
            self._plain.extend([each.plain_first for each in new], [each.plain_last for each in new])


class _Ends:
    """The first syllables of words with the mark that joins them, and the hashes of their last syllables."""

    def __init__(self) -> None:
        self._first = Column(np.uint32)
        self._length = Column(np.int64)
        self._last = Column(np.uint32)
        self._long: dict[int, bytes] = {}

    def extend(self, firsts: Sequence[bytes], lasts: Sequence[int]) -> None:
        known = len(self._first)
        self._long |= {known + n: first for n, first in enumerate(firsts) if len(first) > _LONGEST_SHIFT}
        self._first.extend([crc32(first) for first in firsts])
        self._length.extend([len(first) for first in firsts])
        self._last.extend(lasts)

    def joined(self, before: NDArray[np.int32], after: NDArray[np.int32]) -> NDArray[np.uint32]:
        """Return the hashes of the pairs of the last syllable of each word and the first of the next."""
        last, lengths = self._last.take(before), self._length.take(after)
        pairs: NDArray[np.uint32] = _shift(last, np.minimum(lengths, _LONGEST_SHIFT)) ^ self._first.take(after)
        for at in np.flatnonzero(lengths > _LONGEST_SHIFT).tolist():
            pairs[at] = crc32(self._long[int(after[at])], int(last[at]))
        return pairs


def _shift(values: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return each CRC-32 followed by that many zero bytes, without the final constant."""
    tables = _shift_tables()
    base = lengths * 1024
    shifted: NDArray[np.uint32] = tables[base + (values & 0xFF)]
    for byte in range(1, 4):
        shifted ^= tables[base + (byte * 256) + ((values >> np.uint32(8 * byte)) & 0xFF)]
    return shifted


@cache
def _shift_tables() -> NDArray[np.uint32]:
    """Return what each value of each of four bytes becomes after 0 to `_LONGEST_SHIFT` bytes."""
    rows = [[value << (8 * byte) for value in range(256)] for byte in range(4)]
    zero = crc32(b"\0")
    once = np.array([[crc32(b"\0", value) ^ zero for value in row] for row in rows], np.uint32)
    tables = [np.array(rows, np.uint32)]
    for _ in range(_LONGEST_SHIFT):
        before = tables[-1]
        after: NDArray[np.uint32] = once[0][before & 0xFF]
        for byte in range(1, 4):
            after = after ^ once[byte][(before >> np.uint32(8 * byte)) & 0xFF]
        tables.append(after)
    return np.stack(tables).reshape(-1)
