"""Vietnamese texts for benchmarks: distinct short queries and passages."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

import cli.samples
from cli.rows import read_rows
from phoserve.errors import ConfigurationError

SAMPLES = Path(cli.samples.__file__).parent
MANY = 4000
"""Number of texts generated from the samples without files."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Queries and passages in a fixed, shuffled order."""

    queries: list[str]
    passages: list[str]
    source: str

    @classmethod
    def load(cls, queries: Path | None, passages: Path | None) -> "Texts":
        """Load JSON lines ({"query"} and {"text"}, .gz or not), or generate texts from the sample documents."""
        found = read_queries(queries) if queries else sample_queries()
        texts = read_passages(passages) if passages else sample_passages()
        if not found or not texts:
            raise ConfigurationError("the files of texts are empty")
        source = ", ".join(path.name if path else "samples" for path in (queries, passages))
        return cls(shuffle(found), shuffle(texts), source)


class _Query(msgspec.Struct):
    query: str


class _Passage(msgspec.Struct):
    text: str


def read_queries(path: Path) -> list[str]:
    """Read the distinct queries of a file with rows {"query"}."""
    return _distinct([row.query for row in read_rows(path, _Query)])


def read_passages(path: Path) -> list[str]:
    """Read the distinct passages of a file with rows {"text"}."""
    return _distinct([row.text for row in read_rows(path, _Passage)])


def sample_queries() -> list[str]:
    """Return the sample questions, then questions that join the halves of two of them."""
    questions = read_queries(SAMPLES / "questions.jsonl")
    mixed = (_halves(first, second) for first in questions for second in questions if first != second)
    return questions + _distinct(list(islice(mixed, MANY)))


def sample_passages() -> list[str]:
    """Return windows of about 130 syllables over the sample documents, every 40."""
    words = [path.read_text(encoding="utf-8").split() for path in sorted((SAMPLES / "documents").iterdir())]
    windows = [" ".join(each[at : at + 130]) for each in words for at in range(0, max(1, len(each) - 60), 40)]
    return _distinct(windows)


def shuffle(texts: Sequence[str]) -> list[str]:
    """Shuffle with a fixed seed."""
    return random.Random(0).sample(texts, len(texts))  # noqa: S311 - an order, no secret


def truncate(
    texts: Sequence[str], tokens: int, count: int, count_tokens: Callable[[list[str]], NDArray[np.int32]]
) -> list[str]:
    """Return `count` texts of words in `texts`, each with at most `tokens` tokens and nearly as many."""
    words = [word for text in texts for word in text.split()]
    starts = [number * len(words) // count for number in range(count)]
    words += words[: 2 * tokens]
    fits, too_many = np.ones(count, np.int64), np.full(count, tokens + 1)
    while (too_many - fits > 1).any():
        middle = (fits + too_many) // 2
        found = count_tokens([" ".join(words[start : start + n]) for start, n in zip(starts, middle, strict=True)])
        fits, too_many = np.where(found <= tokens, middle, fits), np.where(found > tokens, middle, too_many)
    return [" ".join(words[start : start + n]) for start, n in zip(starts, fits, strict=True)]


def _halves(first: str, second: str) -> str:
    one, two = first.split(), second.split()
    return " ".join(one[: len(one) // 2] + two[len(two) // 2 :])


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text.strip() for text in texts if text.strip()))
