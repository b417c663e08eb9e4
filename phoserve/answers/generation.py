"""Answer in an LLM's words: its stream cleaned, its markers checked."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from phoserve.answers.citations import Citation, CitedText
from phoserve.answers.events import Cited, Delta, Event, Restarted, Thought
from phoserve.answers.images import ImageFilter
from phoserve.answers.ports import ChatMessage, ChatModel, ChatOptions, ChatPart, TokenCounts
from phoserve.documents.records import Passage

RETRACTED = "reasoning"


@dataclass(slots=True)
class Generation:
    """One reply of an LLM; its outcome is complete once `events` has ended."""

    passages: Sequence[Passage]
    """What the markers count, from 1."""
    given: frozenset[int]
    """The numbers of those that the LLM has read: others are no valid markers."""
    is_structured: bool = False
    """Whether the reply is JSON, whose brackets are not markers."""
    keep_images: bool = False
    text: str = ""
    usage: TokenCounts | None = None
    finish_reason: str | None = None
    _written: str = ""
    """The text as it came, for the case that it is retracted."""
    _images: ImageFilter = field(default_factory=ImageFilter)
    _reader: CitedText = field(init=False)

    def __post_init__(self) -> None:
        self._reader = CitedText(self.passages, self.given)

    @property
    def dropped_citations(self) -> int:
        """Markers that named no passage."""
        return self._reader.dropped

    async def events(
        self, chat: ChatModel, messages: Sequence[ChatMessage], options: ChatOptions, timeout_s: float
    ) -> AsyncGenerator[Event]:
        """Yield the reply as it comes. Raises what the LLM raises."""
        async with aclosing(chat.reply(messages, options=options, timeout_s=timeout_s)) as parts:
            async for part in parts:
                for event in self._take(part):
                    yield event
        for event in self._finish():
            yield event

    def _take(self, part: ChatPart) -> Iterator[Event]:
        self.usage = part.usage or self.usage
        self.finish_reason = part.finish_reason or self.finish_reason
        if part.is_retraction:
            yield Restarted(RETRACTED, "the text so far was the model's reasoning")
            yield Thought(self._written)
            self.text = self._written = ""
            self._images, self._reader = ImageFilter(), CitedText(self.passages, self.given)
        if part.reasoning:
            yield Thought(part.reasoning)
        if part.text:
            self._written += part.text
            pieces = iter([part.text]) if self.is_structured else self._reader.feed(part.text)
            yield from self._events_of(pieces)

    def _finish(self) -> Iterator[Event]:
        if not self.is_structured:
            yield from self._events_of(self._reader.finish())
        yield from map(self._delta, self._images.finish())

    def _events_of(self, pieces: Iterator[str | Citation]) -> Iterator[Event]:
        """Yield citations, and text without images: markers that are dropped or rewritten could leave one."""
        for piece in pieces:
            if isinstance(piece, Citation):
                yield Cited(piece)
            elif self.keep_images:
                yield self._delta(piece)
            else:
                yield from map(self._delta, self._images.feed(piece))

    def _delta(self, text: str) -> Delta:
        self.text += text
        return Delta(text)
