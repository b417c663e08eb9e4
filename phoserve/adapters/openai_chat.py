"""Replies from any server that speaks OpenAI's chat completions."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import openai
import structlog
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from phoserve.answers.ports import (
    LENGTH,
    STOP,
    ChatMessage,
    ChatOptions,
    ChatPart,
    LlmOverloaded,
    LlmTimeout,
    LlmUnavailable,
    TokenCounts,
)
from phoserve.answers.reasoning import ReasoningFilter
from phoserve.concurrency.circuit_breaker import CircuitBreaker
from phoserve.errors import PhoserveError, UnsupportedParameter

CONNECT_TIMEOUT_S: Final = 5.0
MAX_RETRY_AFTER_S: Final = 60.0
RETRY_WAIT_S: Final = 0.5
"""Before the first retry; doubled for the next, plus up to half of it at random."""
LONGEST_WAIT_S: Final = 5.0
"""A server that wants more time than this is not retried within the request."""
RETRIED_STATUSES: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
CHECK_TIMEOUT_S: Final = 4.0
STREAM_TYPE: Final = "text/event-stream"
JSON_TYPE: Final = "application/json"
REFUSED: Final = "llm_refused"
EMPTY: Final = "llm_empty"
IDENTITY: Final = "identity"
MAX_REPLY_CHARACTERS: Final = 200_000
"""Of an answer and its reasoning together, whatever `max_tokens` is."""
MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
"""Of a response: a token takes a few hundred bytes."""
OF_ONE_REQUEST: Final = frozenset({REFUSED, EMPTY})
"""Failures that another request may not have: they do not open the breaker."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """How to reach an OpenAI-compatible endpoint and what to ask of it."""

    url: str
    """Base URL, such as http://127.0.0.1:11434/v1; a URL without a path gets /v1."""
    model: str
    api_key: str = ""
    max_tokens: int = 1024
    temperature: float = 0.1
    context_tokens: int = 8192
    first_token_timeout_s: float = 60.0
    idle_timeout_s: float = 30.0
    """Between two pieces of a reply."""
    max_retries: int = 2
    """Before the first piece of a reply; afterwards nothing is retried."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """More fields for every request, such as `{"chat_template_kwargs": {"enable_thinking": false}}`."""


class OpenAIChat:
    """The `ChatModel` behind an OpenAI-compatible endpoint; safe to share among all tasks of one event loop."""

    def __init__(self, settings: ChatSettings) -> None:
        self.name = settings.model
        self.context_tokens = settings.context_tokens
        self.max_tokens = settings.max_tokens
        self._settings = settings
        self._breaker = CircuitBreaker()
        self._begins_inside_reasoning = False
        self._last_failure = ""
        self._client = openai.AsyncOpenAI(
            base_url=_base_url(settings.url),
            api_key=settings.api_key or "none",  # many servers need none, but the client insists on one
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            max_retries=0,
            default_headers={"Accept-Encoding": IDENTITY},
            # A redirect would send the prompt, and to some hosts the key, where no setting names.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, event_hooks={"response": [_limit_size]}),
        )

    async def reply(
        self, messages: Sequence[ChatMessage], *, options: ChatOptions | None = None, timeout_s: float | None = None
    ) -> AsyncGenerator[ChatPart]:
        """Stream the reply to a conversation; closing the generator closes the connection, which stops the LLM.

        Requests are retried with growing pauses until the first piece has come. Raises LlmUnavailable (also when the
        reply is cut off, empty or not readable), LlmOverloaded or LlmTimeout, and UnsupportedParameter for
        options that the LLM's server refuses.
        """
        body = self._body(messages, options or ChatOptions())
        reasoning = ReasoningFilter(begins_inside=self._begins_inside_reasoning)
        ending = _Ending()
        try:
            async with asyncio.timeout(timeout_s), self._guarded(), aclosing(self._opened(body)) as chunks:
                async for chunk in chunks:
                    for part in _parts(chunk, reasoning):
                        ending.take(part)
                        yield part
                    ending.check_length()
                for part in reasoning.finish():
                    ending.take(part)
                    yield part
                ending.check()
        except TimeoutError:
            raise LlmTimeout(f"the LLM did not finish within {timeout_s:g} s") from None
        except LlmUnavailable as error:
            if error.code == REFUSED and options and (given := options.named):
                raise UnsupportedParameter(
                    f"the LLM's server refuses this request; one of these may be the reason: {', '.join(given)}",
                    field=given[0],
                ) from error
            raise
        finally:
            self._begins_inside_reasoning = reasoning.begins_inside

    async def check(self) -> str:
        """Return whether the server answers and has the model, without generating anything.

        Raises LlmUnavailable, LlmOverloaded or LlmTimeout.
        """
        if not self._breaker.allows():
            raise LlmUnavailable("llm_unavailable", f"the LLM's last requests failed: {self._last_failure}")
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                listed = [each.id async for each in await self._client.models.list()]
        except TimeoutError:
            raise LlmTimeout(f"the LLM's server did not list its models within {CHECK_TIMEOUT_S:g} s") from None
        except openai.NotFoundError:
            return f"{self.name}; the server does not list its models"
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            raise _translated(error) from error
        # Ollama lists `qwen3:latest` for what may be asked for as `qwen3`.
        if listed and not any(each == self.name or each.startswith(f"{self.name}:") for each in listed):
            raise LlmUnavailable("llm_model_not_found", f"the LLM's server has no model {self.name!r}")
        return self.name

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _body(self, messages: Sequence[ChatMessage], options: ChatOptions) -> dict[str, Any]:
        settings = self._settings
        return {
            "model": settings.model,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "max_tokens": settings.max_tokens if options.max_tokens is None else options.max_tokens,
            "temperature": settings.temperature if options.temperature is None else options.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": {**settings.extra_body, **options.forwarded},
        }

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """Run a request behind the breaker and record its outcome. Raises LlmUnavailable while the breaker is open."""
        if not self._breaker.allows():
            raise LlmUnavailable(
                "llm_unavailable",
                f"the LLM is not asked for a moment, because its last requests failed: {self._last_failure}",
                retry_after_s=self._breaker.pause_s,
            )
        self._breaker.begin()
        try:
            yield
        except (LlmUnavailable, LlmTimeout) as error:
            if isinstance(error, LlmUnavailable) and error.code in OF_ONE_REQUEST:
                self._breaker.abandoned()
            else:
                self._last_failure = str(error)
                self._breaker.failed()
            raise
        except (PhoserveError, asyncio.CancelledError, GeneratorExit):
            self._breaker.abandoned()
            raise
        else:
            self._breaker.succeeded()

    async def _opened(self, body: dict[str, Any]) -> AsyncGenerator[ChatCompletionChunk]:
        """Yield the chunks as they come, the first after as many tries as the settings allow."""
        retries = 0
        while True:
            stream = self._received(body)
            try:
                async with asyncio.timeout(self._settings.first_token_timeout_s):
                    chunk = await anext(stream)
                break
            except (StopAsyncIteration, TimeoutError) as error:
                await stream.aclose()
                raise _no_first_piece(error, self._settings.first_token_timeout_s) from None
            except _Retriable as error:
                await stream.aclose()
                wait_s = _wait_s(retries, error.retry_after_s)
                if retries >= self._settings.max_retries or wait_s > LONGEST_WAIT_S:
                    raise error.failure from error.__cause__
                log.info("llm_retry", error=str(error.failure), wait_s=round(wait_s, 2))
                retries += 1
                await asyncio.sleep(wait_s)
        async with aclosing(stream):
            yield chunk
            while (following := await self._next(stream)) is not None:
                yield following

    async def _next(self, stream: AsyncGenerator[ChatCompletionChunk]) -> ChatCompletionChunk | None:
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                return await anext(stream, None)
        except TimeoutError:
            silent_s = self._settings.idle_timeout_s
            raise LlmTimeout(f"the LLM stopped in the middle of its reply for {silent_s:g} s") from None
        except _Retriable as error:
            raise error.failure from error.__cause__

    async def _received(self, body: dict[str, Any]) -> AsyncGenerator[ChatCompletionChunk]:
        """Yield the chunks of one try. Raises _Retriable, LlmUnavailable or LlmOverloaded."""
        try:
            raw: Any = await self._client.chat.completions.with_raw_response.create(**body)
            kind = raw.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind == JSON_TYPE:  # the server does not stream
                await raw.http_response.aread()
                yield _as_chunk(ChatCompletion.model_validate_json(raw.http_response.content))
                return
            if kind != STREAM_TYPE:
                await raw.http_response.aclose()
                raise LlmUnavailable(
                    "llm_unreadable", f"the LLM's server sent {kind or 'something without a type'} instead of a reply"
                )
            stream: openai.AsyncStream[ChatCompletionChunk] = raw.parse()
            async with stream:
                async for chunk in stream:
                    if not _is_readable(chunk):
                        raise LlmUnavailable("llm_unreadable", "the LLM's reply is not readable")
                    yield chunk
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, AttributeError) as error:
            if isinstance(error.__cause__, httpx2.DecodingError):  # the client wraps what ends a stream
                error = error.__cause__
            failure = _translated(error)
            if _is_retriable(error):
                raise _Retriable(failure, _retry_after_s(error)) from error
            raise failure from error


@dataclass(slots=True)
class _Ending:
    """Whether a reply is complete and has any text."""

    finish_reason: str | None = None
    has_text: bool = False
    characters: int = 0

    def take(self, part: ChatPart) -> None:
        """Look at the next part."""
        self.characters += len(part.text) + len(part.reasoning)
        self.finish_reason = part.finish_reason or self.finish_reason
        self.has_text = bool(part.text.strip()) or (self.has_text and not part.is_retraction)

    def check_length(self) -> None:
        """Raise LlmUnavailable if the reply is already too long."""
        if self.characters > MAX_REPLY_CHARACTERS:
            raise LlmUnavailable(
                "llm_too_long", f"the LLM's reply has more than {MAX_REPLY_CHARACTERS} characters; lower `max_tokens`"
            )

    def check(self) -> None:
        """Raise LlmUnavailable unless the reply is complete and has text."""
        if self.finish_reason is None:
            raise LlmUnavailable("llm_cut_off", "the LLM's reply was cut off")
        if self.has_text:
            return
        if self.finish_reason == LENGTH:
            hint = "raise PHOSERVE_LLM__MAX_TOKENS, or turn the model's thinking off"
            raise LlmUnavailable(EMPTY, f"the LLM reached its most tokens before it began to answer: {hint}")
        raise LlmUnavailable(EMPTY, "the LLM's reply is empty")


class _LimitedStream(httpx2.AsyncByteStream):
    """The bytes of a response, up to a limit."""

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > self._max_bytes:
                raise httpx2.DecodingError(f"the response has more than {self._max_bytes} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _limit_size(response: httpx2.Response) -> None:
    """Limit the bytes of a response, before any is read: a line without an end would be kept whole."""
    if response.headers.get("content-encoding", IDENTITY).strip().lower() != IDENTITY:
        raise httpx2.DecodingError("the response is compressed, although no compression was accepted")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _LimitedStream(response.stream, MAX_REPLY_BYTES)


class _Retriable(Exception):
    """A failure that another try may not have; `failure` is what to raise if there is none."""

    def __init__(self, failure: PhoserveError, retry_after_s: float | None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.retry_after_s = retry_after_s


def _parts(chunk: ChatCompletionChunk, reasoning: ReasoningFilter) -> list[ChatPart]:
    parts: list[ChatPart] = []
    for choice in chunk.choices[:1]:
        # vLLM and DeepSeek call it `reasoning_content`, Ollama and OpenRouter `reasoning`.
        apart = getattr(choice.delta, "reasoning_content", None) or getattr(choice.delta, "reasoning", None)
        if isinstance(apart, str):
            parts.append(ChatPart(reasoning=apart))
        if choice.delta.content:
            parts.extend(reasoning.feed(choice.delta.content))
        if choice.finish_reason:
            parts.append(ChatPart(finish_reason=choice.finish_reason))
    if chunk.usage:
        counts = TokenCounts(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        parts.append(ChatPart(usage=counts))
    return parts


def _is_readable(chunk: Any) -> bool:
    if not isinstance(chunk, ChatCompletionChunk) or not isinstance(chunk.choices, list):
        return False
    deltas = [getattr(choice, "delta", None) for choice in chunk.choices]
    return all(delta is not None and isinstance(delta.content, str | None) for delta in deltas)


def _as_chunk(whole: ChatCompletion) -> ChatCompletionChunk:
    choices = [
        {
            "index": 0,
            "delta": {**choice.message.model_dump(include={"content"}), **(choice.message.model_extra or {})},
            "finish_reason": choice.finish_reason or STOP,
        }
        for choice in whole.choices[:1]
    ]
    fields = {"id": whole.id, "created": whole.created, "model": whole.model, "usage": whole.usage}
    return ChatCompletionChunk.model_validate(fields | {"object": "chat.completion.chunk", "choices": choices})


def _no_first_piece(error: Exception, timeout_s: float) -> PhoserveError:
    if isinstance(error, TimeoutError):
        return LlmTimeout(f"the LLM was silent for {timeout_s:g} s")
    return LlmUnavailable("llm_cut_off", "the LLM's reply was cut off before its first word")


def _translated(error: Exception) -> PhoserveError:
    """Return the domain error. The LLM's own words are not passed on: they may quote the prompt or the key."""
    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return LlmTimeout("the LLM's server cannot be reached in time")
        case openai.APIStatusError():
            return _refused(error)
        case openai.APIConnectionError() | httpx2.ConnectError():
            return LlmUnavailable("llm_unreachable", "the LLM's server cannot be reached")
        case httpx2.HTTPError():
            return LlmUnavailable("llm_cut_off", "the LLM's reply was cut off")
        case openai.APIError():
            return LlmUnavailable("llm_error", "the LLM's server reported an error in the middle of its reply")
        case _:
            return LlmUnavailable("llm_unreadable", "the LLM's reply is not readable")


def _refused(error: openai.APIStatusError) -> PhoserveError:
    match error:
        case openai.RateLimitError():
            return LlmOverloaded("the LLM is busy", retry_after_s=_retry_after_s(error) or 5.0)
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            refused = f"the LLM's server answered {error.status_code}: check PHOSERVE_LLM__API_KEY"
            return LlmUnavailable("llm_unauthorized", refused, retry_after_s=MAX_RETRY_AFTER_S)
        case openai.NotFoundError():
            missing = "the LLM's server answered 404: check PHOSERVE_LLM__URL and PHOSERVE_LLM__MODEL"
            return LlmUnavailable("llm_model_not_found", missing, retry_after_s=MAX_RETRY_AFTER_S)
        case openai.BadRequestError() | openai.UnprocessableEntityError():
            return LlmUnavailable(
                REFUSED,
                f"the LLM's server refused the request ({error.status_code}): the prompt may be longer than its "
                "context (PHOSERVE_LLM__CONTEXT_TOKENS), or it does not support a parameter",
            )
        case _ if error.response.is_redirect:
            moved = f"the LLM's server answered {error.status_code}, a redirect, which is not followed: "
            return LlmUnavailable(
                "llm_error", f"{moved}set PHOSERVE_LLM__URL to its final address", retry_after_s=MAX_RETRY_AFTER_S
            )
        case _:
            return LlmUnavailable("llm_error", f"the LLM's server answered {error.status_code}")


def _is_retriable(error: Exception) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in RETRIED_STATUSES
    return isinstance(error, openai.APIConnectionError | httpx2.ConnectError | httpx2.RemoteProtocolError)


def _wait_s(retries: int, retry_after_s: float | None) -> float:
    jitter = random.random() / 2  # noqa: S311
    wait_s: float = RETRY_WAIT_S * 2**retries * (1 + jitter)
    return max(wait_s, retry_after_s or 0.0)


def _retry_after_s(error: Exception) -> float | None:
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        return min(max(float(error.response.headers.get("retry-after", "")), 1.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return None


def _base_url(url: str) -> str:
    return url.rstrip("/") + "/v1" if not urlsplit(url).path.strip("/") else url
