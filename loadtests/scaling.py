"""How search scales with the collection: the embedded engine before and after its graph is built.

    python -m loadtests.scaling MODEL --passages P.jsonl.gz --queries Q.jsonl.gz [--count 1000 --count 10000]

Vectors and terms are the model's own, of the file's texts. One JSON line a size: milliseconds a search without a graph
and with one, seconds to build it, recall@10 of the graph against the exact neighbours, bytes of memory and disk a
passage. The memory is what this process grew by, its pages of the index's files included.
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
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli.benchmark.memory import resident_bytes
from cli.evaluation import CorpusRow, QueryRow, read_rows
from phoserve.adapters.edge_index import EdgePassageIndex
from phoserve.contract import InputType, load_contract
from phoserve.documents import Passage
from phoserve.ports import IndexedPassage
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from phoserve.text.lexical import passage_terms, query_terms

TOP_K: Final = 10
QUERIES: Final = 200
BATCH: Final = 64
COLLECTION: Final = "kb"


class Encoder:
    """Text to vectors, in this process."""

    def __init__(self, model: Path) -> None:
        contract = load_contract(model)
        self.pipeline = TextPipeline.load(model)
        self._encoder = OnnxEncoder(model / "onnx" / f"{contract.precisions[0]}.onnx")

    def vectors(self, texts: Sequence[str], kind: InputType = InputType.PASSAGE) -> NDArray[np.float32]:
        """float32 (texts, dim)."""
        parts = []
        for first in range(0, len(texts), BATCH):
            tokens = self.pipeline.encode(list(texts[first : first + BATCH]), kind)
            parts.append(self._encoder.encode(tokens.ids, np.diff(tokens.offsets).astype(np.int32)))
        return np.concatenate(parts)


async def measure(model: Path, texts: Sequence[str], queries: Sequence[str], count: int) -> dict[str, float]:
    """All the figures of one size."""
    encoder = Encoder(model)
    vectors, asked = encoder.vectors(texts[:count]), encoder.vectors(queries, InputType.QUERY)
    words = query_terms(encoder.pipeline, list(queries))
    exact = np.argpartition(-(asked @ vectors.T), TOP_K, axis=1)[:, :TOP_K]
    with tempfile.TemporaryDirectory() as folder:
        before = _memory()
        index = EdgePassageIndex(Path(folder), load_contract(model))
        figures: dict[str, float] = {"passages": count, "fill_s": await _timed(_fill(index, encoder, texts, vectors))}

        async def searched(name: str) -> float:
            found, dense = await _each(lambda q: index.nearest(COLLECTION, asked[q], limit=TOP_K), len(queries))
            _, lexical = await _each(lambda q: index.matching(COLLECTION, words[q], limit=TOP_K), len(queries))
            figures.update({f"dense_ms_p50_{name}": dense, f"lexical_ms_p50_{name}": lexical})
            ordinals = [{hit.passage.ordinal for hit in hits} for hits in found]
            return float(np.mean([len(hits & set(row)) / TOP_K for hits, row in zip(ordinals, exact, strict=True)]))

        figures["recall_without_graph"] = await searched("without_graph")
        figures["graph_s"] = await _timed(index.optimize())
        figures["recall_with_graph"] = await searched("with_graph")
        figures["memory_bytes_a_passage"] = (_memory() - before) / count
        await index.close()
        return figures | {"disk_bytes_a_passage": _on_disk(Path(folder)) / count}


async def _fill(index: EdgePassageIndex, encoder: Encoder, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
    made = _passages(encoder.pipeline, texts, vectors)
    while part := list(islice(made, 1000)):
        await index.stage(part)
        await index.publish(part[0].passage.document_key, 1)


def _passages(pipeline: TextPipeline, texts: Sequence[str], vectors: NDArray[np.float32]) -> Iterator[IndexedPassage]:
    """Documents of 1000 passages; the ordinal counts over all of them, so that it names a row of `vectors`."""
    for first in range(0, len(vectors), 1000):
        key = str(uuid.UUID(int=first))
        part = list(texts[first : min(first + 1000, len(vectors))])
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
            yield IndexedPassage(passage, vectors[number], terms)


async def _each(search: Callable[[int], Awaitable[list[Any]]], count: int) -> tuple[list[list[Any]], float]:
    """Every answer, and the median time in ms."""
    found, times = [], []
    for query in range(count):
        begun = time.perf_counter()
        found.append(await search(query))
        times.append((time.perf_counter() - begun) * 1000)
    return found, float(np.median(times))


async def _timed(work: Awaitable[None]) -> float:
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def _memory() -> int:
    return resident_bytes(os.getpid())


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--count", type=int, action="append")
    given = parser.parse_args()
    texts = [row.text for row in read_rows(given.passages, CorpusRow) if row.text.strip()]
    queries = list(dict.fromkeys(row.query for row in read_rows(given.queries, QueryRow)))[:QUERIES]
    for count in given.count or (1_000, 10_000, 100_000, 300_000):
        if count > len(texts):
            parser.error(f"--passages has {len(texts)} texts, {count} were asked for")
        figures = asyncio.run(measure(given.model, texts, queries, count))
        sys.stdout.write(json.dumps({name: round(value, 3) for name, value in figures.items()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
