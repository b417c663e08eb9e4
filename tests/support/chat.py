"""An LLM that says what the test tells it to."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from phoserve.answers.ports import ChatMessage, ChatPart, TokenCounts
from phoserve.errors import PhoserveError


class ScriptedChat:
    """A `ChatModel` that sends `script` word by word, then `failure` if there is one."""

    name = "scripted"

    def __init__(self, script: str = "", failure: PhoserveError | None = None) -> None:
        self.script = script
        self.failure = failure
        self.asked: list[list[ChatMessage]] = []
        self.stopped_early = 0

    async def reply(
        self, messages: Sequence[ChatMessage], *, timeout_s: float | None = None
    ) -> AsyncGenerator[ChatPart]:
        self.asked.append(list(messages))
        finished = False
        try:
            for word in self.script.split(" "):
                await asyncio.sleep(0)
                yield ChatPart(word + " ")
            if self.failure:
                raise self.failure
            yield ChatPart(usage=TokenCounts(100, 20))
            finished = True
        finally:
            self.stopped_early += not finished

    async def close(self) -> None:
        pass
