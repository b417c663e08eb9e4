"""Measure retrieval on labelled files, through the real Triton, engine and search code."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from cli.local import running_triton
from cli.progress import Reporter
from ingest.staging import StagingTools, indexed
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.adapters.triton.embedder import TritonEmbedder
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.contract import Fusion
from phoserve.documents.records import Passage
from phoserve.errors import InvalidInput
from phoserve.search.evaluation import Estimate, Ranking, evaluate
from phoserve.search.fusion import fuse
from phoserve.search.ports import PassageIndex
from phoserve.search.records import Candidate
from phoserve.search.retrieval import Query, Retriever, SearchMode
from phoserve.search.tuning import LEAST_QUERIES, LabelledSearch, Tuning, tune
from phoserve.text import QueryReader, TextPipeline
from phoserve.text.diacritics import shipped_restorer

COLLECTION: Final = "evaluation"
BATCH: Final = 512
QUERIES_AT_ONCE: Final = 4
TIMEOUT_S: Final = 120.0

Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""Anything but blanks."""


class CorpusRow(msgspec.Struct, frozen=True):
    """A passage that may be found."""

    id: str
    text: str
    title: str = ""


class QueryRow(msgspec.Struct, frozen=True):
    """A query and one passage that answers it; several rows may share a query."""

    query: Text
    positive_id: Text


class LabelRow(msgspec.Struct, frozen=True):
    """A query and one document that answers it; several rows may share a query."""

    query: Text
    document_id: Text


@dataclass(frozen=True, slots=True)
class Candidates:
    """What either kind of search found for each query, with scores, best first."""

    dense: dict[str, dict[str, float]]
    lexical: dict[str, dict[str, float]]

    def rankings(self, mode: SearchMode, weights: Fusion) -> dict[str, Ranking]:
        """The ids found for each query, best first."""
        if mode is SearchMode.HYBRID:
            return {
                query: [id_ for id_, _ in fuse(self.dense[query], self.lexical[query], weights)] for query in self.dense
            }
        found = self.dense if mode is SearchMode.DENSE else self.lexical
        return {query: list(scores) for query, scores in found.items()}


async def candidates_of(
    model: Path, corpus: Sequence[CorpusRow], queries: Sequence[str], report: Reporter
) -> tuple[Candidates, Fusion]:
    """Index the corpus, search for every query; also the model's own weights."""
    with tempfile.TemporaryDirectory(prefix="phoserve-eval-") as folder:
        async with _retriever(model, Path(folder), report) as (retriever, index, tools):
            rows = await _index(corpus, index, tools, report)
            return await _search(queries, rows, retriever, report), tools.text.contract.fusion


def measure(
    candidates: Candidates, labels: dict[str, set[str]], modes: Sequence[SearchMode], weights: Fusion
) -> dict[str, dict[str, Estimate]]:
    """Every metric of every mode."""
    return {str(mode): evaluate(candidates.rankings(mode, weights), labels) for mode in modes}


def check_enough(labels: Mapping[str, object]) -> None:
    """Raise InvalidInput if there are too few labelled queries to tune with, before anything is searched."""
    if len(labels) < LEAST_QUERIES:
        raise InvalidInput(f"{len(labels)} labelled queries are too few to tune with; label at least {LEAST_QUERIES}")


def tune_weights(candidates: Candidates, labels: dict[str, set[str]], current: Fusion) -> Tuning:
    """Return the weights chosen on half of the queries, measured on the other half. Raises InvalidInput for few."""
    searches = {
        query: LabelledSearch(candidates.dense[query], candidates.lexical[query], wanted)
        for query, wanted in labels.items()
    }
    return tune(searches, current)


def labels_of(rows: Sequence[QueryRow], corpus: Sequence[CorpusRow]) -> dict[str, set[str]]:
    """The ids that answer each query. Raises InvalidInput for an id that the corpus does not have."""
    known = {row.id for row in corpus}
    labels: dict[str, set[str]] = {}
    for row in rows:
        if row.positive_id not in known:
            raise InvalidInput(f"the corpus has no {row.positive_id!r}, which a query names")
        labels.setdefault(row.query, set()).add(row.positive_id)
    return labels


@asynccontextmanager
async def _retriever(
    model: Path, folder: Path, report: Reporter
) -> AsyncIterator[tuple[Retriever, PassageIndex, StagingTools]]:
    text = TextPipeline.load(model)
    async with running_triton(model, folder / "triton", report) as triton:
        embedder = TritonEmbedder(triton.ports.grpc_url, text.contract)
        index = EdgePassageIndex(folder / "index", text.contract)
        try:
            retriever = Retriever(embedder, index, QueryReader(text, shipped_restorer()))
            yield retriever, index, StagingTools(embedder, text)
        finally:
            await index.close()
            await embedder.close()


async def _index(
    corpus: Sequence[CorpusRow], index: PassageIndex, tools: StagingTools, report: Reporter
) -> dict[str, str]:
    """Which row each passage, by id, was made of."""
    rows_of: dict[str, str] = {}
    key = uuid.UUID(int=0).hex
    with report.step("Indexing the corpus", total=len(corpus)) as bar:
        for first in range(0, len(corpus), BATCH):
            rows = corpus[first : first + BATCH]
            passages = [_passage(row, first + offset, key) for offset, row in enumerate(rows)]
            await index.stage(await indexed(passages, tools))
            rows_of |= {passage.id: passage.document_id for passage in passages}
            bar.done(first + len(rows))
        await index.publish([(key, 1)])
    return rows_of


async def _search(
    queries: Sequence[str], rows_of: Mapping[str, str], retriever: Retriever, report: Reporter
) -> Candidates:
    found = Candidates({}, {})
    gate = asyncio.Semaphore(QUERIES_AT_ONCE)
    with report.step("Searching", total=len(queries)) as bar:

        async def search(query: str) -> None:
            async with gate:
                candidates = await retriever.candidates(
                    COLLECTION, Query(text=query), deadline=Deadline.after(TIMEOUT_S), timings=Timings()
                )
            found.dense[query] = _scores(candidates, rows_of, "dense_score")
            found.lexical[query] = _scores(candidates, rows_of, "lexical_score")
            bar.done(len(found.dense))

        async with asyncio.TaskGroup() as group:
            for query in queries:
                group.create_task(search(query))
    return found


def _scores(candidates: Sequence[Candidate], rows_of: Mapping[str, str], part: str) -> dict[str, float]:
    scored: list[tuple[str, Any]] = [(rows_of[each.id], getattr(each, part)) for each in candidates]
    ranked = sorted((each for each in scored if each[1] is not None), key=lambda each: -each[1])
    return dict(ranked)


def _passage(row: CorpusRow, ordinal: int, key: str) -> Passage:
    return Passage(
        collection=COLLECTION,
        document_id=row.id,
        document_key=key,
        revision=1,
        ordinal=ordinal,
        title=row.title,
        text=row.text,
        start=0,
        end=len(row.text),
    )
