"""Compare the text pipeline with pyvi and PhobertTokenizer on the whole training corpus.

`python -m tests.contract.text.whole_corpus [--every N]`: exit status 1 and the first differences if there are any.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

from phoserve.text import TextPipeline
from tests.support.models import phobert_model
from tests.support.references import phobert_tokenizer, pyvi_tokenize
from tests.support.shared import shared, training_texts

BATCH = 2000
SHOWN = 10


def main() -> None:
    """Go through the corpus and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take each N-th record only")
    every = parser.parse_args().every
    texts, checked, words, tokens = training_texts(every=every), 0, 0, 0
    different: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = TextPipeline.load(phobert_model(Path(folder)))
        while batch := list(islice(texts, BATCH)):
            segmented = [pyvi_tokenize()(text) for text in batch]
            ids = phobert_tokenizer(shared("phobert"))(segmented, truncation=True, max_length=256)["input_ids"]
            different += differences(pipeline, batch, segmented, ids)
            checked += len(batch)
            words += sum(text.count(" ") + 1 for text in segmented)
            tokens += sum(map(len, ids))
            sys.stderr.write(f"\r{checked} texts, {len(different)} different, {time.monotonic() - started:.0f} s")
    sys.stdout.write(f"\n{checked} texts, {words} words, {tokens} tokens: {len(different)} different\n")
    for text in different[:SHOWN]:
        sys.stdout.write(f"{text!r}\n")
    sys.exit(bool(different))


def differences(pipeline: TextPipeline, batch: list[str], segmented: list[str], ids: list[list[int]]) -> Iterator[str]:
    """Yield the texts that the pipeline segments or tokenises in another way."""
    tokens = pipeline.encode(batch)
    bounds = pairwise(tokens.offsets.tolist())
    ours = zip(pipeline.segment(batch), (tokens.ids[start:end].tolist() for start, end in bounds), strict=True)
    for text, expected, answer in zip(batch, zip(segmented, ids, strict=True), ours, strict=True):
        if expected != answer:
            yield text


if __name__ == "__main__":
    main()
