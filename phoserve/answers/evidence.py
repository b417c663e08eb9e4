"""How well a unit of a passage answers a question, and how likely the best one does.

Two linear models over the same features, fitted by `python -m loadtests.answer_quality fit` on questions over the
sample documents: one orders units, the other turns the best unit's features into a probability. Cosines of another
encoder mean something else, so for encoders without weights of their own both models read words alone.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from phoserve.answers.question import Question
from phoserve.answers.units import Unit
from phoserve.search.retrieval import Hit

FEATURES: Final = (
    "unit_coverage",
    "context_coverage",
    "passage_coverage",
    "pairs",
    "cosine",
    "hit_share",
    "hit_cosine",
    "expected_kind",
    "counted",
    "length",
    "rank",
    "missing",
)
COSINES: Final = ("cosine", "hit_cosine")
OTHER_ENCODERS: Final = "*"

Features = NDArray[np.float64]


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Both models for one encoder, in the order of `FEATURES`."""

    order: tuple[float, ...]
    confidence: tuple[float, ...]
    """One more than `order`, for the lead over the best unit of another document."""
    bias: float
    min_confidence: float
    """Default minimum of evidence for an answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be quoted."""

    marker: int
    """Number of its hit, from 1."""
    hit: Hit
    unit: Unit

    @property
    def text(self) -> str:
        """The text that would be quoted."""
        return self.unit.text(self.hit.passage.text)

    @property
    def context(self) -> str:
        """Title, headings and label, which describe the topic of the text."""
        passage = self.hit.passage
        return "\n".join(dict.fromkeys(part for part in (passage.title, *passage.headings, self.unit.lead) if part))


def features_of(question: Question, candidates: Sequence[Candidate], cosines: Sequence[float]) -> Features:
    """Return one row of `FEATURES` a candidate; `cosines` are of the question and each candidate in its context."""
    best = max((each.hit.score for each in candidates), default=0.0)
    rows = [_row(question, each, cosine, best) for each, cosine in zip(candidates, cosines, strict=True)]
    return np.array(rows, np.float64).reshape(len(rows), len(FEATURES))


def order_of(features: Features, weights: Weights) -> NDArray[np.float64]:
    """Return the score of each candidate, higher is better; scores of two questions do not compare."""
    scores: NDArray[np.float64] = features @ np.array(weights.order)
    return scores


def confidence_of(features: Features, scores: NDArray[np.float64], documents: Sequence[str], weights: Weights) -> float:
    """Return the probability, 0 to 1, that the best candidate answers the question."""
    row = np.append(*best_row(features, scores, documents))
    return float(1 / (1 + math.exp(-float(row @ np.array(weights.confidence)) - weights.bias)))


def best_row(features: Features, scores: NDArray[np.float64], documents: Sequence[str]) -> tuple[Features, float]:
    """Return the best candidate's features and its margin over the best one of another document."""
    best = int(np.argmax(scores))
    others = [score for score, document in zip(scores.tolist(), documents, strict=True) if document != documents[best]]
    return features[best], float(scores[best]) - max(others, default=float(scores.min()))


def weights_for(encoder: str) -> Weights:
    """Return the weights for an encoder's cosines, or those that read words alone."""
    known = _weights()
    return known.get(encoder, known[OTHER_ENCODERS])


@cache
def _weights() -> dict[str, Weights]:
    data = files("phoserve.answers").joinpath("data", "evidence.json").read_bytes()
    return msgspec.convert(json.loads(data)["encoders"], dict[str, Weights])


def _row(question: Question, candidate: Candidate, cosine: float, best: float) -> list[float]:
    hit, text = candidate.hit, candidate.text
    context, unit = question.fold(candidate.context), question.fold_subject(text)
    # Joined by a mark: no pair reaches from the one into the other.
    in_context = f"{context}|{unit}"
    return [
        question.coverage(unit),
        question.coverage(in_context),
        question.coverage(f"{context}|{question.fold_subject(hit.passage.text)}"),
        question.pair_coverage(in_context),
        cosine,
        hit.score / best if best > 0 else 0.0,
        hit.dense_score or 0.0,
        question.expects(text),
        question.counts(text),
        math.log(len(text)),
        1 / candidate.marker,
        question.missing(in_context),
    ]
