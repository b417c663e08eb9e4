"""What is asked of every contender: short queries, passages in batches, and texts cut to lengths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from typing import Final

from loadtests.benchmark.texts import Texts, cut
from phoserve.text import TextPipeline

PASSAGES_A_REQUEST: Final = 32
LENGTHS: Final = (8, 16, 32, 64, 128, 256)
CLIENTS_OF_LENGTHS: Final = 8
TEXTS_OF_A_LENGTH: Final = 256


class Kind(StrEnum):
    """Which workloads are run."""

    QUERIES = "queries"
    PASSAGES = "passages"
    LENGTHS = "lengths"


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts, how many of them a request has, and the numbers of clients that ask at once, each in a run of its own."""

    name: str
    texts: Sequence[str]
    size: int
    clients: Sequence[int]
    for_limit: int
    """Texts a round of the limit: about as many as a server gets through."""
    tokens: int = 0
    """Of each text, where that is what differs; else 0."""

    def requests(self, round_: int) -> Iterator[list[str]]:
        """The texts of each request, without end; in a round, every contender begins at the same place."""
        return batches(self.texts, self.size, start=round_ * self.for_limit)

    def figures(self) -> dict[str, float]:
        """What its measurements say beside what was measured."""
        return {"tokens": self.tokens} if self.tokens else {}

    def of_the_limit(self, round_: int) -> list[str]:
        """What the limit computes in a round: the first texts that servers are asked."""
        return next(batches(self.texts, self.for_limit, start=round_ * self.for_limit))


def workloads(kinds: Sequence[Kind], texts: Texts, clients: Sequence[int], pipeline: TextPipeline) -> list[Workload]:
    """Those of `kinds`; texts are cut to no more tokens than the model takes."""
    found = []
    if Kind.QUERIES in kinds:
        found.append(Workload("query", texts.queries, 1, clients, for_limit=160))
    if Kind.PASSAGES in kinds:
        name = f"{PASSAGES_A_REQUEST} passages"
        found.append(Workload(name, texts.passages, PASSAGES_A_REQUEST, [1], for_limit=PASSAGES_A_REQUEST))
    for tokens in LENGTHS if Kind.LENGTHS in kinds else ():
        if tokens <= pipeline.contract.max_tokens:
            of_length = cut(texts.passages, tokens, TEXTS_OF_A_LENGTH, pipeline.count_tokens)
            few = min(64, 2048 // tokens)
            found.append(Workload(f"{tokens} tokens", of_length, 1, [CLIENTS_OF_LENGTHS], few, tokens))
    return found


def batches(texts: Sequence[str], size: int, *, start: int = 0) -> Iterator[list[str]]:
    """`size` texts a time, without end, from the text number `start` on."""
    source = islice(cycle(texts), start % len(texts), None)
    while True:
        yield list(islice(source, size))
