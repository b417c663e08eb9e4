"""Compare a model folder's precisions with each other, and single texts with batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phoserve.search.evaluation import estimate, ndcg
from training.labelled import SETS, load_set
from training.quality import Corpus, Encoder, find


@dataclass(frozen=True, slots=True)
class Agreement:
    """nDCG@10 of dense search on one set, one figure per precision, and their difference in points."""

    name: str
    figures: dict[str, float]

    @property
    def points(self) -> float:
        return 100 * (max(self.figures.values()) - min(self.figures.values()))


def precisions_agree(encoders: dict[str, Encoder], evaluation: Path) -> Iterator[Agreement]:
    """Return a line for each labelled set on its own passages; `encoders` are one folder's, by precision."""
    for name in SETS:
        labelled = load_set(evaluation, name)
        figures: dict[str, float] = {}
        for precision, encoder in encoders.items():
            found = find(encoder, labelled.queries, Corpus(encoder, labelled.passages))
            ranked = zip(found.dense, labelled.relevant, strict=True)
            figures[precision] = estimate([ndcg(list(scores), wanted) for scores, wanted in ranked], resamples=1).mean
        yield Agreement(name, figures)


def largest_batch_difference(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return the largest difference between a vector of a single text and of a batch. 0 means bit-identical."""
    alone = np.concatenate([encoder.embed([text]) for text in texts])
    return float(np.abs(encoder.embed(texts) - alone).max())
