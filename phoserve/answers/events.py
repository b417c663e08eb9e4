"""What an answer is made of, in the order in which it is produced."""

from dataclasses import dataclass, field
from typing import Final

from phoserve.answers.citations import Citation, Support
from phoserve.answers.ports import STOP, TokenCounts
from phoserve.search.retrieval import Hit

GENERATED: Final = "generated"
EXTRACTIVE: Final = "extractive"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about an answer; programs translate by `code`."""

    code: str
    """`quotation`, `fallback` or `incomplete`."""
    message: str


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages the answer is made from, numbered from 1 in this order."""

    hits: list[Hit]
    mode: str
    query_used: str = ""
    """The query of the search: the question, standalone if it follows earlier turns, with restored diacritics."""
    warnings: tuple[str, ...] = ()
    """What is probably a mistake in the query, such as a filter on a field that no document has."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """The next piece of the LLM's reasoning, which is not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The citation that the marker just written refers to."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Restarted:
    """Text and citations so far are void: `code` is `reasoning`, or names the LLM's failure."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer."""

    mode: str
    found: bool
    usage: TokenCounts | None
    dropped_citations: int
    """Markers in the LLM's text that named no passage."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    finish_reason: str = STOP
    """`stop`, or why the LLM ended early: `length`, `content_filter`, ..."""
    fallback: bool = False
    """Whether the LLM failed and the answer is extractive instead."""
    confidence: float | None = None
    """Of an extractive answer: the calibrated probability, 0 to 1, that it answers the question."""
    notes: tuple[Note, ...] = ()
    support: tuple[Support, ...] = ()
    """The answer's sentences with what each rests on, where the caller asked for it."""
    id: str = ""
    """Of the answer's record, for feedback."""


Event = Retrieved | Delta | Thought | Cited | Restarted | Done
