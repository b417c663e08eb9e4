"""Find the passages that best answer a query: by meaning, by words, or by both."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replace_query
from itertools import islice, zip_longest
from time import monotonic
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.concurrency.turns import CALLER
from phoserve.contract import Fusion, InputType
from phoserve.documents.access import READERS, Audience
from phoserve.documents.filters import Exists, Filter, fields_of
from phoserve.documents.records import Passage
from phoserve.embedding.ports import Embedder
from phoserve.errors import InvalidInput, PhoserveError
from phoserve.search.articles import ACT_DEPTH, ARTICLE_DEPTH, documents_by_name, documents_of_act, prefer_articles
from phoserve.search.diversity import diversify, group_copies
from phoserve.search.fusion import FUSION_DEPTH, fuse
from phoserve.search.highlights import Span, highlights
from phoserve.search.modes import SearchMode as SearchMode
from phoserve.search.ports import AccessGuard, PassageSearch, QueryReading, Reranker, ScoredId
from phoserve.search.records import Candidate, Scores
from phoserve.text import ReadQuery
from phoserve.text.query import terms_for

OVERFETCH: Final = 4
RERANK_DEPTH: Final = 30
MAX_KNOWN_FIELDS: Final = 10_000
FIELD_KNOWN_S: Final = 60.0
EVIDENCE_DEPTH: Final = 10
"""How many passages show how the collection spells what a query has without diacritics (docs/text.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for, and how."""

    text: str
    mode: SearchMode = SearchMode.HYBRID
    top_k: int = 10
    offset: int = 0
    where: Filter | None = None
    audience: Audience = READERS
    """Who asks: nothing else is found, counted or named in a warning."""
    min_score: float | None = None
    """Hits below are left out; scores of different modes do not compare."""
    weights: Fusion | None = None
    """Instead of the model's own, in hybrid mode."""
    per_document: int | None = None
    """Maximum number of passages of each document."""
    rerank: bool = False
    collapse: bool = False
    """Show identical and nearly identical passages once."""
    diversity: float = 0.0
    """0 to 1: how much a passage loses for being like those before it (maximal marginal relevance)."""

    @property
    def depth(self) -> int:
        """How many candidates of each kind to ask the index for; spare ones replace what goes before it is read."""
        # The same for all pages of the first hundred: engines order equal scores by how many are asked for.
        return -(-self.window // FUSION_DEPTH) * FUSION_DEPTH

    @property
    def window(self) -> int:
        """The number of candidates that most likely fill the page, and one more to detect the next page."""
        return (self.offset + self.top_k) * (OVERFETCH if self.per_document else 1) + 1


class Hit(Scores, frozen=True, kw_only=True):
    """A passage found."""

    passage: Passage
    highlights: tuple[Span, ...] = ()
    """Spans of the passage's text that match the query."""
    copies: tuple[str, ...] = ()
    """Ids of the documents whose nearly identical passages are not shown, with `collapse`."""


FetchedCandidate = tuple[Candidate, Passage]


class _Shown(NamedTuple):
    """A passage to show, and the documents whose copies of it are not shown."""

    read: FetchedCandidate
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and whether the next page has any."""

    hits: list[Hit]
    more: bool
    query_used: str | None = None
    """The query with its diacritics restored, if that is what was searched for."""
    warnings: tuple[str, ...] = ()
    """What is probably a mistake in the query, such as a filter on a field that no document has."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches the collections of one index with the model that filled it."""

    embedder: Embedder
    index: PassageSearch
    reader: QueryReading
    reranker: Reranker | None = None
    guard: AccessGuard | None = None
    """None where groups never change, as in evaluations."""
    _known_fields: dict[tuple[str, str, Audience, str], float] = field(default_factory=dict)
    """Fields that filters may name, by caller, collection and audience, and when each was seen.

    Known for `FIELD_KNOWN_S`. By caller, so that the time of a search does not show what another one filtered by.
    """

    async def search(self, collection: str, query: Query, *, deadline: Deadline, timings: Timings) -> SearchResult:
        """Find passages of `collection`; it must exist, which is for the caller to make sure of.

        Raises InvalidInput for a blank query, and what the ports raise.
        """
        if not query.text.strip():
            raise InvalidInput("the query is blank", field="query")
        if query.rerank and self.reranker is None:
            raise InvalidInput("this server has no reranker; leave `rerank` out", field="rerank")
        with timings.stage("terms"):
            asked = self.reader.read(query.text)
        with timings.stage("access"):
            query = replace_query(query, audience=await self.narrow(query.audience))
        asked, candidates = await self._candidates(collection, query, asked, deadline, timings)
        if query.rerank and self.reranker:
            with timings.stage("rerank"):
                candidates = await self._rerank(collection, asked.meant, candidates, self.reranker, query, deadline)
        if query.min_score is not None:
            candidates = [each for each in candidates if each.score >= query.min_score]
        with timings.stage("read"):
            shown = await self._fetch_page(collection, candidates, query)
            unknown = await self._unknown_fields(collection, query)
        return _page(shown, query, asked, tuple(map(_unknown_field_warning, unknown)))

    async def narrow(self, audience: Audience) -> Audience:
        """Return the audience without documents that it may not see although the index would still find them."""
        return await self.guard.narrow(audience) if self.guard else audience

    async def candidates(
        self, collection: str, query: Query, *, deadline: Deadline, timings: Timings
    ) -> list[Candidate]:
        """Return all passages that may become a page, best first."""
        query = replace_query(query, audience=await self.narrow(query.audience))
        with timings.stage("terms"):
            asked = self.reader.read(query.text)
        _, candidates = await self._candidates(collection, query, asked, deadline, timings)
        return candidates

    async def _unknown_fields(self, collection: str, query: Query) -> list[str]:
        """The fields of a filter that no passage has which the audience may find."""
        unknown = []
        for name in fields_of(query.where) if query.where is not None else ():
            kind = CALLER.get(), collection, query.audience, name
            if monotonic() - self._known_fields.get(kind, -FIELD_KNOWN_S) < FIELD_KNOWN_S:
                continue
            any_vector = np.ones(self.embedder.contract.dim, np.float32)
            exists = Exists(name)
            if await self.index.nearest(collection, any_vector, limit=1, where=exists, audience=query.audience):
                if len(self._known_fields) >= MAX_KNOWN_FIELDS:
                    self._known_fields.clear()
                self._known_fields[kind] = monotonic()
            else:
                unknown.append(name)
        return unknown

    async def _candidates(
        self, collection: str, query: Query, asked: ReadQuery, deadline: Deadline, timings: Timings
    ) -> tuple[ReadQuery, list[Candidate]]:
        """What was meant, and the passages for it, best first."""
        async with _first_failure(), asyncio.TaskGroup() as group:
            dense: asyncio.Task[list[ScoredId]] | None = None
            if query.mode is not SearchMode.LEXICAL:
                dense = group.create_task(self._search_dense(collection, query, asked, deadline, timings))
            lexical: list[ScoredId] = []
            if query.mode is not SearchMode.DENSE or asked.lattice:
                lexical = await self._search_lexical(collection, query, asked, timings)
            if asked.lattice and lexical:
                again = await self._read_again(collection, query, asked, lexical[:EVIDENCE_DEPTH], timings)
                if again is not asked:
                    asked = again
                    if dense:
                        dense.cancel()
                        dense = group.create_task(self._search_dense(collection, query, asked, deadline, timings))
                    if query.mode is not SearchMode.DENSE:
                        lexical = await self._search_lexical(collection, query, asked, timings)
            nearest = await dense if dense else []
        with timings.stage("fuse"):
            ranked = _ranked(nearest, lexical, query, self.embedder.contract.fusion)
        if asked.articles and query.mode is not SearchMode.DENSE:
            with timings.stage("articles"):
                ranked = await self._prefer_articles(collection, query, asked, ranked)
        return asked, ranked

    async def _prefer_articles(
        self, collection: str, query: Query, asked: ReadQuery, ranked: Sequence[Candidate]
    ) -> list[Candidate]:
        """The candidates with the article first that is asked for, of the act whose number or name is given."""
        ids = [each.id for each in ranked[:ACT_DEPTH]]
        documents: set[str] = set()
        articles: list[ScoredId] = []
        if asked.acts:
            acts = await self._matching(collection, query, [forms[0] for forms in asked.acts], ACT_DEPTH)
            found = await self.index.find(collection, [each.id for each in acts], audience=query.audience)
            documents = documents_of_act(asked, list(found.values()))
        if not documents and ids:
            found = await self.index.find(collection, ids, audience=query.audience)
            documents = documents_by_name(asked, list(found.values()))
        if documents:
            articles = await self._matching(collection, query, [terms[0] for terms in asked.articles], ARTICLE_DEPTH)
            ids = list(dict.fromkeys([*ids, *[each.id for each in articles]]))
        passages = await self.index.find(collection, ids, audience=query.audience) if ids else {}
        return prefer_articles(asked, ranked, articles, passages, documents)

    async def _matching(self, collection: str, query: Query, forms: Sequence[str], limit: int) -> list[ScoredId]:
        return await self.index.matching(
            collection, terms_for(forms), limit=limit, where=query.where, audience=query.audience
        )

    async def _read_again(
        self, collection: str, query: Query, asked: ReadQuery, found: Sequence[ScoredId], timings: Timings
    ) -> ReadQuery:
        """What was meant, judged by how passages that match spell it."""
        with timings.stage("spellings"):
            ids = [each.id for each in found]
            passages = await self.index.find(collection, ids, audience=query.audience)
            there = [(passages[each.id], each.score) for each in found if each.id in passages]
            return self.reader.read_again(asked, [(f"{each.title}\n{each.text}", score) for each, score in there])

    async def _search_dense(
        self, collection: str, query: Query, asked: ReadQuery, deadline: Deadline, timings: Timings
    ) -> list[ScoredId]:
        with timings.stage("embed"):
            embeddings = await self.embedder.embed(
                [asked.meant], input_type=InputType.QUERY, timeout_s=deadline.left_s()
            )
        with timings.stage("search_dense"):
            found = await self.index.nearest(
                collection, embeddings.vectors[0], limit=query.depth, where=query.where, audience=query.audience
            )
            return _in_order(found)

    async def _search_lexical(
        self, collection: str, query: Query, asked: ReadQuery, timings: Timings
    ) -> list[ScoredId]:
        if not len(asked.terms.indices):
            return []
        with timings.stage("search_lexical"):
            found = await self.index.matching(
                collection, asked.terms, limit=query.depth, where=query.where, audience=query.audience
            )
            return _in_order(found)

    async def _rerank(
        self,
        collection: str,
        text: str,
        candidates: list[Candidate],
        reranker: Reranker,
        query: Query,
        deadline: Deadline,
    ) -> list[Candidate]:
        """The best `RERANK_DEPTH` by the reranker's score; the others follow as they were, below them."""
        best = await self._fetch_passages(collection, candidates[:RERANK_DEPTH], query.audience)
        rest = candidates[RERANK_DEPTH:]
        if not best:
            return rest
        scores = await reranker.rerank(text, [passage.text for _, passage in best], timeout_s=deadline.left_s())
        ranked = [
            replace(candidate, score=score, rerank_score=score)
            for (candidate, _), score in zip(best, map(float, scores), strict=True)
        ]
        ranked.sort(key=lambda candidate: -candidate.score)
        return ranked + [replace(candidate, score=min(0.0, ranked[-1].score)) for candidate in rest]

    async def _fetch_page(self, collection: str, candidates: Sequence[Candidate], query: Query) -> list[_Shown]:
        """Return enough for the page and one more. Deleted candidates are replaced by the next."""
        if query.diversity:
            candidates = await self._diversified(collection, candidates, query)
        read: list[FetchedCandidate] = []
        shown: list[_Shown] = []
        for start in range(0, len(candidates), query.window):
            part = candidates[start : start + query.window]
            read += await self._fetch_passages(collection, part, query.audience)
            read = _drop_superseded(read)
            shown = _limit_per_document(_collapsed(read) if query.collapse else list(map(_Shown, read)), query)
            if len(shown) > query.offset + query.top_k:
                break
        return shown

    async def _diversified(self, collection: str, candidates: Sequence[Candidate], query: Query) -> list[Candidate]:
        """The first `FUSION_DEPTH` in the order of maximal marginal relevance, the others behind them."""
        read = await self._fetch_passages(collection, candidates[:FUSION_DEPTH], query.audience)
        texts = [passage.text for _, passage in read]
        order = diversify(texts, [candidate.score for candidate, _ in read], query.diversity)
        return [read[at][0] for at in order] + list(candidates[FUSION_DEPTH:])

    async def _fetch_passages(
        self, collection: str, candidates: Sequence[Candidate], audience: Audience
    ) -> list[FetchedCandidate]:
        """The candidates that are there still and visible, in order, with their passages."""
        ids = [each.id for each in candidates]
        passages = await self.index.find(collection, ids, audience=audience) if ids else {}
        return [(each, passages[each.id]) for each in candidates if each.id in passages]


def _in_order(found: Sequence[ScoredId]) -> list[ScoredId]:
    """Best first, equal scores by id: pages of one search neither repeat nor miss a passage."""
    return sorted(found, key=lambda each: (-each.score, each.id))


def _ranked(dense: Sequence[ScoredId], lexical: Sequence[ScoredId], query: Query, fusion: Fusion) -> list[Candidate]:
    match query.mode:
        case SearchMode.DENSE:
            return [Candidate(id=each.id, score=each.score, dense_score=each.score) for each in dense]
        case SearchMode.LEXICAL:
            return [Candidate(id=each.id, score=each.score, lexical_score=each.score) for each in lexical]
        case SearchMode.HYBRID:
            return _blend(dense, lexical, query.weights or fusion)


def _blend(dense: Sequence[ScoredId], lexical: Sequence[ScoredId], weights: Fusion) -> list[Candidate]:
    """Both lists as one. Past the depth that the weights were chosen for, passages follow with score 0, in turns."""
    by_dense = {each.id: each.score for each in dense}
    by_lexical = {each.id: each.score for each in lexical}
    best_dense, best_lexical = (dict(islice(each.items(), FUSION_DEPTH)) for each in (by_dense, by_lexical))
    blended = dict(fuse(best_dense, best_lexical, weights))
    for pair in zip_longest(list(by_lexical)[FUSION_DEPTH:], list(by_dense)[FUSION_DEPTH:]):
        for id_ in pair:
            if id_ is not None:
                blended.setdefault(id_, 0.0)
    return [
        Candidate(id=id_, score=score, dense_score=by_dense.get(id_), lexical_score=by_lexical.get(id_))
        for id_, score in blended.items()
    ]


def _drop_superseded(read: Sequence[FetchedCandidate]) -> list[FetchedCandidate]:
    """Without older revisions: a search may fall between the two writes that publish a revision."""
    latest: dict[str, int] = {}
    for _, passage in read:
        latest[passage.document_key] = max(latest.get(passage.document_key, 0), passage.revision)
    return [each for each in read if each[1].revision == latest[each[1].document_key]]


def _collapsed(read: Sequence[FetchedCandidate]) -> list[_Shown]:
    """The best of each group of copies."""
    groups = group_copies([passage.text for _, passage in read])
    return [_Shown(read[first], tuple(read[at][1].document_id for at in copies)) for first, *copies in groups]


def _limit_per_document(shown: list[_Shown], query: Query) -> list[_Shown]:
    """One long document can own every near passage: keep the best few of each."""
    if query.per_document is None:
        return shown
    kept: Counter[str] = Counter()
    thinned: list[_Shown] = []
    for each in shown:
        document_id = each.read[1].document_id
        kept[document_id] += 1
        if kept[document_id] <= query.per_document:
            thinned.append(each)
    return thinned


def _unknown_field_warning(name: str) -> str:
    return f"no document of the collection has the field {name!r} that the filter names"


def _page(shown: Sequence[_Shown], query: Query, asked: ReadQuery, warnings: tuple[str, ...] = ()) -> SearchResult:
    end = query.offset + query.top_k
    hits = [_hit(each, asked) for each in shown[query.offset : end]]
    used = asked.meant if asked.meant != asked.text else None
    return SearchResult(hits, more=len(shown) > end, query_used=used, warnings=warnings)


def _hit(shown: _Shown, asked: ReadQuery) -> Hit:
    candidate, passage = shown.read
    return Hit(
        passage=passage,
        score=candidate.score,
        dense_score=candidate.dense_score,
        lexical_score=candidate.lexical_score,
        rerank_score=candidate.rerank_score,
        highlights=tuple(highlights(asked.text, passage.text, asked.meant)),
        copies=shown.copies,
    )


@asynccontextmanager
async def _first_failure() -> AsyncIterator[None]:
    """Raise the first failure of a group of tasks, which cancels the others, by itself."""
    try:
        yield
    except* PhoserveError as errors:
        raise errors.exceptions[0] from None
