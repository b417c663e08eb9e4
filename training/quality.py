"""Retrieval quality of a model folder on labelled sets: dense, BM25 and hybrid, with the platform's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from scipy import sparse

from phoserve.contract import EMBEDDING, INPUT_IDS, LENGTHS, Fusion
from phoserve.embedding.ports import FloatMatrix
from phoserve.search.evaluation import Estimate, Ranking, auc, evaluate
from phoserve.search.fusion import FUSION_DEPTH, fuse
from phoserve.search.retrieval import EVIDENCE_DEPTH
from phoserve.text.bpe import TokenBatch
from phoserve.text.diacritics import shipped_restorer
from phoserve.text.lexical import SparseVector, passage_terms
from phoserve.text.normalise import compose, strip_invisible
from phoserve.text.pipeline import TextPipeline
from phoserve.text.query import QueryReader, ReadQuery, query_terms
from training.labelled import LabelledSet

MODES: Final = ("dense", "lexical", "hybrid")
BATCH: Final = 64
QUERY_BLOCK: Final = 256
# Terms are 32-bit hashes. Their low bits distinguish the terms of one corpus.
TERM_BITS: Final = 24


class Encoder:
    """A model folder in ONNX Runtime in this process."""

    def __init__(self, folder: Path, *, precision: str | None = None, threads: int = 1) -> None:
        self.pipeline = TextPipeline.load(folder)
        self.reader = QueryReader(self.pipeline, shipped_restorer())
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        chosen = precision or self.pipeline.contract.precisions[-1]
        self._session = ort.InferenceSession(folder / "onnx" / f"{chosen}.onnx", options, ["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return vectors of `texts`, float32 (texts, dim)."""
        batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
        return np.concatenate([self.vectors(self.pipeline.encode(batch)) for batch in batches])

    def vectors(self, batch: TokenBatch) -> FloatMatrix:
        """Return vectors of tokenised texts, float32 (texts, dim)."""
        feed = {INPUT_IDS: batch.ids, LENGTHS: np.diff(batch.offsets).astype(np.int32)}
        found: FloatMatrix = self._session.run([EMBEDDING], feed)[0]
        return found


@dataclass(frozen=True, slots=True)
class RankedPassages:
    """The best passages of each query with their scores, for each side of a hybrid search."""

    dense: list[dict[int, float]]
    lexical: list[dict[int, float]]

    def rankings(self, mode: str, weights: Fusion) -> list[Ranking]:
        """Return a ranking per query: positions of the passages, best first."""
        if mode == "hybrid":
            pairs = zip(self.dense, self.lexical, strict=True)
            return [[passage for passage, _ in fuse(dense, lexical, weights)] for dense, lexical in pairs]
        return [list(scores) for scores in getattr(self, mode)]


class Corpus:
    """Passages with their vectors and term counts. Sets can share distractors."""

    def __init__(self, encoder: Encoder, passages: Sequence[str]) -> None:
        self.vectors = encoder.embed([strip_invisible(passage) for passage in passages])
        self.terms = _matrix(passage_terms(encoder.pipeline, passages))
        self.texts = [compose(passage) for passage in passages]

    def joined(self, other: "Corpus") -> "Corpus":
        """Return these passages followed by the other's."""
        both = object.__new__(Corpus)
        both.vectors = np.concatenate([self.vectors, other.vectors])
        both.terms = sparse.vstack([self.terms, other.terms], format="csr")
        both.texts = self.texts + other.texts
        return both


def find(encoder: Encoder, queries: Sequence[str], corpus: Corpus) -> RankedPassages:
    """Search `corpus` for each query by cosine and by BM25 with the inverse document frequency Qdrant computes."""
    documents = corpus.terms.shape[0]
    frequency = np.bincount(corpus.terms.indices, minlength=corpus.terms.shape[1])
    idf = np.log1p((documents - frequency + 0.5) / (frequency + 0.5))
    weighted = (corpus.terms @ sparse.diags_array(idf)).T.tocsr()
    asked = [encoder.reader.read(query) for query in queries]
    matching = _matching(asked, weighted)
    for at, each in enumerate(asked):
        if each.lattice:
            found = [(corpus.texts[passage], score) for passage, score in matching[at].items()]
            asked[at] = encoder.reader.read_again(each, found[:EVIDENCE_DEPTH])
    vectors = encoder.embed([each.meant for each in asked])
    dense: list[dict[int, float]] = []
    for start in range(0, len(queries), QUERY_BLOCK):
        dense += [best(scores) for scores in vectors[start : start + QUERY_BLOCK] @ corpus.vectors.T]
    return RankedPassages(dense, _matching(asked, weighted))


def _matching(asked: Sequence[ReadQuery], weighted: Any) -> list[dict[int, float]]:
    wanted = _matrix([each.terms for each in asked])
    blocks = (wanted[start : start + QUERY_BLOCK] @ weighted for start in range(0, len(asked), QUERY_BLOCK))
    return [best(scores, above=0.0) for block in blocks for scores in block.toarray()]


def measure(found: RankedPassages, labelled: LabelledSet, weights: Fusion) -> dict[str, dict[str, Estimate]]:
    """Return the metrics of each mode."""
    relevant = {str(query): wanted for query, wanted in enumerate(labelled.relevant)}
    return {
        mode: evaluate({str(query): ranking for query, ranking in enumerate(found.rankings(mode, weights))}, relevant)
        for mode in MODES
    }


def best(scores: NDArray[Any], *, above: float = -np.inf, depth: int = FUSION_DEPTH) -> dict[int, float]:
    """Return positions and values of the `depth` highest scores above `above`, highest first, ties by position."""
    depth = min(depth, len(scores))
    threshold = np.partition(scores, -depth)[-depth]
    top = np.flatnonzero((scores >= threshold) & (scores > above))
    top = top[np.argsort(-scores[top], kind="stable")][:depth]
    return dict(zip(top.tolist(), scores[top].tolist(), strict=True))


def paraphrase_auc(encoder: Encoder, first: Sequence[str], second: Sequence[str], same: Sequence[bool]) -> float:
    """Return the area under the curve of cosine as a test for paraphrases."""
    return auc((encoder.embed(first) * encoder.embed(second)).sum(axis=1).tolist(), same)


def overlap_auc(pipeline: TextPipeline, first: Sequence[str], second: Sequence[str], same: Sequence[bool]) -> float:
    """Return the baseline: the shared part of two sentences' distinct words and syllables (Jaccard)."""
    pairs = zip(query_terms(pipeline, first), query_terms(pipeline, second), strict=True)
    return auc([_jaccard(set(one.indices.tolist()), set(other.indices.tolist())) for one, other in pairs], same)


def _jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _matrix(vectors: Sequence[SparseVector]) -> Any:
    """Return the vectors as rows of a sparse matrix."""
    offsets = np.cumsum([0, *(len(vector.indices) for vector in vectors)])
    columns = np.concatenate([vector.indices for vector in vectors]) & np.uint32((1 << TERM_BITS) - 1)
    values = np.concatenate([vector.values for vector in vectors])
    matrix = sparse.csr_array((values, columns.astype(np.int32), offsets), shape=(len(vectors), 1 << TERM_BITS))
    matrix.sum_duplicates()
    return matrix
