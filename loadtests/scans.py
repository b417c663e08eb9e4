"""Retrieval over scanned pages against the same pages as text: nDCG@10 of the same queries.

    python -m loadtests.scans --data ../shared/data [--set viquad_test] [--pages 80] [--noise 12]

The first passages of a labelled set are set in a font, drawn at 200 dpi, made askew and noisy, put into a PDF file
without a text layer, and read as ingestion reads it. All other passages of the set stay text and compete.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import msgspec

from cli.commands.eval import BUNDLED_MODEL
from cli.evaluation import CorpusRow, QueryRow, candidates_of, labels_of, measure
from cli.progress import ConsoleReporter
from cli.rows import read_rows
from ingest.parsing import pdf
from ingest.parsing.recognition import Ocr
from loadtests.search import write_line
from phoserve.search.retrieval import SearchMode
from phoserve.text.structure import render_blocks
from tests.support.typeset import as_photographed, as_scan, available_fonts, page_images, typeset


def scanned(rows: Sequence[CorpusRow], *, noise: float) -> Iterator[CorpusRow]:
    """Yield the rows with the text that OCR reads on a scan of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.pdf"
        for number, (row, font) in enumerate(zip(rows, cycle(available_fonts()), strict=False)):
            pages = list(page_images(typeset([row.text], font), 200))
            if noise:
                degrees = (number % 5) - 2.0
                pages = [as_photographed(page, degrees=degrees, noise=noise, seed=number) for page in pages]
            path.write_bytes(as_scan(pages, 200))
            blocks = pdf.parse(path, Ocr()).blocks
            yield msgspec.structs.replace(row, text=render_blocks(blocks).text)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare retrieval over scans with retrieval over text.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="viquad_test")
    parser.add_argument("--pages", type=int, default=80)
    parser.add_argument("--noise", type=float, default=12.0, help="0 for clean pages")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    given = parser.parse_args()
    corpus = read_rows(given.data / "eval" / f"corpus_{given.set}.jsonl.gz", CorpusRow)
    all_queries = read_rows(given.data / "eval" / f"retrieval_{given.set}.jsonl.gz", QueryRow)
    first = {row.id for row in corpus[: given.pages]}
    labels = labels_of([query for query in all_queries if query.positive_id in first], corpus)
    began = time.perf_counter()
    scans = [*scanned(corpus[: given.pages], noise=given.noise), *corpus[given.pages :]]
    seconds = (time.perf_counter() - began) / given.pages
    scores: dict[str, dict[str, float]] = {}
    for name, rows in (("text", corpus), ("scans", scans)):
        found, weights = asyncio.run(candidates_of(given.model, rows, list(labels), ConsoleReporter()))
        results = measure(found, labels, list(SearchMode), weights)
        scores[name] = {mode: results[mode]["ndcg@10"].mean for mode in ("lexical", "dense", "hybrid")}
    for mode, score in scores["text"].items():
        share = scores["scans"][mode] / score
        write_line(
            {"mode": mode, "text": round(score, 4), "scans": round(scores["scans"][mode], 4), "share": round(share, 4)}
        )
    write_line({"pages": given.pages, "queries": len(labels), "seconds_a_page": round(seconds, 2)})


if __name__ == "__main__":
    main()
