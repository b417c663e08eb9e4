"""Replies from any server that speaks OpenAI's chat completions."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import httpx2
import openai

from phoserve.answers.ports import ChatMessage, ChatPart, TokenCounts
from phoserve.errors import DeadlineExceeded, Overloaded, PhoserveError, Unavailable

DEPENDENCY: Final = "llm"
CONNECT_TIMEOUT_S: Final = 5.0
MAX_RETRY_AFTER_S: Final = 60.0


class OpenAIChat:
    """The `ChatModel` behind an OpenAI-compatible endpoint; safe to share among all tasks of one event loop."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        max_tokens: int = 1024,
        temperature: float = 0.1,
        idle_timeout_s: float = 30.0,
    ) -> None:
        self.name = model
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._idle_timeout_s = idle_timeout_s
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",  # many servers need none, but the client insists on one
            timeout=httpx2.Timeout(idle_timeout_s, connect=CONNECT_TIMEOUT_S),
            max_retries=1,
        )

    async def reply(
        self, messages: Sequence[ChatMessage], *, timeout_s: float | None = None
    ) -> AsyncGenerator[ChatPart]:
        """The reply, piece by piece; closing the generator closes the connection, which stops the LLM.

        Raises Overloaded, Unavailable (also when the reply is cut off) or DeadlineExceeded.
        """
        conversation: Any = [{"role": each.role, "content": each.content} for each in messages]
        try:
            async with asyncio.timeout(timeout_s):
                stream = await self._client.chat.completions.create(
                    model=self.name,
                    messages=conversation,
                    max_tokens=self._max_tokens,
                    temperature=self._temperature,
                    stream=True,
                    stream_options={"include_usage": True},
                )
                async with stream:
                    async for part in _parts(stream):
                        yield part
        except TimeoutError:
            raise DeadlineExceeded(f"the LLM did not finish within {timeout_s:g} s") from None
        except (openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
            raise _translated(error, self._idle_timeout_s) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


async def _parts(stream: "openai.AsyncStream[Any]") -> AsyncGenerator[ChatPart]:
    is_finished = False
    async for chunk in stream:
        usage = chunk.usage and TokenCounts(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        text = ""
        for choice in chunk.choices:
            text += choice.delta.content or ""
            is_finished = is_finished or choice.finish_reason is not None
        if text or usage:
            yield ChatPart(text, usage)
    if not is_finished:
        raise Unavailable(DEPENDENCY, "the LLM's reply was cut off")


def _translated(error: Exception, idle_timeout_s: float) -> PhoserveError:
    """The domain error; the LLM's own words may quote the prompt, so they are not passed on."""
    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return DeadlineExceeded(f"the LLM was silent for {idle_timeout_s:g} s")
        case openai.RateLimitError():
            return Overloaded("the LLM is busy", retry_after_s=_retry_after_s(error))
        case openai.APIStatusError():
            return Unavailable(DEPENDENCY, f"the LLM's server answered {error.status_code}", retry_after_s=10.0)
        case openai.APIConnectionError() | httpx2.ConnectError():
            return Unavailable(DEPENDENCY, "the LLM's server cannot be reached", retry_after_s=10.0)
        case _:
            return Unavailable(DEPENDENCY, "the LLM's reply was cut off or is not readable")


def _retry_after_s(error: openai.APIStatusError) -> float:
    try:
        return min(max(float(error.response.headers.get("retry-after", "")), 1.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return 5.0
