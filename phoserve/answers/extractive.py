"""Answer in the documents' own words: the units of the best passages that answer the question, or nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoserve.answers.citations import Citation, citation
from phoserve.answers.cited import CONFIDENCE, quote_cited_part
from phoserve.answers.evidence import Candidate, Weights, confidence_of, features_of, order_of, weights_for
from phoserve.answers.parts import parts_of
from phoserve.answers.question import Question
from phoserve.answers.units import units
from phoserve.contract import InputType
from phoserve.embedding.ports import Embedder
from phoserve.search.retrieval import Hit

PASSAGES_READ: Final = 5
UNITS_READ: Final = 48
"""Embedded for one question; of more, those with the most of its words."""
NEARLY: Final = 0.6
"""A second unit is quoted, too, if its score is less than this below the best one's: measured in docs/llm.md."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What is quoted, and how likely it answers the question."""

    citations: tuple[Citation, ...]
    """One a span, in the order in which to read them; empty if the documents do not seem to answer."""
    confidence: float
    """0 to 1, calibrated on the sample documents; of several questions, that of the least certain answer given."""
    unanswered: tuple[str, ...] = ()
    """Of several questions in one, those that nothing is quoted for."""


async def extract(
    text: str,
    hits: Sequence[Hit],
    embedder: Embedder,
    *,
    min_confidence: float | None,
    timeout_s: float,
    widened: Sequence[Hit] = (),
    turns: Sequence[str] = (),
) -> Extract:
    """Return the units of `hits` that answer the question `text`.

    Markers count from 1 over `hits`. Nothing is quoted below `min_confidence`; None means what was measured for the
    encoder. `widened` are the hits with the text around them, where the question asks for a part of a law, which may
    continue there. `turns` are those that a follow-up question was made from, the newest first. Raises what the
    embedder raises.
    """
    if (cited := quote_cited_part(text, widened or hits)) is not None:
        return Extract((cited,), CONFIDENCE)
    candidates = candidates_of(Question(text, turns), hits)
    if not candidates:
        return Extract((), 0.0)
    parts = parts_of(text)
    asked = await embedder.embed([part.text for part in parts], input_type=InputType.QUERY, timeout_s=timeout_s)
    read = await embedder.embed([f"{each.context}\n{each.text}".strip() for each in candidates], timeout_s=timeout_s)
    cosines: list[list[float]] = (asked.vectors @ read.vectors.T).tolist()
    weights = weights_for(embedder.contract.name)
    least = weights.min_confidence if min_confidence is None else min_confidence
    judged = [
        _judge(Question(part.text, turns), candidates, near, weights) for part, near in zip(parts, cosines, strict=True)
    ]
    answered = [each for each in judged if each.confidence >= least]
    if not answered:
        return Extract((), max(each.confidence for each in judged))
    best = dict.fromkeys(position for each in answered for position in each.chosen)
    return Extract(
        tuple(each for position in best for each in _citations(candidates[position])),
        min(each.confidence for each in answered),
        tuple(part.asked for part, each in zip(parts, judged, strict=True) if each.confidence < least),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What would be quoted for one question."""

    chosen: list[int]
    confidence: float


def _judge(question: Question, candidates: Sequence[Candidate], cosines: Sequence[float], weights: Weights) -> _Judged:
    features = features_of(question, candidates, cosines)
    scores = order_of(features, weights)
    documents = [each.hit.passage.document_id for each in candidates]
    return _Judged(chosen(scores.tolist(), candidates), confidence_of(features, scores, documents, weights))


def candidates_of(question: Question, hits: Sequence[Hit]) -> list[Candidate]:
    """Return the units of the best passages that are worth embedding, each text once."""
    found: dict[str, Candidate] = {}
    for marker, hit in enumerate(hits[:PASSAGES_READ], start=1):
        passage = hit.passage
        for unit in units(passage):
            candidate = Candidate(marker, hit, unit)
            if not _is_of_another(question, candidate):
                found.setdefault(candidate.text, candidate)
    candidates = list(found.values())
    if len(candidates) <= UNITS_READ:
        return candidates
    shares = [question.coverage(question.fold(f"{each.context}\n{each.text}")) for each in candidates]
    kept = sorted(np.argsort(shares)[::-1][:UNITS_READ].tolist())
    return [candidates[position] for position in kept]


def _is_of_another(question: Question, candidate: Candidate) -> bool:
    """Return whether the unit is about another thing of the kind that the question numbers."""
    first, bar, _ = candidate.text.rpartition("\n")[2].partition(" | ")
    if bar and question.is_of_another_row(question.fold(first)):
        return True
    return question.is_about_another(question.fold(f"{candidate.context}\n{candidate.text}"))


def chosen(scores: Sequence[float], candidates: Sequence[Candidate]) -> list[int]:
    """Return the position of the best candidate, and of the second if it is nearly as good and adds information."""
    order = sorted(range(len(scores)), key=lambda position: -scores[position])
    best = order[0]
    for other in order[1:2]:
        if scores[best] - scores[other] < NEARLY and not _overlap(candidates[best], candidates[other]):
            return [best, other]
    return [best]


def _overlap(one: Candidate, other: Candidate) -> bool:
    """Return whether both would quote some of the same text."""
    if one.text in other.text or other.text in one.text:
        return True
    if one.hit.passage.document_key != other.hit.passage.document_key:
        return False
    first, second = one.hit.passage.start, other.hit.passage.start
    return any(
        first + start < second + last and second + begin < first + end
        for start, end in one.unit.spans
        for begin, last in other.unit.spans
    )


def _citations(candidate: Candidate) -> Iterator[Citation]:
    for start, end in candidate.unit.spans:
        yield citation(candidate.marker, candidate.hit.passage, start, end)
