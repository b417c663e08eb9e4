"""Citations: the sentence of a passage that a statement rests on, and the markers that refer to it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phoserve.documents.records import Passage
from phoserve.search.highlights import content_syllables
from phoserve.text import sentences

# [1], [1, 2] and [1-3]; some models write 【1】. A number may have any length: what is no passage's is dropped.
MARKER: Final = re.compile(r"[\[【]\s*+(\d++(?:\s*+[,;–-]\s*+\d++)*+)\s*+[\]】]")
# What may still become a marker when more text comes.
BEGUN: Final = re.compile(r"(?<!\s)(?:\s*+[\[【][\d\s,;–-]*+|\s++)\Z")
_NUMBERS: Final = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")
_MAX_DIGITS: Final = 4
_LEADING: Final = re.compile(rf"(?:{MARKER.pattern}\s*)+[.,;]?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A sentence of a passage; `start` and `end` are characters of the document's text."""

    marker: int
    """The number in the answer's text, counted from 1 over the passages given."""
    passage: Passage
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Support:
    """A sentence of an answer, `text[start:end]`, with what it rests on; nothing where it has no marker."""

    start: int
    end: int
    citations: tuple[Citation, ...]


class CitedText:
    """Reads an answer as it is written: text with its valid markers, and the citations they refer to.

    A marker of a passage that was not given is dropped and counted. Text that may yet become a marker is held back.
    """

    def __init__(self, passages: Sequence[Passage], given: frozenset[int] | None = None) -> None:
        """Check markers against the numbers `given`, by default of all `passages`, counted from 1."""
        self.dropped = 0
        self._passages = passages
        self._given = frozenset(range(1, len(passages) + 1)) if given is None else given
        self._held = ""
        self._sentence = ""
        self._cited: set[tuple[int, int]] = set()

    def feed(self, text: str) -> Iterator[str | Citation]:
        """Yield what is certain now that `text` has come."""
        self._held += text
        begun = BEGUN.search(self._held)
        ready = begun.start() if begun else len(self._held)
        yield from self._resolved(self._held[:ready])
        self._held = self._held[ready:]

    def finish(self) -> Iterator[str | Citation]:
        """Yield the rest, once nothing more comes."""
        yield from self._resolved(self._held.rstrip())
        self._held = ""

    def _resolved(self, text: str) -> Iterator[str | Citation]:
        position = 0
        for marker in MARKER.finditer(text):
            before = text[position : marker.start()]
            numbers = numbers_of(marker[1])
            known = list(dict.fromkeys(number for number in numbers if number in self._given))
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
    """Return the citation of `passage.text[start:end]`."""
    return Citation(
        marker=marker,
        passage=passage,
        start=passage.start + start,
        end=passage.start + end,
        quote=passage.text[start:end],
    )


def closest_sentence(said: str, text: str) -> tuple[int, int]:
    """Return the span of the sentence of `text` that shares most words with `said`, or of all if none shares any."""
    wanted = content_syllables(said)
    best, span = 0.0, (0, len(text))
    for start, end in sentences(text):
        syllables = content_syllables(text[start:end])
        # Of two sentences with the same words in common, the shorter one is closer.
        overlap = len(wanted & syllables) / (1 + len(syllables)) ** 0.5
        if overlap > best:
            best, span = overlap, (start, end)
    return span


def numbers_of(marker: str) -> list[int]:
    """Return the numbers inside a marker, ranges written out; 0, which no passage has, for one out of any range."""
    numbers: list[int] = []
    for first, last in _NUMBERS.findall(marker):
        if max(len(first), len(last)) > _MAX_DIGITS:
            numbers.append(0)
        elif last and int(first) <= int(last) <= int(first) + 20:
            numbers += range(int(first), int(last) + 1)
        else:
            numbers += [int(each) for each in (first, last) if each]
    return numbers


def support_of(text: str, passages: Sequence[Passage]) -> list[Support]:
    """Return the sentences of a complete answer with the sentences of passages that support each.

    A marker supports the sentence that it is in, or ends; one at the beginning of a sentence, the sentence before.
    """
    found: list[Support] = []
    for start, end in sentences(text):
        leading = _LEADING.match(text, start, end)
        if leading and found:
            found[-1] = _supported(text, found[-1].start, leading.end(), passages)
            start = leading.end()
        if text[start:end].strip():
            found.append(_supported(text, start + len(text[start:end]) - len(text[start:end].lstrip()), end, passages))
    return found


def _supported(text: str, start: int, end: int, passages: Sequence[Passage]) -> Support:
    sentence = MARKER.sub("", text[start:end])
    numbers = [number for marker in MARKER.finditer(text, start, end) for number in numbers_of(marker[1])]
    known = [number for number in dict.fromkeys(numbers) if 1 <= number <= len(passages)]
    citations = [
        citation(each, passages[each - 1], *closest_sentence(sentence, passages[each - 1].text)) for each in known
    ]
    return Support(start, end, tuple(citations))


def neutralise_markers(text: str) -> str:
    """Return `text` with everything that looks like a marker made harmless: documents cannot cite."""
    return MARKER.sub(lambda marker: f"({marker[1]})", text)


def _last_sentence(text: str) -> str:
    spans = sentences(text)
    return text[spans[-1][0] : spans[-1][1]] if spans else text
