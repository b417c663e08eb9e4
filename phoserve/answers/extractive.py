"""Answer in the documents' own words: the sentences of the best passages that are closest to the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phoserve.answers.citations import Citation, citation
from phoserve.contract import InputType
from phoserve.embedding.ports import Embedder
from phoserve.search.highlights import content_syllables
from phoserve.search.retrieval import Hit
from phoserve.text import sentences

PASSAGES_READ: Final = 3
SENTENCES_READ: Final = 24
SENTENCES_SAID: Final = 2
MIN_CHARACTERS: Final = 12
# A second sentence must be nearly as good as the first, or it only dilutes the answer.
NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class _Candidate:
    marker: int
    hit: Hit
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]


async def extract(
    question: str, hits: Sequence[Hit], embedder: Embedder, *, min_evidence: float, timeout_s: float
) -> list[Citation]:
    """The sentences that answer `question`, best first, each citing the passage it stands in; none if none is close.

    Markers count from 1 over `hits`. Raises what the embedder raises.
    """
    wanted = content_syllables(question)
    candidates = [each for marker, hit in enumerate(hits[:PASSAGES_READ], start=1) for each in _sentences(marker, hit)][
        :SENTENCES_READ
    ]
    if not candidates:
        return []
    asked = await embedder.embed([question], input_type=InputType.QUERY, timeout_s=timeout_s)
    read = await embedder.embed([each.text for each in candidates], timeout_s=timeout_s)
    similarities: list[float] = (read.vectors @ asked.vectors[0]).tolist()
    if _evidence(wanted, hits[:PASSAGES_READ], similarities) < min_evidence:
        return []
    scored = [
        (similarity + _share(wanted, each.text) + _standing(each.hit, hits), each)
        for similarity, each in zip(similarities, candidates, strict=True)
    ]
    scored.sort(key=lambda entry: -entry[0])
    best = scored[0][0]
    said = [each for score, each in scored[:SENTENCES_SAID] if score >= NEARLY * best]
    return [citation(each.marker, each.hit.passage, each.start, each.end) for each in said]


def _sentences(marker: int, hit: Hit) -> list[_Candidate]:
    spans = sentences(hit.passage.text)
    long_enough = [span for span in spans if span[1] - span[0] >= MIN_CHARACTERS and not _is_heading(hit, span)]
    return [_Candidate(marker, hit, start, end) for start, end in long_enough or spans]


def _is_heading(hit: Hit, span: tuple[int, int]) -> bool:
    line = hit.passage.text[slice(*span)]
    return line.startswith("#") or line in hit.passage.headings


def _evidence(wanted: frozenset[str], hits: Sequence[Hit], similarities: Sequence[float]) -> float:
    """How much speaks for there being an answer: the best cosine, plus the best share of the question's words.

    Neither tells enough alone: people ask in other words than documents answer in, and a small encoder finds everything
    a little similar.
    """
    by_vector = max([*similarities, *(hit.dense_score or 0.0 for hit in hits)])
    return by_vector + max(_share(wanted, hit.passage.text) for hit in hits)


def _share(wanted: frozenset[str], text: str) -> float:
    """How much of the question's words are in `text`, 0 to 1."""
    return len(wanted & content_syllables(text)) / max(1, len(wanted))


def _standing(hit: Hit, hits: Sequence[Hit]) -> float:
    """The passage's own score, 1 for the best."""
    best = hits[0].score
    return hit.score / best if best > 0 else 0.0
