"""How rare the terms of a query are, counted next to the engine.

The engine selects the passages of the corpus again for every search, which takes longer than the search itself. Here
the passages with each term are counted as they are written, apart for each collection and each set of groups, so that
an audience's corpus is the sum of the sets that it sees: no other passage has any influence.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phoserve.documents.access import Access, Audience

MOST_SETS: Final = 64
"""Different sets of groups in a collection. With more, the engine selects the corpus: sums would take as long."""
_LEAST_RECENT: Final = 64
_MOST_RECENT: Final = 200_000
_RECENT_SHARE: Final = 8
_MOST_LATER: Final = 2_000_000

Terms = NDArray[np.uint32]


class CountedPassage(NamedTuple):
    """What is counted of a passage."""

    id: str
    collection: str
    access: Access
    terms: Sequence[int]
    """Distinct."""


class TermCounts:
    """In how many passages each term occurs. One thread changes it while others read."""

    def __init__(self) -> None:
        """Begin without passages."""
        self.passages = 0
        self._later: list[Terms] = []
        self._terms_later = 0
        # Sorted terms and their counts, and what changed since: 8 bytes a term instead of a hundred.
        self._state: tuple[Terms, NDArray[np.int32], Counter[int]] = (
            np.empty(0, np.uint32),
            np.empty(0, np.int32),
            Counter(),
        )

    def add(self, terms: Sequence[int]) -> None:
        """Count one passage more, with these distinct terms."""
        self.passages += 1
        self._state[2].update(terms)
        self._merge()

    def remove(self, terms: Sequence[int]) -> None:
        """Count one passage less."""
        self.passages -= 1
        self._state[2].subtract(terms)
        self._merge()

    def of(self, terms: Terms) -> NDArray[np.int64]:
        """Return the number of passages with each of the terms."""
        known, counts, recent = self._state
        found = np.array([recent.get(term, 0) for term in terms.tolist()], np.int64)
        if len(known):
            at = np.minimum(np.searchsorted(known, terms), len(known) - 1)
            found += np.where(known[at] == terms, counts[at], 0)
        return found

    def add_later(self, terms: Sequence[int]) -> None:
        """Count one passage more, when many are there or `settle` is called: a third of the time of `add`."""
        self.passages += 1
        self._later.append(np.array(terms, np.uint32))
        self._terms_later += len(terms)
        if self._terms_later >= _MOST_LATER:
            self.settle()

    def settle(self) -> None:
        """Count what was to be counted later."""
        if self._later:
            terms, counts = np.unique(np.concatenate(self._later), return_counts=True)
            self._later, self._terms_later = [], 0
            self._state = (*_combined(self._state[0], self._state[1], terms, counts.astype(np.int32)), self._state[2])

    def _merge(self) -> None:
        known, counts, recent = self._state
        if len(recent) < min(max(len(known) // _RECENT_SHARE, _LEAST_RECENT), _MOST_RECENT):
            return
        terms = np.fromiter(recent, np.uint32, len(recent))
        changes = np.fromiter(recent.values(), np.int32, len(recent))
        order = np.argsort(terms)
        self._state = (*_combined(known, counts, terms[order], changes[order]), Counter())


def _combined(
    known: Terms, counts: NDArray[np.int32], terms: Terms, changes: NDArray[np.int32]
) -> tuple[Terms, NDArray[np.int32]]:
    """Return sorted terms and their counts after these changes of distinct sorted terms."""
    at = np.searchsorted(known, terms)
    is_known = known[np.minimum(at, len(known) - 1)] == terms if len(known) else np.zeros(len(terms), bool)
    counts = counts.copy()
    counts[at[is_known]] += changes[is_known]
    known = np.insert(known, at[~is_known], terms[~is_known])
    counts = np.insert(counts, at[~is_known], changes[~is_known])
    left = counts != 0
    return (known, counts) if left.all() else (known[left], counts[left])


class Frequencies:
    """Counts of the passages that were counted so far: those with smaller ids than `counted_to`, or all."""

    def __init__(self, *, complete: bool) -> None:
        """Begin with an index that is empty (`complete`), or whose passages are to be counted."""
        self._sets: dict[str, dict[Access, TermCounts] | None] = {}
        self.complete = complete
        self.counted_to: str | None = None

    @property
    def has_begun(self) -> bool:
        """Return whether changes have to be counted."""
        return self.complete or self.counted_to is not None

    def reset(self) -> None:
        """Forget all counts: what the index contains is unknown."""
        self._sets = {}
        self.complete = False
        self.counted_to = None

    def forget(self, collection: str) -> None:
        """Forget a collection whose passages were all removed."""
        self._sets.pop(collection, None)

    def add(self, passages: Iterable[CountedPassage]) -> None:
        """Count passages that were added to the index. Those that are counted later are left out."""
        for each in passages:
            if self._includes(each.id) and (counts := self._counts(each)) is not None:
                counts.add(each.terms)

    def remove(self, passages: Iterable[CountedPassage]) -> None:
        """Count passages that were removed."""
        for each in passages:
            if self._includes(each.id) and (counts := self._counts(each)) is not None:
                counts.remove(each.terms)

    def count_page(self, passages: Iterable[CountedPassage], following: str | None) -> None:
        """Count passages that were there already, whose ids follow those before. `following` is the next one's id."""
        for each in passages:
            if (counts := self._counts(each)) is not None:
                counts.add_later(each.terms)
        if following is None:
            for sets in self._sets.values():
                for counts in (sets or {}).values():
                    counts.settle()
        self.counted_to, self.complete = following, following is None

    def weights(self, collection: str, audience: Audience, terms: Terms) -> NDArray[np.float64] | None:
        """Return BM25's inverse document frequency of each term among what the audience sees, None if it is unknown.

        ln(1 + (N - n + 0.5) / (n + 0.5)), Robertson and Zaragoza (2009), as the engine computes it.
        """
        sets = self._sets.get(collection, {})
        if not self.complete or audience.hidden_keys or sets is None:
            return None
        seen = [counts for access, counts in list(sets.items()) if audience.sees(access)]
        passages = sum(counts.passages for counts in seen)
        having = sum((counts.of(terms) for counts in seen), np.zeros(len(terms), np.int64))
        having = np.clip(having, 0, passages)  # a write may have changed one of both
        return np.log1p((passages - having + 0.5) / (having + 0.5))

    def _includes(self, id_: str) -> bool:
        return self.complete or (self.counted_to is not None and id_ < self.counted_to)

    def _counts(self, passage: CountedPassage) -> TermCounts | None:
        sets = self._sets.setdefault(passage.collection, {})
        if sets is None:
            return None
        counts = sets.get(passage.access)
        if counts is None:
            if len(sets) >= MOST_SETS:
                sets = {access: each for access, each in sets.items() if each.passages}
            if len(sets) >= MOST_SETS:
                self._sets[passage.collection] = None
                return None
            counts = TermCounts()
            self._sets[passage.collection] = {**sets, passage.access: counts}
        return counts
