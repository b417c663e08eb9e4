"""Search quality with 50,000 paragraphs as distractors, compared with an independent BM25.

python -m loadtests.search_quality --data ../shared/data     the table of docs/api.md, by set
"""

import argparse
import asyncio
import lzma
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import bm25s
import msgspec

from cli.commands.eval import BUNDLED_MODEL
from cli.evaluation import CorpusRow, QueryRow, candidates_of, labels_of, measure
from cli.progress import ConsoleReporter
from cli.rows import read_rows
from phoserve.search.evaluation import Estimate, Ranking, evaluate
from phoserve.search.fusion import FUSION_DEPTH
from phoserve.search.retrieval import SearchMode
from phoserve.text import TextPipeline
from phoserve.text.lexical import AVERAGE_TERMS, K1, B, segmented_terms

SETS: Final = ("mailong25_viqa", "alqac2022", "viquad_test", "vicov19qa")
DISTRACTORS: Final = 50_000


def distractors(path: Path, count: int) -> Iterator[CorpusRow]:
    """Return the first `count` paragraphs, under ids that no set uses."""
    decoder = msgspec.json.Decoder(CorpusRow)
    with lzma.open(path) as lines:
        for number, row in enumerate(map(decoder.decode, islice(lines, count))):
            yield msgspec.structs.replace(row, id=f"wiki-{number}")


def reference_rankings(text: TextPipeline, corpus: Sequence[CorpusRow], queries: Sequence[str]) -> dict[str, Ranking]:
    """Return the rankings of `bm25s` with the same terms, K1 and B."""
    reference = bm25s.BM25(k1=K1, b=B, method="lucene")
    documents = _tokens(text, [f"{row.title}\n{row.text}" if row.title else row.text for row in corpus])
    # It normalises lengths by the corpus's mean, phoserve by a fixed mean, because a collection grows. A
    # padding document that matches no query makes both means equal if the corpus is shorter.
    missing = int(AVERAGE_TERMS) * (len(documents) + 1) - sum(map(len, documents))
    filler = [f"filler{number}" for number in range(missing)] or ["filler"]
    reference.index([*documents, filler], show_progress=False)
    asked = [sorted(set(each)) for each in _tokens(text, queries)]
    positions, _ = reference.retrieve(asked, k=FUSION_DEPTH, show_progress=False)
    return {
        query: [corpus[at].id for at in row if at < len(corpus)]
        for query, row in zip(queries, positions.tolist(), strict=True)
    }


def measure_set(model: Path, data: Path, name: str, others: Sequence[CorpusRow]) -> str:
    """Print the set's row of the table."""
    corpus = [*read_rows(data / "eval" / f"corpus_{name}.jsonl.gz", CorpusRow), *others]
    labels = labels_of(read_rows(data / "eval" / f"retrieval_{name}.jsonl.gz", QueryRow), corpus)
    queries = list(labels)
    found, weights = asyncio.run(candidates_of(model, corpus, queries, ConsoleReporter()))
    results = measure(found, labels, list(SearchMode), weights)
    reference = evaluate(reference_rankings(TextPipeline.load(model), corpus, queries), labels)
    cells = [reference["ndcg@10"], *(results[mode]["ndcg@10"] for mode in ("lexical", "dense", "hybrid"))]
    recall = results["hybrid"]["recall@100"].mean
    what = f"{name} ({len(queries):,} queries, {len(corpus):,} passages)"
    return f"| {what} | {' | '.join(map(_cell, cells))} | {recall:.3f} |"


def _cell(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _tokens(text: TextPipeline, texts: Sequence[str]) -> list[list[str]]:
    return [[str(term) for term in segmented_terms(segmented)[0]] for segmented in text.segment(texts)]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with eval/ and train/wiki.jsonl.xz")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--distractors", type=int, default=DISTRACTORS)
    parser.add_argument("--sets", nargs="+", default=SETS)
    given = parser.parse_args()
    others = list(distractors(given.data / "train" / "wiki.jsonl.xz", given.distractors))
    sys.stdout.write("| set | bm25s | BM25 | dense | hybrid | hybrid recall@100 |\n|---|--:|--:|--:|--:|--:|\n")
    for name in given.sets:
        sys.stdout.write(measure_set(given.model, given.data, name, others) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
