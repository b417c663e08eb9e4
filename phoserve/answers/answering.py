"""Answer a question from a collection, citing the passages the answer rests on."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import structlog

from phoserve.answers.citations import Citation, support_of
from phoserve.answers.events import EXTRACTIVE, GENERATED, Cited, Delta, Done, Event, Note, Restarted, Retrieved
from phoserve.answers.extractive import extract
from phoserve.answers.follow_up import rewrite, stand_alone
from phoserve.answers.generation import Generation
from phoserve.answers.ports import (
    LLM_FAILURES,
    STOP,
    ChatMessage,
    ChatModel,
    ChatOptions,
    LlmOverloaded,
    LlmTimeout,
    LlmUnavailable,
    TokenCounts,
)
from phoserve.answers.prompt import Prompt, fit_excerpts, neighbour_ids, widen
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.documents.records import Passage
from phoserve.errors import UnsupportedParameter
from phoserve.search.retrieval import Hit, Query, Retriever
from phoserve.text.articles import references_in

EXTRACTION_S: Final = 3.0
"""Kept of the deadline, but at most half of it, for the extractive answer that replaces a failed one."""
CLAUSE_WINDOW: Final = 3
"""How many passages before and after a hit may belong to the clause that it holds part of."""
QUOTATION: Final = Note(
    "quotation",
    "The answer quotes the documents word for word. To have answers written, attach an LLM: "
    "`phoserve up --llm-url URL --llm-model NAME`, or PHOSERVE_LLM__URL and PHOSERVE_LLM__MODEL.",
)
INCOMPLETE: Final = Note(
    "incomplete", "The LLM ended the answer early; raise PHOSERVE_LLM__MAX_TOKENS if this happens often."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Inputs of an answer in addition to the query."""

    history: tuple[ChatMessage, ...] = ()
    """The turns before the question, oldest first."""
    options: ChatOptions = field(default_factory=ChatOptions)
    can_fall_back: bool = True
    """Whether the caller takes an extractive answer where the LLM fails."""
    include_support: bool = False


@dataclass(slots=True)
class _Answering:
    """One answer in the making."""

    collection: str
    question: str
    """As it was asked."""
    query: Query
    """The query with a standalone text."""
    conversation: Conversation
    deadline: Deadline
    timings: Timings = field(default_factory=Timings)
    hits: Sequence[Hit] = ()
    usage: TokenCounts | None = None
    """Usage of rewriting the question."""
    turns: Sequence[str] = ()
    """The user's turns that the query's text was made from by rules, the newest first."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers from what the retriever finds, in an LLM's words where there is one, else in the documents' own."""

    retriever: Retriever
    chat: ChatModel | None = None
    prompt: Prompt = field(default_factory=Prompt)
    min_confidence: float | None = None
    """Below it no extractive answer is given; None means what was measured for the encoder."""
    falls_back: bool = True
    """Whether a failed LLM is replaced by an extractive answer, where the caller can take one."""
    keep_images: bool = False
    window: int = 1
    """Passages before and after each hit that the LLM reads too, as far as they fit its context."""

    async def answer(
        self, collection: str, query: Query, *, deadline: Deadline, conversation: Conversation | None = None
    ) -> AsyncGenerator[Event]:
        """Yield the answer as it is produced: `Retrieved`, then `Delta`s, `Thought`s and `Cited`s, then `Done`.

        An LLM that fails is replaced: `Restarted`, then the extractive answer. Closing the generator stops the LLM.
        Raises what the retriever and, where it is not replaced, the LLM raise; UnsupportedParameter for options that
        need an LLM where there is none.
        """
        conversation = conversation or Conversation()
        if conversation.options.is_structured and self.chat is None:
            raise UnsupportedParameter(
                "response_format needs an LLM, and this server has none (PHOSERVE_LLM__URL)", field="response_format"
            )
        work = _Answering(collection, query.text, query, conversation, deadline)
        ending: Done | None = None
        with work.timings.stage("total"):
            await self._make_stand_alone(work)
            search = self.retriever.search(collection, work.query, deadline=deadline, timings=work.timings)
            found = await deadline.keep(search)
            work.hits, work.query = found.hits, replace(work.query, text=found.query_used or work.query.text)
            mode = GENERATED if self.chat else EXTRACTIVE
            yield Retrieved(list(work.hits), mode, work.query.text, found.warnings)
            is_generated = self.chat and (work.hits or conversation.options.is_structured)
            events = self._generated(self.chat, work) if self.chat and is_generated else self._extractive(work)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Done):
                        ending = event
                    else:
                        yield event
        if ending is not None:
            yield replace(ending, timings_ms=work.timings.ms)

    async def _make_stand_alone(self, work: _Answering) -> None:
        """Set the query that a question after other turns asks; where the LLM fails, by rules."""
        history = work.conversation.history
        if not history:
            return
        text = by_rules = stand_alone(work.question, history)
        if self.chat is not None:
            try:
                with work.timings.stage("rewrite"):
                    left_s = work.deadline.left_s()
                    text, work.usage = await rewrite(work.question, history, self.chat, timeout_s=left_s / 3)
            except LLM_FAILURES as error:
                log.warning("rewrite_failed", error=str(error))
        work.query = replace(work.query, text=text)
        if text == by_rules and text != work.question:
            work.turns = (work.question, *(turn.content for turn in reversed(history) if turn.role == "user"))

    async def _generated(self, chat: ChatModel, work: _Answering) -> AsyncGenerator[Event]:
        conversation, options = work.conversation, work.conversation.options
        falls_back = conversation.can_fall_back and self.falls_back and not options.is_structured
        excerpts = await self._excerpts(chat, work)
        passages = [excerpts.get(number, hit.passage) for number, hit in enumerate(work.hits, start=1)]
        generation = Generation(passages, frozenset(excerpts), options.is_structured, self.keep_images)
        messages = self.prompt.messages(
            work.question, excerpts, conversation.history, context_tokens=chat.context_tokens
        )
        left_s = work.deadline.left_s()
        timeout_s = left_s - min(EXTRACTION_S, left_s / 2) if falls_back else left_s
        try:
            with work.timings.stage("llm"):
                async with aclosing(generation.events(chat, messages, options, timeout_s)) as events:
                    async for event in events:
                        yield event
        except LLM_FAILURES as error:
            if not falls_back:
                raise
            log.warning("llm_fallback", error=str(error))
            async for event in self._instead(error, work):
                yield event
            return
        yield self._done(generation, passages, work)

    def _done(self, generation: Generation, passages: Sequence[Passage], work: _Answering) -> Done:
        reason = generation.finish_reason or STOP
        wants_support = work.conversation.include_support and not work.conversation.options.is_structured
        return Done(
            GENERATED,
            self.prompt.not_found_for(work.question).rstrip(".") not in generation.text,
            _sum(work.usage, generation.usage),
            generation.dropped_citations,
            finish_reason=reason,
            notes=() if reason == STOP else (INCOMPLETE,),
            support=tuple(support_of(generation.text, passages)) if wants_support else (),
        )

    async def _excerpts(self, chat: ChatModel, work: _Answering) -> dict[int, Passage]:
        """Return what the LLM is given to read, by the numbers of the hits."""
        passages = [hit.passage for hit in work.hits]
        room = self.prompt.room(
            work.question,
            work.conversation.history,
            context_tokens=chat.context_tokens,
            max_tokens=work.conversation.options.max_tokens or chat.max_tokens,
        )
        ids = neighbour_ids(passages, self.window) if self.window else []
        audience = await self.retriever.narrow(work.query.audience)
        find = self.retriever.index.find(work.collection, ids, audience=audience)
        neighbours = await work.deadline.keep(find) if ids else {}
        return fit_excerpts(passages, neighbours, room, window=self.window)

    async def _widened(self, work: _Answering) -> list[Hit]:
        """Return the hits with the text around their passages: a part of a law may continue there."""
        passages = [hit.passage for hit in work.hits]
        audience = await self.retriever.narrow(work.query.audience)
        ids = neighbour_ids(passages, CLAUSE_WINDOW)
        around = await work.deadline.keep(self.retriever.index.find(work.collection, ids, audience=audience))
        known = {**around, **{passage.id: passage for passage in passages}}
        return [
            msgspec.structs.replace(hit, passage=widen(hit.passage, known, window=CLAUSE_WINDOW)) for hit in work.hits
        ]

    async def _instead(self, error: Exception, work: _Answering) -> AsyncGenerator[Event]:
        """Yield the extractive answer after the LLM has failed."""
        code = error.code if isinstance(error, LlmUnavailable | LlmOverloaded | LlmTimeout) else "llm_error"
        yield Restarted(code, str(error))
        note = Note("fallback", f"The LLM failed ({code}: {error}); the answer quotes the documents instead.")
        async for event in self._extractive(work):
            if isinstance(event, Done):
                event = replace(event, fallback=True, notes=(note,))
            yield event

    async def _extractive(self, work: _Answering) -> AsyncGenerator[Event]:
        with work.timings.stage("extract"):
            found = await extract(
                work.query.text,
                work.hits,
                self.retriever.embedder,
                min_confidence=self.min_confidence,
                timeout_s=work.deadline.left_s(),
                widened=await self._widened(work) if references_in(work.query.text) else (),
                turns=work.turns,
            )
        if not found.citations:
            yield Delta(self.prompt.not_found_for(work.question))
        before: Citation | None = None
        text = ""
        for citation in found.citations:
            piece = f"{_separator(before, citation)}{citation.quote} [{citation.marker}]"
            text += piece
            yield Delta(piece)
            yield Cited(citation)
            before = citation
        yield Done(
            EXTRACTIVE,
            bool(found.citations),
            work.usage,
            0,
            confidence=round(found.confidence, 3),
            notes=(QUOTATION, *map(_partial, found.unanswered)) if found.citations else (),
            support=tuple(support_of(text, [hit.passage for hit in work.hits]))
            if work.conversation.include_support and found.citations
            else (),
        )


def _sum(one: TokenCounts | None, other: TokenCounts | None) -> TokenCounts | None:
    if one is None or other is None:
        return one or other
    return TokenCounts(one.prompt + other.prompt, one.completion + other.completion)


def _partial(part: str) -> Note:
    return Note("partial", f"The documents do not seem to answer this part of the question: {part}")


def _separator(before: Citation | None, citation: Citation) -> str:
    """Return what is between two quotations: a line break where one of them has lines."""
    if before is None:
        return ""
    return "\n\n" if "\n" in before.quote + citation.quote else " "
