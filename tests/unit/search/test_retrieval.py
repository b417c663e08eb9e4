"""Search over scripted results: blending, grouping, paging, failure; marks on words; cached queries."""

import asyncio
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.contract import InputType
from phoserve.documents.access import READERS, Audience
from phoserve.documents.filters import Filter, Match, Not, TitleWords
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.embedding.caching import CachingEmbedder
from phoserve.errors import DeadlineExceeded, InvalidInput, Unavailable
from phoserve.search.highlights import highlights
from phoserve.search.ports import ScoredId
from phoserve.search.retrieval import EVIDENCE_DEPTH, Query, Retriever, SearchMode, SearchResult
from phoserve.text import ReadQuery, SparseVector
from phoserve.text.diacritics import Lattice
from tests.support.embedders import WordHashEmbedder
from tests.support.memory import MemoryIndex
from tests.unit.answers.test_citations import passage

Scored = tuple[Passage, float]


@dataclass
class ScriptedIndex(MemoryIndex):
    """An index with scripted results."""

    dense: Sequence[Scored] = ()
    lexical: Sequence[Scored] = ()
    gone: Collection[int] = ()
    """Ordinals of those that are deleted between the search and the reading."""
    failure: Exception | None = None
    limits: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    was_cancelled: bool = False

    def __post_init__(self) -> None:
        super().__init__("f")

    async def nearest(self, *_: object, limit: int, **__: object) -> list[ScoredId]:
        self.limits.append(limit)
        if self.failure:
            raise self.failure
        return [ScoredId(passage.id, score) for passage, score in self.dense[:limit]]

    async def matching(self, *_: object, limit: int, **__: object) -> list[ScoredId]:
        if self.failure:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        return [ScoredId(passage.id, score) for passage, score in self.lexical[:limit]]

    async def find(
        self, collection: str, passage_ids: Sequence[str], *, audience: Audience = READERS
    ) -> dict[str, Passage]:
        self.read.append(len(passage_ids))
        there = {found.id: found for found, _ in (*self.dense, *self.lexical) if found.ordinal not in self.gone}
        return {id_: there[id_] for id_ in passage_ids if id_ in there}


ONE_TERM = SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
LATTICE = Lattice("nghi phep", [], [])


@dataclass
class ScriptedReader:
    """Reads every query as `meant`, and as `shown` once passages were found; None: as it was."""

    terms: SparseVector
    meant: str | None = None
    shown: str | None = None
    lattice: Lattice | None = None
    found: list[tuple[str, float]] = field(default_factory=list)

    def read(self, text: str) -> ReadQuery:
        return ReadQuery(text, self.meant or text, self.terms, self.lattice)

    def read_again(self, asked: ReadQuery, found: Sequence[tuple[str, float]]) -> ReadQuery:
        self.found.extend(found)
        return ReadQuery(asked.text, self.shown, self.terms, self.lattice) if self.shown else asked


def scored(ids: Sequence[int], *, per_document: int = 1) -> list[Scored]:
    """Passages with these ordinals, best first."""
    return [(numbered(id_, per_document), 1.0 - rank / 1000) for rank, id_ in enumerate(ids)]


def numbered(ordinal: int, per_document: int) -> Passage:
    return msgspec.structs.replace(passage("nghỉ phép"), ordinal=ordinal, document_id=str(ordinal // per_document))


async def search(index: ScriptedIndex, **fields: object) -> SearchResult:
    terms = SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
    retriever = Retriever(WordHashEmbedder(), index, ScriptedReader(terms))
    query = Query(text="nghỉ phép", **fields)  # type: ignore[arg-type]
    return await retriever.search("kb", query, deadline=Deadline.after(5), timings=Timings())


def ordinals(found: SearchResult) -> list[int]:
    return [hit.passage.ordinal for hit in found.hits]


async def test_what_both_find_comes_first() -> None:
    index = ScriptedIndex(dense=scored([1, 3, 2, 9]), lexical=scored([3, 1, 4, 8]))
    found = await search(index)
    assert ordinals(found)[:2] == [3, 1]
    best = found.hits[0]
    assert best.dense_score is not None
    assert best.lexical_score is not None
    [only_lexical] = [hit for hit in found.hits if hit.passage.ordinal == 4]
    assert only_lexical.dense_score is None


async def test_pages_join_up_however_deep() -> None:
    index = ScriptedIndex(dense=scored(range(400)), lexical=scored(range(399, -1, -1)))
    whole = ordinals(await search(index, top_k=400))
    pages = [ordinals(await search(index, top_k=50, offset=offset)) for offset in range(0, 400, 50)]
    joined = [ordinal for page in pages for ordinal in page]
    # What the weights were chosen for ranks the same on every page; past it each page still brings new passages.
    assert joined[:200] == whole[:200]
    assert len(whole) == len(set(whole)) == 400


async def test_at_most_so_many_of_each_document() -> None:
    index = ScriptedIndex(dense=scored(range(40), per_document=10))
    found = await search(index, mode=SearchMode.DENSE, per_document=1, top_k=3)
    assert [hit.passage.document_id for hit in found.hits] == ["0", "1", "2"]
    assert found.more
    assert not (await search(index, mode=SearchMode.DENSE, per_document=1, top_k=4)).more


async def test_only_what_is_shown_is_read() -> None:
    index = ScriptedIndex(dense=scored(range(100)), lexical=scored(range(100)))
    assert len((await search(index, top_k=10)).hits) == 10
    assert index.read == [11]


async def test_what_goes_while_it_is_searched_makes_room_for_the_next() -> None:
    index = ScriptedIndex(dense=scored(range(30)), gone=(0, 2, 3))
    found = await search(index, mode=SearchMode.DENSE, top_k=4, offset=1)
    assert ordinals(found) == [4, 5, 6, 7]
    assert found.more
    index.gone = range(1, 30)
    found = await search(index, mode=SearchMode.DENSE, top_k=4)
    assert ordinals(found) == [0]
    assert not found.more


async def test_a_page_never_mixes_a_document_s_revisions() -> None:
    old = scored(range(6))
    new = [(msgspec.structs.replace(found, revision=found.revision + 1), score / 2) for found, score in old[:3]]
    found = await search(ScriptedIndex(dense=[*old, *new]), mode=SearchMode.DENSE, top_k=9)
    assert [hit.passage for hit in found.hits] == [passage for passage, _ in new]
    assert not found.more


async def test_one_side_failing_stops_the_other() -> None:
    index = ScriptedIndex(failure=Unavailable("qdrant", "away"))
    with pytest.raises(Unavailable):
        await search(index)
    assert index.was_cancelled


async def test_blank_queries_and_missing_rerankers_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no reranker"):
        await search(ScriptedIndex(), rerank=True)


async def test_copies_are_shown_once_and_named() -> None:
    texts = ["Nghỉ phép 12 ngày.", "nghỉ  phép 12 ngày", "Nghỉ phép 13 ngày.", "Nghỉ ốm thì khác."]
    copies = [
        (msgspec.structs.replace(numbered(ordinal, 1), text=text), 1.0 - ordinal / 10)
        for ordinal, text in enumerate(texts)
    ]
    index = ScriptedIndex(dense=copies)
    found = await search(index, mode=SearchMode.DENSE, collapse=True)
    assert ordinals(found) == [0, 2, 3]
    assert [hit.copies for hit in found.hits] == [("1",), (), ()]
    assert ordinals(await search(index, mode=SearchMode.DENSE)) == [0, 1, 2, 3]
    pages = [await search(index, mode=SearchMode.DENSE, collapse=True, top_k=1, offset=at) for at in range(3)]
    assert [ordinals(page) for page in pages] == [[0], [2], [3]]
    assert [page.more for page in pages] == [True, True, False]


async def test_a_diverse_page_brings_other_passages() -> None:
    texts = ["nghỉ phép năm mười hai ngày", "nghỉ phép năm mười ba ngày", "bảo hiểm y tế bắt buộc"]
    index = ScriptedIndex(
        dense=[
            (msgspec.structs.replace(numbered(ordinal, 1), text=text), 1.0 - ordinal / 10)
            for ordinal, text in enumerate(texts)
        ]
    )
    assert ordinals(await search(index, mode=SearchMode.DENSE, diversity=0.7)) == [0, 2, 1]
    assert ordinals(await search(index, mode=SearchMode.DENSE, diversity=0.0)) == [0, 1, 2]


async def test_what_was_meant_is_embedded_and_named() -> None:
    terms = SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
    embedder = WordHashEmbedder()
    index = ScriptedIndex(dense=scored([0]))
    retriever = Retriever(embedder, index, ScriptedReader(terms, meant="nghỉ phép"))
    found = await retriever.search("kb", Query(text="nghi phep"), deadline=Deadline.after(5), timings=Timings())
    assert found.query_used == "nghỉ phép"
    assert embedder.calls[0][0] == ("nghỉ phép",)
    assert found.hits[0].highlights == ((0, 9),)
    assert (await search(index)).query_used is None


async def test_what_the_passages_found_show_is_searched_for_again() -> None:
    for mode, embedded in ((SearchMode.HYBRID, True), (SearchMode.DENSE, True), (SearchMode.LEXICAL, False)):
        reader = ScriptedReader(ONE_TERM, meant="nghĩ phép", shown="nghỉ phép", lattice=LATTICE)
        embedder, index = WordHashEmbedder(), ScriptedIndex(dense=scored([0]), lexical=scored(range(30)))
        query = Query(text="nghi phep", mode=mode)
        retriever = Retriever(embedder, index, reader)
        found = await retriever.search("kb", query, deadline=Deadline.after(5), timings=Timings())
        assert found.query_used == "nghỉ phép"
        assert len(reader.found) == EVIDENCE_DEPTH
        best, score = index.lexical[0]
        assert reader.found[0] == (f"{best.title}\n{best.text}", score)
        assert [call[0] for call in embedder.calls][-1:] == ([("nghỉ phép",)] if embedded else [])


async def test_what_the_passages_found_confirm_is_searched_for_once() -> None:
    reader = ScriptedReader(ONE_TERM, meant="nghỉ phép", lattice=LATTICE)
    embedder, index = WordHashEmbedder(), ScriptedIndex(dense=scored([0]), lexical=scored([0]))
    retriever = Retriever(embedder, index, reader)
    found = await retriever.search("kb", Query(text="nghi phep"), deadline=Deadline.after(5), timings=Timings())
    assert found.query_used == "nghỉ phép"
    assert len(reader.found) == 1
    assert [call[0] for call in embedder.calls] == [("nghỉ phép",)]


async def test_a_query_without_doubt_reads_no_passages_for_it() -> None:
    reader, index = ScriptedReader(ONE_TERM), ScriptedIndex(dense=scored([0]), lexical=scored([0]))
    retriever = Retriever(WordHashEmbedder(), index, reader)
    await retriever.search("kb", Query(text="nghỉ phép"), deadline=Deadline.after(5), timings=Timings())
    assert reader.found == []


async def test_a_filter_on_a_field_that_no_document_has_is_mentioned() -> None:
    index = MemoryIndex("f")
    known = msgspec.structs.replace(passage("nghỉ phép"), collection="kb", metadata={"year": 2024})
    vector = WordHashEmbedder().contract.dim
    item = IndexedPassage(
        known, np.ones(vector, np.float32), SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))
    )
    await index.stage([item])
    await index.publish([(known.document_key, known.revision)])
    retriever = Retriever(WordHashEmbedder(), index, ScriptedReader(item.terms))

    async def warnings(where: Filter) -> tuple[str, ...]:
        query = Query(text="nghỉ phép", where=where)
        return (await retriever.search("kb", query, deadline=Deadline.after(5), timings=Timings())).warnings

    assert await warnings(Match("year", 2020)) == ()
    assert await warnings(Not(Match("yaer", 2020))) == (
        "no document of the collection has the field 'yaer' that the filter names",
    )
    assert await warnings(TitleWords(("a",))) == ()


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("0912 345 679", "Gọi 0912.345.679, đừng gọi 0912 345 678", ["0912.345.679"]),
        ("hóa đơn 4560000", "Hoá đơn 4.560.000 đồng, 4.560.001", ["Hoá đơn 4.560.000"]),
        ("E4013", "Mã lỗi E-4013: hết giấy", ["E-4013"]),
        ("m404dn", "LaserJet-Pro_M404dn", ["M404dn"]),
        ("c#", "C++ và C#", ["C#"]),
        ("nghi phep", "Nghỉ phép, nghi ngờ", ["Nghỉ phép", "nghi"]),
        ("nghỉ phép", "xin nghi phep nhe", ["nghi phep"]),
        ("tạm ứng", "Kho\u00adản t\u00adạm\u00a0ứng", ["t\u00adạm\u00a0ứng"]),
        ("nghỉ phép năm", "Nghỉ phép hằng năm là quyền lợi.", ["Nghỉ phép", "năm"]),
        ("hoà bình", "Hòa bình, HOÀ BÌNH", ["Hòa bình", "HOÀ BÌNH"]),
        ("được là của", "Cái này là của tôi", ["là của"]),
        ("bảo hành", unicodedata.normalize("NFD", "Máy được bảo hành"), [unicodedata.normalize("NFD", "bảo hành")]),
        ("zzz", "Không có gì", []),
    ],
)
def test_marks(query: str, text: str, marked: list[str]) -> None:
    assert [text[start:end] for start, end in highlights(query, text)] == marked


@given(st.text(max_size=60), st.text(max_size=200))
def test_marks_are_in_order_and_apart(query: str, text: str) -> None:
    spans = highlights(query, text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


async def test_the_cache_forgets_the_least_used() -> None:
    embedder = WordHashEmbedder()
    cache = CachingEmbedder(embedder, capacity=2)
    for query in ("a", "b", "a", "c", "a", "b"):
        await cache.embed([query], input_type=InputType.QUERY)
    assert [texts for (texts, _, _) in embedder.calls] == [("a",), ("b",), ("c",), ("b",)]
    await cache.embed(["a"])
    assert (cache.hits, cache.misses, len(embedder.calls)) == (2, 4, 5)


async def test_a_deadline_cancels_and_says_so() -> None:
    deadline = Deadline.after(0.01)
    with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
        await deadline.keep(asyncio.sleep(5))
    with pytest.raises(DeadlineExceeded):
        deadline.left_s()


@pytest.mark.parametrize("mode", list(SearchMode))
@pytest.mark.parametrize("top_k", [1, 7, 30, 50])
def test_pages_within_the_first_hundred_ask_for_the_same_candidates(mode: SearchMode, top_k: int) -> None:
    assert {Query(text="a", mode=mode, top_k=top_k, offset=at).depth for at in range(0, 99 - top_k, 7)} == {100}
