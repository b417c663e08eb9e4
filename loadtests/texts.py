"""Queries and passages of the simulated users: the sample corpus, or your own JSONL files."""

import random
from dataclasses import dataclass
from pathlib import Path

from cli import samples
from loadtests.benchmark.texts import read_passages, read_queries

BATCH_SIZES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Texts:
    """Short queries and longer passages, in the proportions of their files."""

    queries: tuple[str, ...]
    passages: tuple[str, ...]

    def query(self) -> str:
        """Return a query with a number that prevents cache hits."""
        return f"{random.choice(self.queries)} {random.randrange(1_000_000)}"  # noqa: S311

    def batch(self) -> list[str]:
        """Return passages of mixed lengths."""
        return random.choices(self.passages, k=random.choice(BATCH_SIZES))  # noqa: S311

    def passage(self) -> str:
        """Return a passage."""
        return random.choice(self.passages)  # noqa: S311


def load_texts(queries: Path | None, corpus: Path | None) -> Texts:
    """Queries ({"query"}) and passages ({"text"}) from JSONL files, .gz or not; the samples without files."""
    asked = read_queries(queries) if queries else [q.query for q in samples.questions()]
    told = read_passages(corpus) if corpus else _sample_passages()
    return Texts(tuple(asked), tuple(told))


def _sample_passages() -> list[str]:
    """Return the samples' paragraphs: from a heading of three words to a whole rule."""
    return [part for document in samples.documents() for part in document.text.split("\n\n") if part.strip()]
