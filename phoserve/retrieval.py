"""Find the passages that best answer a query: by meaning, by words, or by both."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice, zip_longest
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from phoserve.contract import Fusion, InputType
from phoserve.deadline import Deadline
from phoserve.documents import Passage
from phoserve.errors import InvalidInput, PhoserveError
from phoserve.filters import Filter
from phoserve.fusion import FUSION_DEPTH, fuse
from phoserve.highlights import Span, highlights
from phoserve.ports import Embedder, PassageIndex, Reranker, ScoredPassage, Terms
from phoserve.timings import Timings

OVERFETCH: Final = 4
RERANK_DEPTH: Final = 30


class SearchMode(StrEnum):
    """What counts: meaning (`dense`), words (`lexical`), or both (`hybrid`)."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for, and how."""

    text: str
    mode: SearchMode = SearchMode.HYBRID
    top_k: int = 10
    offset: int = 0
    where: Filter | None = None
    min_score: float | None = None
    """Hits below are left out; scores of different modes do not compare."""
    weights: Fusion | None = None
    """Instead of the model's own, in hybrid mode."""
    per_document: int | None = None
    """At most so many passages of each document."""
    rerank: bool = False

    @property
    def depth(self) -> int:
        """How many passages of each kind to ask the index for: the page, and one more that tells of the next."""
        window = (self.offset + self.top_k) * (OVERFETCH if self.per_document else 1) + 1
        many = self.mode is SearchMode.HYBRID or self.per_document is not None
        least = FUSION_DEPTH if many else RERANK_DEPTH if self.rerank else 0
        return max(window, least)


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A passage found. The parts of its score are None where that kind of search did not find it."""

    passage: Passage
    score: float
    dense_score: float | None = None
    """Cosine."""
    lexical_score: float | None = None
    """BM25."""
    rerank_score: float | None = None
    highlights: tuple[Span, ...] = ()
    """Spans of the passage's text that hold the query's words."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first, and whether the next page has any."""

    hits: list[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches the collections of one index with the model that filled it."""

    embedder: Embedder
    index: PassageIndex
    terms_of: Callable[[str], Terms]
    """The lexical terms of a query."""
    reranker: Reranker | None = None

    async def search(self, collection: str, query: Query, *, deadline: Deadline, timings: Timings) -> Found:
        """Find passages of `collection`; it must exist, which is for the caller to make sure of.

        Raises InvalidInput for a blank query, and what the ports raise.
        """
        if not query.text.strip():
            raise InvalidInput("the query is blank", field="query")
        if query.rerank and self.reranker is None:
            raise InvalidInput("this server has no reranker; leave `rerank` out", field="rerank")
        candidates = await self.candidates(collection, query, deadline=deadline, timings=timings)
        if query.rerank and self.reranker:
            with timings.stage("rerank"):
                candidates = await _reranked(query.text, candidates, self.reranker, deadline)
        return _page(candidates, query)

    async def candidates(self, collection: str, query: Query, *, deadline: Deadline, timings: Timings) -> list[Hit]:
        """All that may become a page, best first, without highlights."""
        match query.mode:
            case SearchMode.DENSE:
                dense = await self._dense(collection, query, deadline, timings)
                return [Hit(passage=each.passage, score=each.score, dense_score=each.score) for each in dense]
            case SearchMode.LEXICAL:
                lexical = await self._lexical(collection, query, timings)
                return [Hit(passage=each.passage, score=each.score, lexical_score=each.score) for each in lexical]
            case SearchMode.HYBRID:
                dense, lexical = await _together(
                    self._dense(collection, query, deadline, timings), self._lexical(collection, query, timings)
                )
                with timings.stage("fuse"):
                    return _blended(dense, lexical, query.weights or self.embedder.contract.fusion)

    async def _dense(self, collection: str, query: Query, deadline: Deadline, timings: Timings) -> list[ScoredPassage]:
        with timings.stage("embed"):
            embeddings = await self.embedder.embed(
                [query.text], input_type=InputType.QUERY, timeout_s=deadline.left_s()
            )
        with timings.stage("search_dense"):
            return await self.index.nearest(collection, embeddings.vectors[0], limit=query.depth, where=query.where)

    async def _lexical(self, collection: str, query: Query, timings: Timings) -> list[ScoredPassage]:
        with timings.stage("terms"):
            terms = self.terms_of(query.text)
        if not len(terms.indices):
            return []
        with timings.stage("search_lexical"):
            return await self.index.matching(collection, terms, limit=query.depth, where=query.where)


def _blended(dense: Sequence[ScoredPassage], lexical: Sequence[ScoredPassage], weights: Fusion) -> list[Hit]:
    """Both lists as one. Past the depth that the weights were chosen for, passages follow with score 0, in turns."""
    by_dense = {_key(each.passage): each for each in dense}
    by_lexical = {_key(each.passage): each for each in lexical}
    blended = dict(
        fuse(
            {key: each.score for key, each in islice(by_dense.items(), FUSION_DEPTH)},
            {key: each.score for key, each in islice(by_lexical.items(), FUSION_DEPTH)},
            weights,
        )
    )
    for pair in zip_longest(list(by_lexical)[FUSION_DEPTH:], list(by_dense)[FUSION_DEPTH:]):
        for key in pair:
            if key is not None:
                blended.setdefault(key, 0.0)
    return [
        Hit(
            passage=(by_lexical.get(key) or by_dense[key]).passage,
            score=score,
            dense_score=by_dense[key].score if key in by_dense else None,
            lexical_score=by_lexical[key].score if key in by_lexical else None,
        )
        for key, score in blended.items()
    ]


def _key(passage: Passage) -> tuple[str, int, int]:
    """What a passage's id is computed from, which takes longer."""
    return passage.document_key, passage.revision, passage.ordinal


async def _reranked(text: str, candidates: list[Hit], reranker: Reranker, deadline: Deadline) -> list[Hit]:
    """The best `RERANK_DEPTH` by the reranker's score; the others follow as they were, below them."""
    best, rest = candidates[:RERANK_DEPTH], candidates[RERANK_DEPTH:]
    if not best:
        return []
    scores = await reranker.rerank(text, [hit.passage.text for hit in best], timeout_s=deadline.left_s())
    ranked = [
        replace(hit, score=score, rerank_score=score) for hit, score in zip(best, map(float, scores), strict=True)
    ]
    ranked.sort(key=lambda hit: -hit.score)
    return ranked + [replace(hit, score=min(0.0, ranked[-1].score)) for hit in rest]


def _page(candidates: list[Hit], query: Query) -> Found:
    if query.min_score is not None:
        candidates = [hit for hit in candidates if hit.score >= query.min_score]
    if query.per_document is not None:
        candidates = _thinned(candidates, query.per_document)
    end = query.offset + query.top_k
    hits = [
        replace(hit, highlights=tuple(highlights(query.text, hit.passage.text)))
        for hit in candidates[query.offset : end]
    ]
    return Found(hits, more=len(candidates) > end)


def _thinned(candidates: Sequence[Hit], per_document: int) -> list[Hit]:
    """One long document can own every near passage: keep the best few of each."""
    kept: dict[str, int] = {}
    thinned: list[Hit] = []
    for hit in candidates:
        document_id = hit.passage.document_id
        if kept.setdefault(document_id, 0) < per_document:
            kept[document_id] += 1
            thinned.append(hit)
    return thinned


async def _together(
    first: Coroutine[Any, Any, list[ScoredPassage]], second: Coroutine[Any, Any, list[ScoredPassage]]
) -> tuple[list[ScoredPassage], list[ScoredPassage]]:
    """Both results; where one fails the other is cancelled and the first failure raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except* PhoserveError as errors:
        raise errors.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()
