"""Speed of the text pipeline compared with pyvi and PhobertTokenizer, interleaved, on one core.

`python -m loadtests.text_pipeline [--rounds 7] [--json FILE]` reads ViQuAD's questions and passages and PhoBERT's
tokenizer from ../shared and needs the `dev` extra. Both sides are warm (all words are
cached). Times are CPU time of one thread, which other programs on the machine affect less.
"""

import argparse
import gzip
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from phoserve.contract import MERGES_FILE, VOCAB_FILE, ModelContract, save_contract
from phoserve.text import Chunker, TextPipeline
from tests.support.references import phobert_tokenizer, pyvi_tokenize
from tests.support.shared import training_texts

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
Work = Callable[[], object]


def main() -> None:
    """Measure, check that both sides agree, and print a table."""
    arguments = _arguments()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    questions = sorted({row["query"] for row in _rows("retrieval_viquad_test")})
    passages = [row["text"] for row in _rows("corpus_viquad_test")]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        pipeline = load_phobert(Path(folder))
        for name, texts in (("questions", questions), ("passages", passages), ("one question", questions[:1])):
            results.append(measure(name, texts, pipeline, arguments.rounds))
        sys.stdout.write(_table(results))
        results.append(chunk(pipeline, arguments.megabytes))
    sys.stdout.write(
        "{megabytes:.1f} MB chunked in {seconds:.1f} s; memory grew by {grown_mb:.0f} MB\n".format(**results[-1])
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def measure(name: str, texts: Sequence[str], pipeline: TextPipeline, rounds: int) -> dict[str, Any]:
    """Return medians of `rounds` interleaved runs, in microseconds per text, of both sides' three tasks."""
    segment, tokenizer = pyvi_tokenize(), phobert_tokenizer(SHARED / "phobert")
    segmented = [segment(text) for text in texts]
    plain = pipeline.tokenize
    tasks: dict[str, tuple[Work, Work]] = {
        "segment": (lambda: [segment(text) for text in texts], lambda: pipeline.segment(texts)),
        "tokenise": (lambda: _reference_ids(tokenizer, segmented), lambda: plain(segmented)),
        "both": (
            lambda: _reference_ids(tokenizer, [segment(text) for text in texts]),
            lambda: pipeline.encode(texts),
        ),
    }
    assert pipeline.segment(texts) == segmented  # noqa: S101 - unlike answers are not compared for speed
    batch = pipeline.encode(texts)
    assert batch.ids.tolist() == [i for ids in _reference_ids(tokenizer, segmented) for i in ids]  # noqa: S101
    repeat = max(1, 200 // len(texts))
    times: dict[str, list[float]] = {f"{task}/{side}": [] for task in tasks for side in ("reference", "ours")}
    for _ in range(rounds):
        for task, sides in tasks.items():
            for side, work in zip(("reference", "ours"), sides, strict=True):
                times[f"{task}/{side}"].append(_seconds(work, repeat) / len(texts))
    words = sum(len(text.split()) for text in texts) / len(texts)
    return {"name": name, "texts": len(texts), "words": words, "us": {k: median(v) * 1e6 for k, v in times.items()}}


def chunk(pipeline: TextPipeline, megabytes: float) -> dict[str, Any]:
    """Chunk one document of the given number of megabytes, built from news and encyclopaedia articles."""
    articles, size = [], 0
    for text in training_texts():
        articles.append(text)
        size += len(text.encode()) + 2
        if size >= megabytes * 1e6:
            break
    document = "\n\n".join(articles)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    chunks = Chunker(pipeline).chunk(document)
    seconds = time.process_time() - start
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"name": "chunk", "megabytes": size / 1e6, "seconds": seconds, "chunks": len(chunks), "grown_mb": grown_mb}


def load_phobert(folder: Path) -> TextPipeline:
    """Load the pipeline of a model folder in `folder` with PhoBERT's tokenizer."""
    for name in (VOCAB_FILE, MERGES_FILE):
        (folder / name).symlink_to(SHARED / "phobert" / name)
    save_contract(ModelContract(name="bench", dim=1, tokenizer_sha256="", weights_sha256=""), folder)
    return TextPipeline.load(folder)


def _reference_ids(tokenizer: Any, segmented: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(segmented, truncation=True, max_length=256)["input_ids"]
    return ids


def _seconds(work: Work, repeat: int) -> float:
    start = time.process_time()
    for _ in range(repeat):
        work()
    return (time.process_time() - start) / repeat


def _table(results: list[dict[str, Any]]) -> str:
    lines = [
        "| texts | task | reference, µs per text | ours, µs per text | ours, µs per word | ratio |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for result in results:
        for task in ("segment", "tokenise", "both"):
            reference, ours = result["us"][f"{task}/reference"], result["us"][f"{task}/ours"]
            lines.append(
                f"| {result['texts']} {result['name']} ({result['words']:.0f} words) | {task} | {reference:.1f} |"
                f" {ours:.2f} | {ours / result['words']:.3f} | {reference / ours:.1f} |"
            )
    return "\n".join(lines) + "\n"


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(SHARED / "data" / "eval" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=float, default=10.0, help="size of the document to chunk")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
