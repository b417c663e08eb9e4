"""Measure how long an event loop stalls while a long document is cut into passages on a thread.

`python -m loadtests.event_loop_stall [--kilobytes 500] [--rounds 5] [--json FILE]` chunks a document and computes its
lexical terms on a thread, as ingestion does in the API's process, while the event loop ticks every millisecond and
computes the terms of a query every ten. It prints the lateness of the ticks and the time of `query_terms`; the first
row is without a document. Other load on the machine adds to both.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

import export.bundled
from cli.samples import documents, questions
from ingest.staging import CONTEXT_TOKENS, PASSAGE_TOKENS, PASSAGES_PER_BATCH
from phoserve.text import Chunker, TextPipeline, passage_terms, query_terms

TICK_S: Final = 0.001
QUERY_EVERY_S: Final = 0.01
IDLE_S: Final = 2.0


def main() -> None:
    """Print a table of milliseconds, and write it as JSON if asked."""
    arguments = _arguments()
    pipeline = TextPipeline.load(Path(export.bundled.__path__[0]))
    queries = [each.query for each in questions()]
    query_terms(pipeline, queries)
    rows = {"idle": asyncio.run(_measured(pipeline, queries, lambda: time.sleep(IDLE_S)))}
    texts = [_document(arguments.kilobytes * 1000, seed) for seed in range(arguments.rounds)]
    rows["ingesting"] = asyncio.run(_measured(pipeline, queries, lambda: _ingest(pipeline, texts)))
    sys.stdout.write(f"{'':12}{'':>10}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}\n")
    for name, series in rows.items():
        for what, values in series.items():
            cells = "".join(f"{value:10.2f}" for value in values.values())
            sys.stdout.write(f"{name:12}{what:>10}{cells}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


async def _measured(
    pipeline: TextPipeline, queries: Sequence[str], work: Callable[[], object]
) -> dict[str, dict[str, float]]:
    """Lateness of ticks and duration of queries on the loop, in ms, while `work` runs on a thread."""
    working = asyncio.create_task(asyncio.to_thread(work))
    late: list[float] = []
    took: list[float] = []

    async def tick() -> None:
        while not working.done():
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - due)

    async def query() -> None:
        number = 0
        while not working.done():
            await asyncio.sleep(QUERY_EVERY_S)
            begun = time.perf_counter()
            query_terms(pipeline, [queries[number % len(queries)]])
            took.append(time.perf_counter() - begun)
            number += 1

    await asyncio.gather(tick(), query(), working)
    return {"tick": _summary(late), "query": _summary(took)}


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    values = np.array(seconds) * 1000
    return {
        "p50": float(np.percentile(values, 50)),
        "p99": float(np.percentile(values, 99)),
        "max": float(values.max()),
    }


def _ingest(pipeline: TextPipeline, texts: Sequence[str]) -> None:
    """Chunk each text and compute the terms of its passages, as `ingest.staging` does."""
    chunker = Chunker(pipeline, max_tokens=min(pipeline.contract.max_tokens, PASSAGE_TOKENS) - CONTEXT_TOKENS)
    for text in texts:
        passages = [chunk.text for chunk in chunker.chunk(text)]
        for start in range(0, len(passages), PASSAGES_PER_BATCH):
            part = passages[start : start + PASSAGES_PER_BATCH]
            pipeline.count_tokens(part)
            passage_terms(pipeline, part)


def _document(characters: int, seed: int) -> str:
    """Sentences of the samples, some with a number that no other has."""
    chance = random.Random(seed)  # noqa: S311
    sentences = [line for each in documents() for line in each.text.splitlines() if line]
    lines: list[str] = []
    length = 0
    while length < characters:
        line = chance.choice(sentences)
        line += f" Mã số {chance.randrange(10**9)}." if chance.random() < 0.3 else ""
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kilobytes", type=int, default=500, help="Characters of the document, in thousands.")
    parser.add_argument("--rounds", type=int, default=5, help="Documents, one after the other.")
    parser.add_argument("--json", type=Path, help="Write the figures to a file.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
