"""Texts as bags of tokens: sparse rows of square roots of counts, and batches of pairs of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from export.graph import Array
from phoserve.embedding.ports import FloatMatrix
from training.corpus import Tokens
from training.pairs import Pair

Teacher = Callable[[Sequence[Tokens]], FloatMatrix]
"""Embeds texts, given as the student's token ids, as unit vectors."""

CHUNK: Final = 20_000
CLUSTER_SAMPLE: Final = 20_000
CLUSTER_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """Bags of queries and passages, sparse (pairs, vocabulary). Pairs with an equal `document` are not negatives."""

    queries: Any
    passages: Any
    documents: NDArray[np.int64]
    teacher: tuple[FloatMatrix, FloatMatrix] | None
    """The teacher's unit vectors of the queries and of the passages, if there is a teacher."""


class PairBags:
    """The pairs of a training run, ordered so that hard negatives are neighbours."""

    def __init__(self, pairs: Iterable[Pair], vocabulary: int, teacher: Teacher | None = None) -> None:
        queries, passages, documents = [], [], []
        views: list[tuple[FloatMatrix, FloatMatrix]] = []
        remaining = iter(pairs)
        while chunk := list(islice(remaining, CHUNK)):
            queries.append(bags([pair.query for pair in chunk], vocabulary))
            passages.append(bags([pair.passage for pair in chunk], vocabulary))
            documents += [pair.document for pair in chunk]
            if teacher:
                views.append((teacher([pair.query for pair in chunk]), teacher([pair.passage for pair in chunk])))
        self.queries = sparse.vstack(queries, format="csr")
        self.passages = sparse.vstack(passages, format="csr")
        self.documents = np.array(documents)
        self.teacher = _stack_rows(views)

    def __len__(self) -> int:
        return len(self.documents)

    def inverse_document_frequency(self) -> NDArray[np.float32]:
        """Return ln((pairs + 1) / (passages with the token + 1)) + 0.1 of each token, which is never zero."""
        frequency = np.bincount(self.passages.indices, minlength=self.passages.shape[1])
        weights: NDArray[np.float32] = (np.log((len(self) + 1) / (frequency + 1)) + 0.1).astype(np.float32)
        return weights

    def batches(self, size: int, run: int, random: np.random.Generator) -> Iterator[Batch]:
        """Yield batches of `size` pairs from random runs of `run` neighbours, which mix hard and easy negatives."""
        starts = np.arange(int(random.integers(run)), len(self) - run + 1, run)
        random.shuffle(starts)
        order = (starts[:, None] + np.arange(run)).ravel()
        for first in range(0, len(order) - size + 1, size):
            rows = np.sort(order[first : first + size])
            yield Batch(self.queries[rows], self.passages[rows], self.documents[rows], _rows(self.teacher, rows))

    def sort_by_topic(self, table: Array, topics: int, random: np.random.Generator) -> None:
        """Order the pairs by the topic of their passage: spherical k-means over their vectors in `table`."""
        first = np.flatnonzero(np.diff(self.documents, prepend=-1))
        sample = self._vectors(table, np.sort(random.choice(first, min(CLUSTER_SAMPLE, len(first)), replace=False)))
        centres = sample[random.choice(len(sample), min(topics, len(sample)), replace=False)]
        for _ in range(CLUSTER_ROUNDS):
            nearest = (sample @ centres.T).argmax(axis=1)
            sums = np.zeros_like(centres)
            np.add.at(sums, nearest, sample)
            centres = _unit(np.where(sums.any(axis=1, keepdims=True), sums, centres))
        chunks = [first[start : start + CHUNK] for start in range(0, len(first), CHUNK)]
        topic = np.concatenate([(self._vectors(table, chunk) @ centres.T).argmax(axis=1) for chunk in chunks])
        topic = np.repeat(topic, np.diff(first, append=len(self)))
        order = np.lexsort((random.random(len(self)), topic))
        self.queries, self.passages = self.queries[order], self.passages[order]
        self.documents, self.teacher = self.documents[order], _rows(self.teacher, order)

    def _vectors(self, table: Array, rows: Array) -> Array:
        return _unit(self.passages[rows] @ table)


def bags(texts: Sequence[Tokens], vocabulary: int) -> Any:
    """Return a sparse float32 matrix (texts, vocabulary) of the square roots of token counts."""
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    flat = np.concatenate(texts).astype(np.int64)
    keys, counts = np.unique(owner * vocabulary + flat, return_counts=True)
    starts = np.searchsorted(keys // vocabulary, np.arange(len(texts) + 1))
    weights = np.sqrt(counts).astype(np.float32)
    return sparse.csr_array((weights, keys % vocabulary, starts), shape=(len(texts), vocabulary))


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit


def _stack_rows(views: Sequence[tuple[FloatMatrix, FloatMatrix]]) -> tuple[FloatMatrix, FloatMatrix] | None:
    return (np.concatenate([each[0] for each in views]), np.concatenate([each[1] for each in views])) if views else None


def _rows(views: tuple[FloatMatrix, FloatMatrix] | None, rows: Array) -> tuple[FloatMatrix, FloatMatrix] | None:
    return (views[0][rows], views[1][rows]) if views else None
