"""Search latency, recall and costs of the embedded index as it grows.

    python -m loadtests.scaling MODEL --texts news.jsonl.xz --texts wiki.jsonl.xz --queries Q.jsonl.gz [--count 10000]

Texts (rows of `text`, or `lead` and `body`) are cut to passages of 420 characters, repeatedly with shifted cuts if
there are too few. One index grows to each count. Every time its graph is built while searches run, then the script
measures searches at rest, from several clients, and while 200 passages a second arrive. The builder and the arrivals
stop every other second, so that the ratios to the searches at rest do not depend on other programs. Searches are those
of the use case: query text, embedding in this process, engine process, passages of the page. Recall@10 of dense search
refers to the exact neighbours. Memory is that of the engine's process, and figures a passage are in bytes. One JSON
line each.
Results, report.html and scaling.svg are in --out. With --cache, vectors and terms are kept for the next run.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import lzma
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice, zip_longest
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtests.benchmark.load import percentiles
from loadtests.benchmark.memory import family, proportional_bytes
from loadtests.benchmark.plots import plots
from loadtests.benchmark.report import write_results
from loadtests.benchmark.results import Measurement, Results
from loadtests.benchmark.texts import read_queries, shuffle
from loadtests.in_process import InProcessEmbedder
from phoserve.adapters.edge.copying import disk_bytes
from phoserve.adapters.edge.graph import GraphOptions
from phoserve.adapters.edge.process import EdgeProcessIndex
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.contract import InputType
from phoserve.documents.access import UNRESTRICTED
from phoserve.documents.ports import IndexedPassage
from phoserve.documents.records import Passage
from phoserve.search.retrieval import Query, Retriever, SearchMode
from phoserve.text.diacritics import shipped_restorer
from phoserve.text.lexical import SparseVector, passage_terms
from phoserve.text.query import QueryReader

SUITE: Final = "scaling"
PLOT: Final = "Search latency by size of the collection"
TOP_K: Final = 10
QUERIES: Final = 200
BLOCK: Final = 20_000
DOCUMENT: Final = 20
"""Passages of a document."""
STAGED: Final = 1_000
CHARACTERS: Final = 420
SHIFTS: Final = (0, 210, 105, 315)
ARRIVING_PER_S: Final = 200
COLLECTION: Final = "kb"
TURN_S: Final = 1.0
NO_UPKEEP: Final = replace(GraphOptions(), check_every_s=1e9)


@dataclass(frozen=True, slots=True)
class Block:
    """Passages with vectors, float32 (passages, dim), and terms, as rows of indices and values between offsets."""

    texts: Sequence[str]
    vectors: NDArray[np.float32]
    offsets: NDArray[np.int64]
    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    def passages(self, first: int) -> Iterator[IndexedPassage]:
        """Yield the passages; ordinals count over all blocks, from `first`."""
        for row, text in enumerate(self.texts):
            key = str(uuid.UUID(int=1 + (first + row) // DOCUMENT))
            passage = Passage(
                collection=COLLECTION,
                document_id=key,
                document_key=key,
                revision=1,
                ordinal=first + row,
                title="",
                text=text,
                start=0,
                end=len(text),
            )
            span = slice(self.offsets[row], self.offsets[row + 1])
            yield IndexedPassage(passage, self.vectors[row], SparseVector(self.indices[span], self.values[span]))


class Corpus:
    """Blocks of passages cut from files of texts."""

    def __init__(self, files: Sequence[Path], encoder: InProcessEmbedder, cache: Path | None) -> None:
        self._texts = _cut_all(files)
        self._encoder, self._cache = encoder, cache
        self._number = 0

    def next_block(self) -> Block:
        """Return the next `BLOCK` passages, from the cache if they are there."""
        texts = list(islice(self._texts, BLOCK))
        if not texts:
            sys.exit("--texts has too few texts for the largest --count")
        file = self._cache / f"{self._number}.npz" if self._cache else None
        self._number += 1
        if file is not None and file.exists():
            kept = np.load(file)
            return Block(texts, kept["vectors"], kept["offsets"], kept["indices"], kept["values"])
        terms: list[SparseVector] = []
        for first in range(0, len(texts), 500):
            terms += passage_terms(self._encoder.text, texts[first : first + 500])
        block = Block(
            texts,
            self._encoder.vectors(texts),
            np.cumsum([0, *(len(each.indices) for each in terms)]),
            np.concatenate([each.indices for each in terms]),
            np.concatenate([each.values for each in terms]),
        )
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            arrays = {name: getattr(block, name) for name in ("vectors", "offsets", "indices", "values")}
            np.savez(file, **arrays)
        return block


class Exact:
    """The exact neighbours of queries among the passages so far."""

    def __init__(self, queries: NDArray[np.float32]) -> None:
        self._queries = queries
        self._scores = np.full((len(queries), TOP_K), -np.inf, np.float32)
        self.rows = np.full((len(queries), TOP_K), -1)

    def add(self, vectors: NDArray[np.float32], first: int) -> None:
        """Consider passages whose numbers begin at `first`."""
        scores = np.concatenate([self._scores, self._queries @ vectors.T], axis=1)
        numbers = np.broadcast_to(np.arange(first, first + len(vectors)), (len(self.rows), len(vectors)))
        rows = np.concatenate([self.rows, numbers], axis=1)
        best = np.argpartition(-scores, TOP_K, axis=1)[:, :TOP_K]
        self._scores = np.take_along_axis(scores, best, axis=1)
        self.rows = np.take_along_axis(rows, best, axis=1)


class Turns:
    """Times of searches while something else runs, and of those in between, when it stops."""

    def __init__(self) -> None:
        self._times: dict[bool, list[float]] = {True: [], False: []}

    def turn(self) -> bool:
        """Return whether it may run now."""
        return int(time.perf_counter() / TURN_S) % 2 == 0

    def add(self, ms: float, *, busy: bool) -> None:
        """Add the time of a search that began while it ran, or did not."""
        self._times[busy].append(ms)

    def figures(self) -> dict[str, float]:
        """Return the times while it ran, and the ratio to the others."""
        busy, idle = self._times[True], self._times[False]
        over = {"p95_over_rest": float(np.percentile(busy, 95) / np.percentile(idle, 95))} if busy and idle else {}
        return {**percentiles("ms", busy), "ms_max": max(busy, default=0.0), **over}


@dataclass(slots=True)
class Growth:
    """One index that grows, and what was measured."""

    folder: Path
    encoder: InProcessEmbedder
    corpus: Corpus
    queries: Sequence[str]
    phase_s: float
    """Of each measurement with a fixed length."""
    graph: GraphOptions = NO_UPKEEP
    measurements: list[Measurement] = field(default_factory=list)
    count: int = 0

    async def run(self, counts: Sequence[int]) -> None:
        """Measure at each of the counts."""
        reader = QueryReader(self.encoder.text, shipped_restorer())
        asked = self.encoder.vectors([reader.read(query).meant for query in self.queries], InputType.QUERY)
        exact = Exact(asked)
        index = await EdgeProcessIndex(self.folder, self.encoder.contract, self.graph).start()
        search = Retriever(self.encoder, index, reader)
        waiting: list[IndexedPassage] = []
        for count in counts:
            filled, built = await self._grow(index, exact, waiting, count)
            building = await self._build(index, search)
            rest = {}
            for mode in SearchMode:
                rest[mode] = await self._search_all(search, mode)
                self._note(count, mode.value, rest[mode])
            recall = await self._recall(index, asked, exact)
            rates = {f"hybrid_per_s_{clients}_clients": await self._closed_loop(search, clients) for clients in (1, 8)}
            arriving = await self._while_arriving(index, search, exact, waiting)
            figures = {
                "recall_at_10": recall,
                "fill_passages_per_s": filled,
                "graph_s": built,
                **rates,
                **{f"building_{name}": value for name, value in building.items()},
                **{f"arriving_{name}": value for name, value in arriving.items()},
                **self._sizes(),
            }
            await index.close()
            begun = time.perf_counter()
            index = await EdgeProcessIndex(self.folder, self.encoder.contract, self.graph).start()
            search = Retriever(self.encoder, index, reader)
            await self._search_all(search, SearchMode.HYBRID, 1)
            figures["restart_s"] = time.perf_counter() - begun
            self._note(count, "index", figures, plotted=False)
        await index.close()

    def _note(self, count: int, name: str, figures: dict[str, float], *, plotted: bool = True) -> None:
        size = {"passages" if plotted else "indexed": float(count)}
        found = Measurement(SUITE, name, f"{count:,} passages", 1, 0, size | figures)
        self.measurements.append(found)
        shown = {key: round(value, 3) for key, value in found.figures.items()}
        sys.stdout.write(json.dumps({"measured": name, **shown}) + "\n")
        sys.stdout.flush()

    async def _grow(
        self, index: EdgeProcessIndex, exact: Exact, waiting: list[IndexedPassage], count: int
    ) -> tuple[float, float]:
        """Fill the index as fast as it goes, and build the graph when all but the last passages are there.

        Return passages per second and the seconds that it took to build. In service, a build begins with as many
        passages outside of the graph as are left.
        """
        left = min(NO_UPKEEP.most_new_points, int(NO_UPKEEP.new_share * count))
        filled = await self._fill(index, exact, waiting, count - left)
        begun = time.perf_counter()
        await index.build_graph()
        built = time.perf_counter() - begun
        await self._fill(index, exact, waiting, count)
        return filled, built

    async def _fill(self, index: EdgeProcessIndex, exact: Exact, waiting: list[IndexedPassage], count: int) -> float:
        """Return passages per second."""
        begun, before = time.perf_counter(), self.count
        spent = 0.0
        while self.count < count:
            reading = time.perf_counter()
            self._read_ahead(waiting)
            spent += time.perf_counter() - reading
            size = min(STAGED, count - self.count)
            await self._add(index, exact, [waiting.pop(0) for _ in range(min(size, len(waiting)))])
        return (self.count - before) / max(time.perf_counter() - begun - spent, 1e-9)

    def _read_ahead(self, waiting: list[IndexedPassage]) -> None:
        if len(waiting) < STAGED:
            waiting += self.corpus.next_block().passages(self.count + len(waiting))

    async def _add(self, index: EdgeProcessIndex, exact: Exact, passages: Sequence[IndexedPassage]) -> None:
        await index.stage(passages)
        keys = dict.fromkeys(item.passage.document_key for item in passages)
        await index.publish([(key, 1) for key in keys])
        exact.add(np.stack([item.vector for item in passages]), self.count)
        self.count += len(passages)

    async def _build(self, index: EdgeProcessIndex, search: Retriever) -> dict[str, float]:
        """Build the graph while searches run. Return their times."""
        begun = time.perf_counter()
        building = asyncio.create_task(index.build_graph())
        times = Turns()
        for query in cycle(self.queries):
            turn = times.turn()
            stopped = _signal_builder(signal.SIGCONT if turn else signal.SIGSTOP) and not turn
            times.add(await _timed(search, query, SearchMode.HYBRID), busy=not stopped)
            if building.done():
                break
        await building
        return times.figures() | {"s": time.perf_counter() - begun}

    async def _search_all(self, search: Retriever, mode: SearchMode, count: int | None = None) -> dict[str, float]:
        """Search for each query, one at a time. The CPU time of the engine does not depend on other load."""
        before = _engine_cpu_s()
        times = [await _timed(search, query, mode) for query in self.queries[:count]]
        return {**percentiles("ms", times), "engine_core_ms": (_engine_cpu_s() - before) * 1000 / len(times)}

    async def _closed_loop(self, search: Retriever, clients: int) -> float:
        """Return the hybrid searches per second of several clients."""
        queries, done = cycle(self.queries), 0
        until = time.perf_counter() + self.phase_s

        async def client() -> None:
            nonlocal done
            while time.perf_counter() < until:
                await _timed(search, next(queries), SearchMode.HYBRID)
                done += 1

        await asyncio.gather(*(client() for _ in range(clients)))
        return done / (self.phase_s)

    async def _while_arriving(
        self, index: EdgeProcessIndex, search: Retriever, exact: Exact, waiting: list[IndexedPassage]
    ) -> dict[str, float]:
        """Search while documents are indexed at a fixed rate, or as fast as a busy machine allows."""
        until, before = time.perf_counter() + 2 * self.phase_s, self.count
        self._read_ahead(waiting)
        times = Turns()

        async def arrive() -> None:
            due = time.perf_counter()
            while due < until and len(waiting) >= DOCUMENT:
                if times.turn():
                    await self._add(index, exact, [waiting.pop(0) for _ in range(DOCUMENT)])
                    due += DOCUMENT / ARRIVING_PER_S
                else:
                    due = max(due, time.perf_counter()) + 0.01
                await asyncio.sleep(due - time.perf_counter())

        arriving = asyncio.create_task(arrive())
        for query in cycle(self.queries):
            turn = times.turn()
            times.add(await _timed(search, query, SearchMode.HYBRID), busy=turn)
            if arriving.done():
                break
        await arriving
        return times.figures() | {"passages_per_s": (self.count - before) / self.phase_s}

    async def _recall(self, index: EdgeProcessIndex, asked: NDArray[np.float32], exact: Exact) -> float:
        same = 0
        for vector, rows in zip(asked, exact.rows, strict=True):
            hits = await index.nearest(COLLECTION, vector, limit=TOP_K, audience=UNRESTRICTED)
            found = await index.find(COLLECTION, [hit.id for hit in hits], audience=UNRESTRICTED)
            same += len({passage.ordinal for passage in found.values()} & set(rows.tolist()))
        return same / exact.rows.size

    def _sizes(self) -> dict[str, float]:
        engines = _children()
        return {
            "memory_bytes_a_passage": sum(map(proportional_bytes, engines)) / self.count,
            "memory_anonymous_bytes_a_passage": sum(proportional_bytes(each, "Pss_Anon") for each in engines)
            / self.count,
            "disk_bytes_a_passage": disk_bytes(self.folder) / self.count,
        }


def _children() -> list[int]:
    return [pid for pid in family(os.getpid()) if pid != os.getpid()]


def _signal_builder(number: signal.Signals) -> bool:
    """Return whether there is a builder."""
    found = False
    for pid in _children():
        with contextlib.suppress(OSError):  # it ends
            if b"edge.builder" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)
                found = True
    return found


def _engine_cpu_s() -> float:
    """Return the CPU time that the engine's process has used."""
    spent = 0
    for pid in _children():
        user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        spent += int(user) + int(system)
    return spent / os.sysconf("SC_CLK_TCK")


async def _timed(search: Retriever, query: str, mode: SearchMode) -> float:
    """Return the milliseconds of one search."""
    begun = time.perf_counter()
    asked = Query(text=query, mode=mode, audience=UNRESTRICTED)
    await search.search(COLLECTION, asked, deadline=Deadline.after(60.0), timings=Timings())
    return (time.perf_counter() - begun) * 1000


def _cut_all(files: Sequence[Path]) -> Iterator[str]:
    """Yield passages of all files in turn, then again with shifted cuts."""
    for shift in SHIFTS:
        for texts in zip_longest(*map(_texts, files)):
            for text in reversed(texts):
                if text is not None:
                    yield from _cut(text, shift)


def _texts(file: Path) -> Iterator[str]:
    opened: Any = {".xz": lzma.open, ".gz": gzip.open}.get(file.suffix, open)
    with opened(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"] if "text" in row else f"{row['lead']} {row['body']}"


def _cut(text: str, shift: int) -> Iterator[str]:
    part: list[str] = []
    size = skipped = 0
    for word in text.split():
        if skipped < shift:
            skipped += len(word) + 1
            continue
        part.append(word)
        size += len(word) + 1
        if size >= CHARACTERS:
            yield " ".join(part)
            part, size = [], 0
    if size > 120 or (not shift and size > 30):
        yield " ".join(part)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--texts", type=Path, action="append", required=True)
    parser.add_argument("--queries", type=Path, action="append", required=True)
    parser.add_argument("--count", type=int, action="append")
    parser.add_argument("--phase-s", type=float, default=10.0)
    parser.add_argument("--nice", type=int, default=NO_UPKEEP.nice, help="priority of the process that builds")
    parser.add_argument("--threads", type=int, default=NO_UPKEEP.threads, help="that build the graph")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bench-scaling"))
    given = parser.parse_args()
    queries = [query for file in given.queries for query in read_queries(file)[: QUERIES // len(given.queries)]]
    queries = shuffle(queries)
    encoder = InProcessEmbedder(given.model)
    named = ", ".join(file.name for file in [*given.texts, *given.queries])
    results = Results({"model": encoder.contract.name, "texts": named, "queries": len(queries)})
    graph = replace(NO_UPKEEP, nice=given.nice, threads=given.threads)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(given.texts, encoder, given.cache)
        growth = Growth(Path(folder), encoder, corpus, queries, given.phase_s, graph)
        asyncio.run(growth.run(given.count or (10_000, 100_000, 300_000, 1_000_000)))
    results.measurements += growth.measurements
    write_results(results, given.out)
    (given.out / "scaling.svg").write_text(plots(results)[PLOT])


if __name__ == "__main__":
    main()
