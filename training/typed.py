"""Labelled queries as people type them: without diacritics, with some, with a typing error."""

import random
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from phoserve.text.folding import fold

Typed = Callable[[str], str]


def as_written(query: str) -> str:
    """Return `query`, in normal form C."""
    return unicodedata.normalize("NFC", query)


def stripped(query: str) -> str:
    """Return `query` without diacritics."""
    return fold(as_written(query))


def mixed(query: str) -> str:
    """Return `query` with half of its words, chosen at random, without diacritics."""
    rng = random.Random(query)  # noqa: S311 - repeatable, not secret
    return " ".join(fold(word) if rng.random() < 0.5 else word for word in as_written(query).split(" "))


def mistyped(query: str) -> str:
    """Return `query` without diacritics, with two neighbouring letters of one word swapped."""
    rng = random.Random(query)  # noqa: S311
    words = stripped(query).split(" ")
    at = rng.randrange(len(words))
    word = words[at]
    if len(word) > 2:
        swap = rng.randrange(len(word) - 1)
        words[at] = word[:swap] + word[swap + 1] + word[swap] + word[swap + 2 :]
    return " ".join(words)


TYPED: Final[Mapping[str, Typed]] = {"written": as_written, "stripped": stripped, "mixed": mixed, "mistyped": mistyped}
