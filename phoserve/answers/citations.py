"""Citations: which sentence of which passage a statement rests on, and the markers that say so."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phoserve.documents.records import Passage
from phoserve.search.highlights import content_syllables
from phoserve.text import sentences

# [1] and [1, 2]; some models write 【1】.
MARKER: Final = re.compile(r"[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
# What may still become a marker when more text comes.
BEGUN: Final = re.compile(r"\s*[\[【][\d\s,;]{0,40}\Z|\s+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A sentence of a passage; `start` and `end` are characters of the document's text."""

    marker: int
    """The number in the answer's text, counted from 1 over the passages given."""
    passage: Passage
    start: int
    end: int
    quote: str


class CitedText:
    """Reads an answer as it is written: text with its valid markers, and the citations these stand for.

    A marker of a passage that was not given is dropped and counted. Text that may yet become a marker is held back.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.dropped = 0
        self._passages = passages
        self._held = ""
        self._sentence = ""
        self._cited: set[tuple[int, int]] = set()

    def feed(self, text: str) -> Iterator[str | Citation]:
        """What can be said for sure now that `text` has come."""
        self._held += text
        begun = BEGUN.search(self._held)
        ready = begun.start() if begun else len(self._held)
        yield from self._resolved(self._held[:ready])
        self._held = self._held[ready:]

    def finish(self) -> Iterator[str | Citation]:
        """The rest, once nothing more comes."""
        yield from self._resolved(self._held.rstrip())
        self._held = ""

    def _resolved(self, text: str) -> Iterator[str | Citation]:
        position = 0
        for marker in MARKER.finditer(text):
            before = text[position : marker.start()]
            numbers = [int(number) for number in re.findall(r"\d+", marker[1])]
            known = list(dict.fromkeys(number for number in numbers if 1 <= number <= len(self._passages)))
            self.dropped += len(numbers) - len(known)
            yield from self._said(before if known else before.rstrip(" "))
            if known:
                yield "".join(f"[{number}]" for number in known)
                yield from self._cite(known)
            position = marker.end()
        yield from self._said(text[position:])

    def _said(self, text: str) -> Iterator[str]:
        if text:
            self._sentence = (self._sentence + text)[-1000:]
            yield text

    def _cite(self, numbers: list[int]) -> Iterator[Citation]:
        said = _last_sentence(self._sentence)
        for number in numbers:
            passage = self._passages[number - 1]
            start, end = closest_sentence(said, passage.text)
            if (number, start) not in self._cited:
                self._cited.add((number, start))
                yield citation(number, passage, start, end)


def citation(marker: int, passage: Passage, start: int, end: int) -> Citation:
    """The citation of `passage.text[start:end]`."""
    return Citation(
        marker=marker,
        passage=passage,
        start=passage.start + start,
        end=passage.start + end,
        quote=passage.text[start:end],
    )


def closest_sentence(said: str, text: str) -> tuple[int, int]:
    """The span of the sentence of `text` that shares most words with `said`; the whole text where none shares any."""
    wanted = content_syllables(said)
    best, span = 0.0, (0, len(text))
    for start, end in sentences(text):
        syllables = content_syllables(text[start:end])
        # Of two sentences with the same words in common, the shorter one says it.
        overlap = len(wanted & syllables) / (1 + len(syllables)) ** 0.5
        if overlap > best:
            best, span = overlap, (start, end)
    return span


def neutralise_markers(text: str) -> str:
    """`text` with everything that looks like a marker made harmless: documents do not get to cite."""
    return MARKER.sub(lambda marker: f"({marker[1]})", text)


def _last_sentence(text: str) -> str:
    spans = sentences(text)
    return text[spans[-1][0] : spans[-1][1]] if spans else text
