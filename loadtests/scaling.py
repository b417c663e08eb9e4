"""Search latency by size of the collection: the embedded engine without a graph, with one, and with 8-bit vectors.

    python -m loadtests.scaling MODEL --passages P.jsonl.gz --queries Q.jsonl.gz [--count 1000 --count 10000]

Vectors and terms are computed from the file's texts. For each size the script prints milliseconds per search, seconds
to fill and to build the graph, recall@10 against the exact neighbours, and bytes of memory and disk per passage. The
memory is the growth of this process, including its pages of the index's files. One JSON line each; results and
report.html are in --out.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from loadtests.benchmark.load import percentiles
from loadtests.benchmark.memory import resident_bytes
from loadtests.benchmark.report import write_results
from loadtests.benchmark.results import Measurement, Results
from loadtests.benchmark.texts import read_passages, read_queries
from phoserve.adapters.edge.index import EdgePassageIndex
from phoserve.contract import InputType
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.ports import ScoredId
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from phoserve.text.lexical import SparseVector, passage_terms
from phoserve.text.query import query_terms

SUITE: Final = "scaling"
TOP_K: Final = 10
QUERIES: Final = 200
BATCH: Final = 64
COLLECTION: Final = "kb"
EIGHT_BITS: Final = edge.ScalarQuantizationConfig(edge.ScalarType.Int8)


class Encoder:
    """Embeds texts in this process."""

    def __init__(self, model: Path) -> None:
        self.model, self.pipeline = model, TextPipeline.load(model)
        self._encoder = OnnxEncoder(model / "onnx" / f"{self.pipeline.contract.precisions[0]}.onnx")

    def vectors(self, texts: Sequence[str], kind: InputType = InputType.PASSAGE) -> NDArray[np.float32]:
        """float32 (texts, dim)."""
        parts = []
        for first in range(0, len(texts), BATCH):
            tokens = self.pipeline.encode(list(texts[first : first + BATCH]), kind)
            parts.append(self._encoder.encode(tokens.ids, np.diff(tokens.offsets).astype(np.int32)))
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages, queries and their exact neighbours."""

    model: Path
    texts: Sequence[str]
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    terms: Sequence[SparseVector]
    nearest: NDArray[np.int64]
    """The rows of `vectors` nearest to each query, in no order."""

    @classmethod
    def of(cls, encoder: Encoder, texts: Sequence[str], queries: Sequence[str]) -> Self:
        """Encode the texts and queries."""
        vectors, asked = encoder.vectors(texts), encoder.vectors(queries, InputType.QUERY)
        nearest = np.argpartition(-(asked @ vectors.T), TOP_K, axis=1)[:, :TOP_K]
        return cls(encoder.model, texts, vectors, asked, query_terms(encoder.pipeline, list(queries)), nearest)


async def measure(corpus: Corpus, *, bits: Literal[8, 32]) -> list[Measurement]:
    """Measure dense searches without and with a graph, and lexical searches."""
    found: list[Measurement] = []

    def note(name: str, figures: dict[str, float]) -> None:
        count = len(corpus.texts)
        found.append(Measurement(SUITE, name, f"{count:,} passages", 1, 0, {"passages": count, **figures}))
        write_line(name, found[-1].figures)

    async def dense(index: EdgePassageIndex) -> dict[str, float]:
        asked = corpus.queries
        hits, times = await _each(lambda q: index.nearest(COLLECTION, asked[q], limit=TOP_K), len(asked))
        same = []
        for each, row in zip(hits, corpus.nearest, strict=True):
            passages = await index.find(COLLECTION, [hit.id for hit in each])
            same.append(len({passage.ordinal for passage in passages.values()} & set(row)))
        return {"recall_at_10": float(np.mean(same)) / TOP_K, **times}

    with tempfile.TemporaryDirectory() as folder:
        pipeline, before = TextPipeline.load(corpus.model), _memory()
        quantization = EIGHT_BITS if bits == 8 else None
        index = EdgePassageIndex(Path(folder), pipeline.contract, graph=True, quantization=quantization)
        filled = await _time_work(_fill(index, pipeline, corpus))
        if bits == 32:
            note("dense, every vector", {"fill_s": filled, **await dense(index)})
        figures = {"graph_s": await _time_work(index.optimize()), **await dense(index)}
        terms = corpus.terms
        _, times = await _each(lambda q: index.matching(COLLECTION, terms[q], limit=TOP_K), len(terms))
        figures["memory_bytes_a_passage"] = (_memory() - before) / len(corpus.texts)
        await index.close()
        figures["disk_bytes_a_passage"] = _on_disk(Path(folder)) / len(corpus.texts)
        note(f"dense, graph, {bits} bits", figures)
        if bits == 32:
            note("lexical", times)
        return found


async def _fill(index: EdgePassageIndex, pipeline: TextPipeline, corpus: Corpus) -> None:
    made = _passages(pipeline, corpus)
    while part := list(islice(made, 1000)):
        await index.stage(part)
        await index.publish([(part[0].passage.document_key, 1)])


def _passages(pipeline: TextPipeline, corpus: Corpus) -> Iterator[IndexedPassage]:
    """Build documents of 1000 passages. Ordinals count over all documents, so that they index rows of the vectors."""
    for first in range(0, len(corpus.texts), 1000):
        key = str(uuid.UUID(int=first))
        part = list(corpus.texts[first : first + 1000])
        for number, (text, terms) in enumerate(zip(part, passage_terms(pipeline, part), strict=True), start=first):
            passage = Passage(
                collection=COLLECTION,
                document_id=key,
                document_key=key,
                revision=1,
                ordinal=number,
                title="",
                text=text,
                start=0,
                end=len(text),
            )
            yield IndexedPassage(passage, corpus.vectors[number], terms)


async def _each(
    search: Callable[[int], Awaitable[list[ScoredId]]], count: int
) -> tuple[list[list[ScoredId]], dict[str, float]]:
    """Return all results and the percentiles of their times."""
    found, times = [], []
    for query in range(count):
        begun = time.perf_counter()
        found.append(await search(query))
        times.append((time.perf_counter() - begun) * 1000)
    return found, percentiles("ms", times)


async def _time_work(work: Awaitable[None]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def _alone(corpus: Corpus, bits: Literal[8, 32]) -> list[Measurement]:
    """Measure in a separate process, because memory of an earlier run would be reused unnoticed."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, corpus, bits).result()


def _measure(corpus: Corpus, bits: Literal[8, 32]) -> list[Measurement]:
    return asyncio.run(measure(corpus, bits=bits))


def _memory() -> int:
    return resident_bytes(os.getpid())


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def write_line(name: str, figures: dict[str, float]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps({"search": name, **{key: round(value, 3) for key, value in figures.items()}}) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--count", type=int, action="append")
    parser.add_argument("--out", type=Path, default=Path("bench-scaling"))
    given = parser.parse_args()
    texts = read_passages(given.passages)
    queries = read_queries(given.queries)[:QUERIES]
    encoder = Encoder(given.model)
    results = Results({"model": encoder.pipeline.contract.name, "texts": given.passages.name, "queries": len(queries)})
    counts = given.count or (1_000, 10_000, 100_000, 300_000)
    if max(counts) > len(texts):
        parser.error(f"--passages has {len(texts)} texts, {max(counts)} are required")
    for count in counts:
        corpus = Corpus.of(encoder, texts[:count], queries)
        for bits in (32, 8):
            results.measurements += _alone(corpus, bits)
    write_results(results, given.out)


if __name__ == "__main__":
    main()
