"""Workloads of every contender: short queries, passages in batches, and texts truncated to lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from typing import Final

from loadtests.benchmark.texts import Texts, truncate
from phoserve.text import TextPipeline

PASSAGES_A_REQUEST: Final = 32
LENGTHS: Final = (8, 16, 32, 64, 128, 256)
CLIENTS_OF_LENGTHS: Final = 8
TEXTS_OF_A_LENGTH: Final = 256


class Kind(StrEnum):
    """The kinds of workloads."""

    QUERIES = "queries"
    PASSAGES = "passages"
    LENGTHS = "lengths"


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts, the number per request, and the numbers of concurrent clients, each measured in its own run."""

    name: str
    texts: Sequence[str]
    size: int
    clients: Sequence[int]
    for_limit: int
    """Texts per round of the limit: about as many as a server processes."""
    tokens: int = 0
    """Tokens of each text if the workload varies them, else 0."""

    def requests(self, round_: int) -> Iterator[list[str]]:
        """Yield the texts of each request endlessly. In a round, every contender starts at the same text."""
        return batches(self.texts, self.size, start=round_ * self.for_limit)

    def figures(self) -> dict[str, float]:
        """Return the constant figures of its measurements."""
        return {"tokens": self.tokens} if self.tokens else {}

    def of_the_limit(self, round_: int) -> list[str]:
        """Return the limit's texts of a round: the first texts that servers receive."""
        return next(batches(self.texts, self.for_limit, start=round_ * self.for_limit))


def workloads(kinds: Sequence[Kind], texts: Texts, clients: Sequence[int], pipeline: TextPipeline) -> list[Workload]:
    """Return the workloads of `kinds`. Texts are truncated to the model's limit."""
    found = []
    if Kind.QUERIES in kinds:
        found.append(Workload("query", texts.queries, 1, clients, for_limit=160))
    if Kind.PASSAGES in kinds:
        name = f"{PASSAGES_A_REQUEST} passages"
        found.append(Workload(name, texts.passages, PASSAGES_A_REQUEST, [1], for_limit=PASSAGES_A_REQUEST))
    for tokens in LENGTHS if Kind.LENGTHS in kinds else ():
        if tokens <= pipeline.contract.max_tokens:
            of_length = truncate(texts.passages, tokens, TEXTS_OF_A_LENGTH, pipeline.count_tokens)
            few = min(64, 2048 // tokens)
            found.append(Workload(f"{tokens} tokens", of_length, 1, [CLIENTS_OF_LENGTHS], few, tokens))
    return found


def batches(texts: Sequence[str], size: int, *, start: int = 0) -> Iterator[list[str]]:
    """Yield batches of `size` texts endlessly, from the text `start` on."""
    source = islice(cycle(texts), start % len(texts), None)
    while True:
        yield list(islice(source, size))
