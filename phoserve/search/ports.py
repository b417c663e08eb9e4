"""The ports of search: the passages it finds and the cross-encoder that reorders them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from phoserve.documents.access import READERS, Audience
from phoserve.documents.filters import Filter
from phoserve.documents.ports import ActivePassageStore
from phoserve.documents.records import Passage
from phoserve.text import ReadQuery, SparseVector


@dataclass(frozen=True, slots=True)
class ScoredId:
    """The id of a passage found by a search; scores of one search compare, those of different methods do not."""

    id: str
    score: float


class PassageSearch(Protocol):
    """Finds published passages by vector and by terms, never outside the given collection or the audience's sight.

    Every method raises Unavailable while the engine does not answer.
    """

    async def nearest(
        self,
        collection: str,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the passages whose vectors are closest to `vector`, float32 of shape (dim,), best first."""
        ...

    async def matching(
        self,
        collection: str,
        terms: SparseVector,
        *,
        limit: int,
        where: Filter | None = None,
        audience: Audience = READERS,
    ) -> list[ScoredId]:
        """Return the passages with the highest BM25 score for `terms`, best first.

        How rare a term is depends on what the audience may see of the collection.
        """
        ...

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> Mapping[str, Passage]:
        """Return the passages that are still published and visible, by id."""
        ...


class PassageIndex(ActivePassageStore, PassageSearch, Protocol):
    """Everything an index adapter provides: what ingestion writes and what search reads."""


class AccessGuard(Protocol):
    """Knows which documents an audience may not see although the index would still find them."""

    async def narrow(self, audience: Audience) -> Audience:
        """Return the audience without these documents."""
        ...


class QueryReading(Protocol):
    """Understands queries: `phoserve.text.QueryReader`."""

    def read(self, text: str) -> ReadQuery:
        """Return what `text` asks for."""
        ...

    def read_again(self, asked: ReadQuery, found: Sequence[tuple[str, float]]) -> ReadQuery:
        """Return what was asked for, judged by passages with scores that a search found; `asked` if nothing changes."""
        ...


class Reranker(Protocol):
    """Scores passages against a query by reading both together."""

    @property
    def name(self) -> str: ...

    async def rerank(
        self, query: str, passages: Sequence[str], *, timeout_s: float | None = None
    ) -> NDArray[np.float32]:
        """Score each passage, float32 of shape (passages,), higher is better; scores of two queries do not compare.

        Raises InvalidInput, Overloaded, Unavailable or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...
