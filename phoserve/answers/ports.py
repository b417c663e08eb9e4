"""The port to an LLM."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from phoserve.errors import DeadlineExceeded, Overloaded, PhoserveError, Unavailable

STOP: Final = "stop"
LENGTH: Final = "length"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """Sampling parameters of one request; None or absent means the server's own setting."""

    max_tokens: int | None = None
    temperature: float | None = None
    forwarded: Mapping[str, Any] = field(default_factory=dict)
    """More fields of OpenAI's request, sent unchanged: `top_p`, `stop`, `seed`, `response_format`, ..."""

    @property
    def named(self) -> list[str]:
        """The names of the fields that the request sets."""
        own = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        return [*self.forwarded, *(name for name, value in own.items() if value is not None)]

    @property
    def is_structured(self) -> bool:
        """Whether the reply is to be JSON, whose brackets are not citation markers."""
        kind = self.forwarded.get("response_format") or {}
        return bool(kind.get("type", "text") != "text")


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens an LLM read and wrote, by its own tokenizer."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A piece of a streamed reply; `usage` and `finish_reason` come with or after the last text."""

    text: str = ""
    reasoning: str = ""
    """Text the model wrote to think, which is not part of the reply."""
    usage: TokenCounts | None = None
    finish_reason: str | None = None
    """`stop`, `length` (cut at the most tokens), `content_filter`, ..."""
    is_retraction: bool = False
    """All text so far turned out to be reasoning: discard it."""


class LlmUnavailable(Unavailable):
    """The LLM failed; `code` names the kind of failure for programs, such as `llm_unauthorized`."""

    def __init__(self, code: str, message: str, *, retry_after_s: float = 10.0) -> None:
        super().__init__("llm", message, retry_after_s=retry_after_s)
        self.code = code


class LlmOverloaded(Overloaded):
    """The LLM's server refuses work for now."""

    code = "llm_overloaded"


class LlmTimeout(DeadlineExceeded):
    """The LLM sent nothing for too long, or did not finish in time."""

    code = "llm_timeout"


LLM_FAILURES: Final[tuple[type[PhoserveError], ...]] = (LlmUnavailable, LlmOverloaded, LlmTimeout)


class ChatModel(Protocol):
    """Writes replies."""

    @property
    def name(self) -> str: ...

    @property
    def context_tokens(self) -> int:
        """Tokens the model reads and writes at most, together."""
        ...

    @property
    def max_tokens(self) -> int:
        """Maximum tokens of a reply, unless the request sets it."""
        ...

    def reply(
        self, messages: Sequence[ChatMessage], *, options: ChatOptions | None = None, timeout_s: float | None = None
    ) -> AsyncGenerator[ChatPart]:
        """Stream the reply to a conversation; closing the generator stops the LLM.

        Raises LlmUnavailable, LlmOverloaded or LlmTimeout, also when the reply is cut off or empty.
        """
        ...

    async def check(self) -> str:
        """Return what answered, for health checks. Raises LlmUnavailable, LlmOverloaded or LlmTimeout."""
        ...

    async def close(self) -> None: ...
