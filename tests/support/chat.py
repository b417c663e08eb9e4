"""A scripted LLM."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from phoserve.answers.ports import STOP, ChatMessage, ChatOptions, ChatPart, TokenCounts
from phoserve.errors import PhoserveError


class ScriptedChat:
    """A `ChatModel` that sends `script` word by word, then `failure` if there is one."""

    name = "scripted"
    context_tokens = 8192
    max_tokens = 1024

    def __init__(self, script: str = "", failure: PhoserveError | None = None, finish_reason: str = STOP) -> None:
        self.script = script
        self.failure = failure
        self.finish_reason = finish_reason
        self.parts: list[ChatPart] = []
        self.options: list[ChatOptions] = []
        self.asked: list[list[ChatMessage]] = []
        self.stopped_early = 0

    async def reply(
        self, messages: Sequence[ChatMessage], *, options: ChatOptions | None = None, timeout_s: float | None = None
    ) -> AsyncGenerator[ChatPart]:
        self.asked.append(list(messages))
        self.options.append(options or ChatOptions())
        finished = False
        try:
            for part in self.parts:
                yield part
            for word in self.script.split(" "):
                await asyncio.sleep(0)
                yield ChatPart(word + " ")
            if self.failure:
                raise self.failure
            yield ChatPart(finish_reason=self.finish_reason)
            yield ChatPart(usage=TokenCounts(100, 20))
            finished = True
        finally:
            self.stopped_early += not finished

    async def check(self) -> str:
        if self.failure:
            raise self.failure
        return self.name

    async def close(self) -> None:
        pass
