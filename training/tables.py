"""The quality tables of a model folder: every set, with and without distractors, and paraphrases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phoserve.contract import Fusion
from phoserve.search.evaluation import Estimate, estimate, ndcg
from training.labelled import SETS, LabelledSet, load_distractors, load_paraphrases, load_set
from training.quality import Corpus, Encoder, RankedPassages, find, measure, overlap_auc, paraphrase_auc
from training.typed import TYPED

DISTRACTORS: Final = 50_000
WEIGHTS: Final = tuple(step / 20 for step in range(1, 20))


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one set: mode -> metric -> estimate."""

    name: str
    queries: int
    passages: int
    figures: dict[str, dict[str, Estimate]]


def retrieval_table(
    encoder: Encoder,
    evaluation: Path,
    weights: Fusion,
    *,
    distractors: Path | None = None,
    count: int = DISTRACTORS,
    typings: Sequence[str] = ("written",),
) -> Iterator[Row]:
    """Yield a row for each labelled set and way to type its queries (`training.typed.TYPED`).

    `count` passages of `distractors` (.jsonl.xz) are added if it is given.
    """
    others = Corpus(encoder, load_distractors(distractors, count)) if distractors else None
    for name in SETS:
        labelled = load_set(evaluation, name)
        corpus = Corpus(encoder, labelled.passages)
        searched = corpus.joined(others) if others else corpus
        for typing in typings:
            found = find(encoder, [TYPED[typing](query) for query in labelled.queries], searched)
            title = name if typing == "written" else f"{name}, {typing}"
            yield Row(title, len(labelled.queries), len(searched.vectors), measure(found, labelled, weights))


def paraphrase_figures(encoder: Encoder, path: Path) -> tuple[float, float]:
    """Return the area under the curve of the model and of the overlap of words and syllables."""
    pairs = load_paraphrases(path)
    return paraphrase_auc(encoder, *pairs), overlap_auc(encoder.pipeline, *pairs)


@dataclass(frozen=True, slots=True)
class Trial:
    """The effect of one dense weight on hard questions and on titles of held-out documents."""

    dense: float
    hard: float
    held_out: float


def try_fusion(
    hard: tuple[RankedPassages, LabelledSet], held_out: tuple[RankedPassages, LabelledSet]
) -> tuple[list[Trial], float]:
    """Return nDCG@10 of hybrid search at every weight, and of BM25 alone on the hard questions."""
    trials = [
        Trial(dense, _ndcg(*hard, "hybrid", _weights(dense)), _ndcg(*held_out, "hybrid", _weights(dense)))
        for dense in WEIGHTS
    ]
    return trials, _ndcg(*hard, "lexical", Fusion())


def choose_fusion(trials: Sequence[Trial], bm25: float) -> float:
    """Return the best weight for the held-out documents that is not behind BM25 on the hard questions."""
    harmless = [trial for trial in trials if trial.hard >= bm25] or [max(trials, key=lambda trial: trial.hard)]
    return max(harmless, key=lambda trial: trial.held_out).dense


def _ndcg(found: RankedPassages, labelled: LabelledSet, mode: str, weights: Fusion) -> float:
    rankings = found.rankings(mode, weights)
    return estimate([ndcg(*pair) for pair in zip(rankings, labelled.relevant, strict=True)], resamples=1).mean


def _weights(dense: float) -> Fusion:
    return Fusion(dense=dense, lexical=round(1 - dense, 2))
