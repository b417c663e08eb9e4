"""Answer a question from a collection, citing the passages the answer rests on."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from phoserve.answers.citations import Citation
from phoserve.answers.events import EXTRACTIVE, GENERATED, Cited, Delta, Done, Event, Note, Restarted, Retrieved
from phoserve.answers.extractive import extract
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
)
from phoserve.answers.prompt import Prompt
from phoserve.concurrency.deadline import Deadline
from phoserve.concurrency.timings import Timings
from phoserve.errors import UnsupportedParameter
from phoserve.search.retrieval import Hit, Query, Retriever

EXTRACTION_S: Final = 3.0
"""Kept of the deadline, but at most half of it, for the extractive answer that replaces a failed one."""
QUOTATION: Final = Note(
    "quotation",
    "The answer quotes the documents word for word. To have answers written, attach an LLM: "
    "`phoserve up --llm-url URL --llm-model NAME`, or PHOSERVE_LLM__URL and PHOSERVE_LLM__MODEL.",
)
INCOMPLETE: Final = Note(
    "incomplete", "The LLM ended the answer early; raise PHOSERVE_LLM__MAX_TOKENS if this happens often."
)

log = structlog.get_logger(__name__)


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

    async def answer(
        self,
        collection: str,
        query: Query,
        *,
        deadline: Deadline,
        history: Sequence[ChatMessage] = (),
        options: ChatOptions | None = None,
        fallback: bool = True,
    ) -> AsyncGenerator[Event]:
        """Yield the answer as it is produced: `Retrieved`, then `Delta`s, `Thought`s and `Cited`s, then `Done`.

        With `fallback`, an LLM that fails is replaced: `Restarted`, then the extractive answer. Closing the generator
        stops the LLM. Raises what the retriever and, without `fallback`, the LLM raise; UnsupportedParameter for
        options that need an LLM where there is none.
        """
        options = options or ChatOptions()
        if options.is_structured and self.chat is None:
            raise UnsupportedParameter(
                "response_format needs an LLM, and this server has none (PHOSERVE_LLM__URL)", field="response_format"
            )
        timings = Timings()
        ending: Done | None = None
        with timings.stage("total"):
            found = await deadline.keep(self.retriever.search(collection, query, deadline=deadline, timings=timings))
            query = replace(query, text=found.query_used or query.text)
            yield Retrieved(found.hits, GENERATED if self.chat else EXTRACTIVE, query.text, found.warnings)
            falls_back = fallback and self.falls_back and not options.is_structured
            if self.chat and (found.hits or options.is_structured):
                events = self._generated(self.chat, query, found.hits, deadline, timings, history, options, falls_back)
            else:
                events = self._extractive(query, found.hits, deadline, timings)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Done):
                        ending = event
                    else:
                        yield event
        if ending is not None:
            yield replace(ending, timings_ms=timings.ms)

    async def _generated(
        self,
        chat: ChatModel,
        query: Query,
        hits: Sequence[Hit],
        deadline: Deadline,
        timings: Timings,
        history: Sequence[ChatMessage],
        options: ChatOptions,
        falls_back: bool,
    ) -> AsyncGenerator[Event]:
        passages = [hit.passage for hit in hits]
        generation = Generation(passages, options.is_structured, self.keep_images)
        messages = self.prompt.messages(query.text, passages, history)
        left_s = deadline.left_s()
        timeout_s = left_s - min(EXTRACTION_S, left_s / 2) if falls_back else left_s
        try:
            with timings.stage("llm"):
                async with aclosing(generation.events(chat, messages, options, timeout_s)) as events:
                    async for event in events:
                        yield event
        except LLM_FAILURES as error:
            if not falls_back:
                raise
            log.warning("llm_fallback", error=str(error))
            async for event in self._instead(error, query, hits, deadline, timings):
                yield event
            return
        reason = generation.finish_reason or STOP
        yield Done(
            GENERATED,
            self.prompt.not_found.rstrip(".") not in generation.text,
            generation.usage,
            generation.dropped_citations,
            finish_reason=reason,
            notes=() if reason == STOP else (INCOMPLETE,),
        )

    async def _instead(
        self, error: Exception, query: Query, hits: Sequence[Hit], deadline: Deadline, timings: Timings
    ) -> AsyncGenerator[Event]:
        """Yield the extractive answer after the LLM has failed."""
        code = error.code if isinstance(error, LlmUnavailable | LlmOverloaded | LlmTimeout) else "llm_error"
        yield Restarted(code, str(error))
        note = Note("fallback", f"The LLM failed ({code}: {error}); the answer quotes the documents instead.")
        async for event in self._extractive(query, hits, deadline, timings):
            if isinstance(event, Done):
                event = replace(event, fallback=True, notes=(note,))
            yield event

    async def _extractive(
        self, query: Query, hits: Sequence[Hit], deadline: Deadline, timings: Timings
    ) -> AsyncGenerator[Event]:
        with timings.stage("extract"):
            found = await extract(
                query.text,
                hits,
                self.retriever.embedder,
                min_confidence=self.min_confidence,
                timeout_s=deadline.left_s(),
            )
        if not found.citations:
            yield Delta(self.prompt.not_found)
        before: Citation | None = None
        for citation in found.citations:
            yield Delta(f"{_separator(before, citation)}{citation.quote} [{citation.marker}]")
            yield Cited(citation)
            before = citation
        notes = (QUOTATION,) if found.citations else ()
        yield Done(EXTRACTIVE, bool(found.citations), None, 0, confidence=round(found.confidence, 3), notes=notes)


def _separator(before: Citation | None, citation: Citation) -> str:
    """Return what is between two quotations: a line break where one of them has lines."""
    if before is None:
        return ""
    return "\n\n" if "\n" in before.quote + citation.quote else " "
