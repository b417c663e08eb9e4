"""Split a document into chunks within an encoder's limit."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, islice, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from phoserve.errors import ConfigurationError
from phoserve.text.blocks import Place
from phoserve.text.pipeline import TextPipeline, Word
from phoserve.text.sentences import sentences
from phoserve.text.structure import Break, Element, Kind, StructuredText, structure_text

_LEAST_ROOM: Final = 8
_CLAUSE_MARKS: Final = ",;:"
_UNITS_AT_ONCE: Final = 2048
_TABLE_KINDS: Final = frozenset({Kind.TABLE_HEADER, Kind.ROW})
_MARK: Final = re.compile(r"[\u0300-\u036f\u200d\ufe0f]")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: text == document[start:end]."""

    text: str
    start: int
    end: int
    headings: tuple[str, ...]
    """Titles of the sections it is in, outermost first."""
    tokens: int
    """As the encoder counts them, prefix and specials included; never more than the budget."""
    elements: tuple[Element, ...] = ()
    """The elements it is made of, cut to its span; positions count in the document."""

    @property
    def context(self) -> str:
        """The header of the table that its first rows belong to, "" if that is in the chunk or there is none."""
        first = next((each for each in self.elements if each.kind in _TABLE_KINDS), None)
        return first.context if first and first.kind is Kind.ROW else ""

    @property
    def place(self) -> Place:
        """Where it begins in the file."""
        return self.elements[0].place if self.elements else Place()


class _Unit(NamedTuple):
    """What is not cut if it need not be: a sentence; of one over the budget, some words; of such a word, letters."""

    start: int
    end: int
    tokens: int
    """By itself, without specials; a chunk is about the sum of its units."""
    before: Break
    headings: tuple[str, ...]
    is_heading: bool
    is_whole: bool = False
    """A row or record: cut into sentences only if it is over the budget."""
    context: str = ""
    is_counted: bool = False
    """Whether `tokens` is what the encoder counts, not a sum over words."""

    def part(self, start: int, end: int, before: Break, tokens: int = 0) -> "_Unit":
        """Return a part of the unit whose tokens are not counted by the encoder."""
        return _Unit(start, end, tokens, before, self.headings, self.is_heading, self.is_whole, self.context)

    def counted(self, tokens: int) -> "_Unit":
        """Return the unit with the tokens that the encoder counts."""
        return _Unit(
            self.start, self.end, tokens, self.before, self.headings, self.is_heading, self.is_whole, self.context,
            is_counted=True,
        )  # fmt: skip


class _Plan(NamedTuple):
    """A chunk to be made: of which text, of which units, and how many tokens it may have."""

    number: int
    units: list[_Unit]
    budget: int


class Chunker:
    """Cuts at sections first, then where a paragraph, an item, a sentence or a clause ends, and never inside a word.

    A section that fits is one chunk; one that does not becomes chunks of about equal length. Only a "word" that is
    over the budget by itself (a megabyte without a space) is cut between its letters.
    """

    def __init__(self, pipeline: TextPipeline, *, max_tokens: int | None = None, overlap_sentences: int = 0) -> None:
        """Cut for the model of `pipeline`, by default to the most tokens it takes.

        `overlap_sentences` of a chunk are repeated by the next of the same section, as far as half the budget.
        Raises ConfigurationError for a budget that the model would truncate or that leaves no space for text.
        """
        limit = pipeline.contract.max_tokens
        budget = limit if max_tokens is None else max_tokens
        room = budget - int(pipeline.count_tokens([""])[0])
        if budget > limit or room < _LEAST_ROOM:
            least = budget - room + _LEAST_ROOM
            raise ConfigurationError(f"chunks of {budget} tokens: choose from {least} to {limit}, the model's most")
        self._pipeline = pipeline
        self._budget = budget
        self._room = room
        self._overlap = overlap_sentences

    def chunk(self, text: str | StructuredText) -> list[Chunk]:
        """Return the chunks of `text`, in order; all that is not white space is in one of them.

        The same text gives the same chunks. Time is linear in the length.
        """
        return self.chunk_all([text])[0]

    def chunk_all(self, texts: Sequence[str | StructuredText]) -> list[list[Chunk]]:
        """Return the chunks of each text, the same as alone: of many short ones in half the time."""
        documents = [structure_text(text) if isinstance(text, str) else text for text in texts]
        plans: list[_Plan] = []
        for number, units in groupby(self._units(documents), key=itemgetter(0)):
            for section in _sections(unit for _, unit in units):
                reserved = self._reserved(section)
                budget = self._budget - reserved
                plans.extend(_Plan(number, plan, budget) for plan in self._pack(section, self._room - reserved))
        chunks: list[list[Chunk]] = [[] for _ in documents]
        for number, chunk in self._made(documents, iter(plans)):
            chunks[number].append(chunk)
        return [_with_elements(made, document.elements) for made, document in zip(chunks, documents, strict=True)]

    def _reserved(self, section: Sequence[_Unit]) -> int:
        """How many tokens the headers of tables take that are repeated in the chunks of `section`."""
        contexts = list(dict.fromkeys(unit.context for unit in section if unit.context))
        if not contexts:
            return 0
        longest = int(self._pipeline.count_tokens(contexts).max()) - (self._budget - self._room)
        return min(longest, self._room // 2)

    def _made(self, texts: Sequence[StructuredText], plans: Iterator[_Plan]) -> Iterator[tuple[int, Chunk]]:
        while batch := list(islice(plans, _UNITS_AT_ONCE)):
            contents = [texts[number].text[plan[0].start : plan[-1].end] for number, plan, _ in batch]
            counts = self._counts([plan for _, plan, _ in batch], contents)
            for (number, plan, budget), content, tokens in zip(batch, contents, counts, strict=True):
                if tokens <= budget:
                    yield number, Chunk(content, plan[0].start, plan[-1].end, plan[-1].headings, tokens)
                else:
                    # At a chunk's edges words may be segmented otherwise than within the sentence: rarely it matters.
                    halves = (_Plan(number, half, budget) for half in self._halved(texts[number].text, plan))
                    yield from self._made(texts, halves)

    def _counts(self, plans: Sequence[list[_Unit]], contents: Sequence[str]) -> list[int]:
        """Return the tokens of each chunk; one that is a single sentence or row has been counted already."""
        specials = self._budget - self._room
        counts = [plan[0].tokens + specials if len(plan) == 1 and plan[0].is_counted else 0 for plan in plans]
        unknown = [number for number, count in enumerate(counts) if not count]
        if unknown:
            found = self._pipeline.count_tokens([contents[number] for number in unknown]).tolist()
            for number, count in zip(unknown, found, strict=True):
                counts[number] = count
        return counts

    def _halved(self, text: str, plan: list[_Unit]) -> list[list[_Unit]]:
        if len(plan) == 1:
            plan = self._smaller(text, plan[0], run=1)
        middle = max(range(1, len(plan)), key=lambda k: (plan[k].before, -abs(2 * k - len(plan))))
        return [plan[:middle], plan[middle:]]

    def _units(self, texts: Sequence[StructuredText]) -> Iterator[tuple[int, _Unit]]:
        whole = ((number, unit) for number, text in enumerate(texts) for unit in _units_of(text))
        while batch := list(islice(whole, _UNITS_AT_ONCE)):
            counts = self._pipeline.count_tokens([texts[number].text[unit.start : unit.end] for number, unit in batch])
            for (number, unit), count in zip(batch, counts.tolist(), strict=True):
                tokens = count - (self._budget - self._room)
                most = self._room // 2 if unit.context else self._room
                if tokens <= most:
                    yield number, unit.counted(tokens)
                elif unit.is_whole:
                    parts = list(_sentences_of(texts[number].text, unit._replace(is_whole=False)))
                    yield from self._counted(number, texts[number].text, parts)
                else:
                    for part in self._smaller(texts[number].text, unit, run=self._room // 8):
                        yield number, part

    def _counted(self, number: int, text: str, units: Sequence[_Unit]) -> Iterator[tuple[int, _Unit]]:
        """Yield the sentences of a row or record that is over the budget."""
        counts = self._pipeline.count_tokens([text[unit.start : unit.end] for unit in units])
        for unit, count in zip(units, counts.tolist(), strict=True):
            tokens = count - (self._budget - self._room)
            if tokens <= self._room // 2:
                yield number, unit._replace(tokens=tokens)
            else:
                for part in self._smaller(text, unit, run=self._room // 8):
                    yield number, part

    def _smaller(self, text: str, unit: _Unit, *, run: int) -> list[_Unit]:
        """Runs of words of `unit`, of `run` tokens at most if they have more than one; of a single word, pieces."""
        words = self._pipeline.words(text[unit.start : unit.end])
        if len(words) == 1:
            return self._pieces(text, unit)
        smaller: list[_Unit] = []
        before = unit.before
        for start, end, tokens in _runs(words, text[unit.start : unit.end], run):
            part = unit.part(unit.start + start, unit.start + end, before, tokens)
            smaller.extend([part] if tokens <= self._room else self._pieces(text, part))
            before = Break.CLAUSE if text[part.end - 1] in _CLAUSE_MARKS else Break.WORD
        return smaller

    def _pieces(self, text: str, word: _Unit) -> list[_Unit]:
        # A token is a letter at least, but for the few letters that normal form C takes apart.
        length = min(self._room, (word.end - word.start + 1) // 2)
        bounds = [word.start]
        while word.end - bounds[-1] > length:
            cut = bounds[-1] + length
            while cut > bounds[-1] + 1 and _MARK.match(text, cut):
                cut -= 1
            bounds.append(cut if cut > bounds[-1] + 1 else bounds[-1] + length)
        bounds.append(word.end)
        pieces = [word.part(start, end, Break.WORD, min(end - start, self._room)) for start, end in pairwise(bounds)]
        return [pieces[0]._replace(before=word.before), *pieces[1:]]

    def _pack(self, section: Sequence[_Unit], room: int) -> Iterator[list[_Unit]]:
        """Yield the chunks of one section, as many as needed and about equally long."""
        sums = [0, *accumulate(unit.tokens for unit in section)]
        start = fresh = 0  # units before `fresh` are repeated from the chunk before
        while sums[-1] - sums[start] > room:
            end = self._best_end(section, sums, start, fresh, room)
            yield list(section[start:end])
            start, fresh = self._back(section, sums, start, end, room), end
        yield list(section[start:])

    def _best_end(self, section: Sequence[_Unit], sums: list[int], start: int, fresh: int, room: int) -> int:
        rest = sums[-1] - sums[start]
        target = rest / -(-rest // room)
        most = bisect_right(sums, sums[start] + room) - 1
        least = max(fresh + 1, bisect_left(sums, sums[start] + target * 0.75))
        ends = range(min(least, most), most + 1)
        return max(ends, key=lambda k: (section[k].before, -abs(sums[k] - sums[start] - target)))

    def _back(self, section: Sequence[_Unit], sums: list[int], start: int, end: int, room: int) -> int:
        """Where the chunk after `end` begins if it repeats the last sentences of the one that began at `start`."""
        begin, left = end, self._overlap
        for k in range(end - 1, start, -1):
            repeated = sums[end] - sums[k]
            if not left or repeated > room // 2 or repeated + section[end].tokens > room:
                break
            if section[k].before >= Break.SENTENCE:
                begin, left = k, left - 1
        return begin


def _units_of(document: StructuredText) -> Iterator[_Unit]:
    for element in document.elements:
        unit = _Unit(
            *(element.start, element.end, 0, element.before, element.headings, element.kind is Kind.HEADING),
            is_whole=element.is_whole,
            context=element.context,
        )
        yield from [unit] if unit.is_whole else _sentences_of(document.text, unit)


def _sentences_of(text: str, unit: _Unit) -> Iterator[_Unit]:
    before = unit.before
    for start, end in sentences(text[unit.start : unit.end]):
        yield unit.part(unit.start + start, unit.start + end, before)
        before = Break.SENTENCE


def _with_elements(chunks: Sequence[Chunk], elements: Sequence[Element]) -> list[Chunk]:
    """Give each chunk the parts of the elements that are in it."""
    given: list[Chunk] = []
    first = 0
    for chunk in chunks:
        while first < len(elements) and elements[first].end <= chunk.start:
            first += 1
        inside: list[Element] = []
        for element in islice(elements, first, None):
            if element.start >= chunk.end:
                break
            start, end = max(element.start, chunk.start), min(element.end, chunk.end)
            inside.append(
                element if (start, end) == (element.start, element.end) else replace(element, start=start, end=end)
            )
        given.append(replace(chunk, elements=tuple(inside)))
    return given


def _sections(units: Iterator[_Unit]) -> Iterator[list[_Unit]]:
    """Cut at each heading, but not between a heading and what follows it."""
    section: list[_Unit] = []
    for unit in units:
        if unit.before is Break.SECTION and section and not section[-1].is_heading:
            yield section
            section = []
        section.append(unit)
    if section:
        yield section


def _runs(words: Sequence[Word], sentence: str, most: int) -> Iterator[Word]:
    """Join neighbours up to `most` tokens or the end of a clause; a word over that stays by itself."""
    run = words[0]
    for word in words[1:]:
        if run.tokens + word.tokens > most or sentence[run.end - 1] in _CLAUSE_MARKS:
            yield run
            run = word
        else:
            run = Word(run.start, word.end, run.tokens + word.tokens)
    yield run
