"""Answer a question from a collection, citing the passages the answer rests on."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from phoserve.answers.citations import Citation, CitedText
from phoserve.answers.extractive import extract
from phoserve.answers.ports import ChatMessage, ChatModel, TokenCounts
from phoserve.answers.prompt import Prompt
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.search.retrieval import Hit, Query, Retriever

GENERATED = "generated"
EXTRACTIVE = "extractive"


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages the answer will be made from, numbered from 1 in this order."""

    hits: list[Hit]
    mode: str


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The marker just written stands for this."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a complete answer."""

    mode: str
    found: bool
    usage: TokenCounts | None
    dropped_citations: int
    """Markers in the LLM's text that named no passage."""
    timings_ms: dict[str, float]


Event = Retrieved | Delta | Cited | Done


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers from what the retriever finds, in an LLM's words where there is one, else in the documents' own."""

    retriever: Retriever
    chat: ChatModel | None = None
    prompt: Prompt = field(default_factory=Prompt)
    min_evidence: float = 0.0
    """Best cosine plus best share of the question's words, below which no extractive answer is given."""

    async def answer(
        self, collection: str, query: Query, *, deadline: Deadline, history: Sequence[ChatMessage] = ()
    ) -> AsyncGenerator[Event]:
        """The answer as it comes about: `Retrieved`, then `Delta`s and `Cited`s, then `Done`.

        Closing the generator stops the LLM. Raises what the retriever and the LLM raise.
        """
        timings = Timings()
        mode = GENERATED if self.chat else EXTRACTIVE
        with timings.stage("total"):
            found = await deadline.keep(self.retriever.search(collection, query, deadline=deadline, timings=timings))
            yield Retrieved(found.hits, mode)
            events = (
                self._generated(self.chat, query, found.hits, deadline, timings, history)
                if self.chat and found.hits
                else self._extractive(query, found.hits, deadline, timings)
            )
            async with aclosing(events):
                ending: Done | None = None
                async for event in events:
                    if isinstance(event, Done):
                        ending = event
                    else:
                        yield event
        if ending is not None:
            yield Done(mode, ending.found, ending.usage, ending.dropped_citations, timings.ms)

    async def _generated(
        self,
        chat: ChatModel,
        query: Query,
        hits: Sequence[Hit],
        deadline: Deadline,
        timings: Timings,
        history: Sequence[ChatMessage],
    ) -> AsyncGenerator[Event]:
        passages = [hit.passage for hit in hits]
        reader = CitedText(passages)
        usage: TokenCounts | None = None
        said: list[str] = []
        messages = self.prompt.messages(query.text, passages, history)
        with timings.stage("llm"):
            async with aclosing(chat.reply(messages, timeout_s=deadline.left_s())) as parts:
                async for part in parts:
                    usage = part.usage or usage
                    for piece in reader.feed(part.text):
                        yield _event(piece, said)
            for piece in reader.finish():
                yield _event(piece, said)
        found = self.prompt.not_found.rstrip(".") not in "".join(said)
        yield Done(GENERATED, found, usage, reader.dropped, {})

    async def _extractive(
        self, query: Query, hits: Sequence[Hit], deadline: Deadline, timings: Timings
    ) -> AsyncGenerator[Event]:
        with timings.stage("extract"):
            citations = await extract(
                query.text,
                hits,
                self.retriever.embedder,
                min_evidence=self.min_evidence,
                timeout_s=deadline.left_s(),
            )
        if not citations:
            yield Delta(self.prompt.not_found)
        for position, citation in enumerate(citations):
            yield Delta(f"{' ' if position else ''}{citation.quote} [{citation.marker}]")
            yield Cited(citation)
        yield Done(EXTRACTIVE, bool(citations), None, 0, {})


def _event(piece: str | Citation, said: list[str]) -> Event:
    if isinstance(piece, Citation):
        return Cited(piece)
    said.append(piece)
    return Delta(piece)
