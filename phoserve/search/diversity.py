"""Keep copies of the same passage from filling a page, and spread a page over different passages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from phoserve.search.highlights import content_syllables, folded

T = TypeVar("T")
SAME: Final = 0.9
"""Jaccard similarity of runs of words from which two passages count as one."""
RUN: Final = 3
_WORD: Final = re.compile(r"[^\W_]+")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What of a passage is compared: its words in runs of three, and its numbers."""

    runs: frozenset[tuple[str, ...]]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Fingerprint":
        """Return the fingerprint of `text`; case, marks and white space do not matter."""
        words = [folded(word) for word in _WORD.findall(text)]
        length = min(RUN, len(words))
        runs = frozenset(tuple(words[at : at + length]) for at in range(len(words) - length + 1))
        return cls(runs, tuple(_NUMBER.findall(text)))

    def is_copy_of(self, other: "Fingerprint") -> bool:
        """Return whether both are the same but for a few words. Texts whose numbers differ never are."""
        return self.numbers == other.numbers and _overlap(self.runs, other.runs) >= SAME


def group_copies(texts: Sequence[str]) -> list[list[int]]:
    """Return groups of positions of `texts` that are copies of their first one; groups and members in order."""
    groups: list[list[int]] = []
    firsts: list[Fingerprint] = []
    for position, text in enumerate(texts):
        print_ = Fingerprint.of(text)
        for group, first in zip(groups, firsts, strict=True):
            if print_.is_copy_of(first):
                group.append(position)
                break
        else:
            groups.append([position])
            firsts.append(print_)
    return groups


def diversify(texts: Sequence[str], scores: Sequence[float], diversity: float) -> list[int]:
    """Return positions in the order of maximal marginal relevance (Carbonell and Goldstein 1998).

    Each next one has the highest (1 - diversity) * score - diversity * (greatest similarity to one before it). Scores
    are scaled to [0, 1]; similarity is the share of content words in common. `diversity` 0 keeps the order of
    `scores`, best first.
    """
    words = [content_syllables(text) for text in texts]
    top, bottom = (max(scores), min(scores)) if scores else (0.0, 0.0)
    relevance = [(score - bottom) / (top - bottom) if top > bottom else 1.0 for score in scores]
    nearest = [0.0] * len(texts)
    left, order = list(range(len(texts))), []
    while left:
        best = max(left, key=lambda at: ((1 - diversity) * relevance[at] - diversity * nearest[at], -at))
        left.remove(best)
        order.append(best)
        for at in left:
            nearest[at] = max(nearest[at], _overlap(words[at], words[best]))
    return order


def _overlap(one: frozenset[T], other: frozenset[T]) -> float:
    """The share that both have of what either has (Jaccard), 0 to 1."""
    either = len(one | other)
    return len(one & other) / either if either else 1.0
