"""Compare the retrieval quality of a precision with float32: nDCG@10 on a labelled set."""

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from export.parity import encode_in_batches, tokenize_texts
from phoserve.errors import ConfigurationError
from phoserve.search.evaluation import evaluate
from phoserve.serving.encoders import Vectors
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline

DEPTH: Final = 10


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Passages by id, and the relevant passage ids of every query."""

    passages: dict[str, str]
    answers: dict[str, list[str]]


def load_labelled(queries: Path, corpus: Path) -> LabelledSet:
    """Read JSON lines, gzipped or not: `queries` {query, positive_id}, `corpus` {id, title, text}.

    Raises ConfigurationError if a file has another shape.
    """
    try:
        passages = {str(row["id"]): f"{row.get('title', '')} {row['text']}".strip() for row in _rows(corpus)}
        answers: dict[str, list[str]] = defaultdict(list)
        for row in _rows(queries):
            answers[row["query"]].append(str(row["positive_id"]))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"the labelled set {queries}, {corpus} cannot be read: {error!r}") from error
    return LabelledSet(passages, dict(answers))


def retrieval_ndcg(graph: Path, pipeline: TextPipeline, labelled: LabelledSet) -> float:
    """Return the mean nDCG@10 of exact search with the vectors of `graph`."""
    encoder = OnnxEncoder(graph)

    def vectors(texts: list[str]) -> Vectors:
        encode = partial(encoder.encode, padding_id=pipeline.contract.padding_id)
        return encode_in_batches(tokenize_texts(pipeline, texts), encode)

    ids, queries = list(labelled.passages), list(labelled.answers)
    scores = vectors(queries) @ vectors(list(labelled.passages.values())).T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    rankings = {query: [ids[index] for index in row] for query, row in zip(queries, best, strict=True)}
    return evaluate(rankings, labelled.answers)["ndcg@10"].mean


def _rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
