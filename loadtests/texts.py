"""What the simulated users ask, embed and upload: the sample corpus, or any JSONL files of yours."""

import random
from dataclasses import dataclass
from pathlib import Path

from cli import samples
from loadtests.benchmark.texts import read_passages, read_queries

BATCH_SIZES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Texts:
    """Short queries and longer passages, in the proportions in which they were given."""

    queries: tuple[str, ...]
    passages: tuple[str, ...]

    def query(self) -> str:
        """One query; the added number keeps it out of the query cache."""
        return f"{random.choice(self.queries)} {random.randrange(1_000_000)}"  # noqa: S311

    def batch(self) -> list[str]:
        """Passages of mixed lengths, as an application embeds them."""
        return random.choices(self.passages, k=random.choice(BATCH_SIZES))  # noqa: S311

    def passage(self) -> str:
        """One passage."""
        return random.choice(self.passages)  # noqa: S311


def load_texts(queries: Path | None, corpus: Path | None) -> Texts:
    """Queries ({"query"}) and passages ({"text"}) of JSONL files, .gz or not; the samples where none is given."""
    asked = read_queries(queries) if queries else [q.query for q in samples.questions()]
    told = read_passages(corpus) if corpus else _sample_passages()
    return Texts(tuple(asked), tuple(told))


def _sample_passages() -> list[str]:
    """The samples' paragraphs: from a heading of three words to a whole rule."""
    return [part for document in samples.documents() for part in document.text.split("\n\n") if part.strip()]
