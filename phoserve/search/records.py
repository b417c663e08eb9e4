"""Passages that a search may show."""

import msgspec


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """How well a passage answers. The parts are None where that kind of search did not find it."""

    score: float
    dense_score: float | None = None
    """Cosine."""
    lexical_score: float | None = None
    """BM25."""
    rerank_score: float | None = None


class Candidate(Scores, frozen=True, kw_only=True):
    """A passage that may be shown: one in ten is, so it has not been read."""

    id: str
