"""The port to an LLM."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What an LLM read and wrote, in its own tokens."""

    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A piece of a reply as it comes; `usage` is on the last one, where the LLM tells it."""

    text: str = ""
    usage: TokenCounts | None = None


class ChatModel(Protocol):
    """Writes replies."""

    @property
    def name(self) -> str: ...

    def reply(self, messages: Sequence[ChatMessage], *, timeout_s: float | None = None) -> AsyncGenerator[ChatPart]:
        """The reply to the conversation, piece by piece; closing the generator stops the LLM.

        Raises Overloaded, Unavailable (also when the reply is cut off) or DeadlineExceeded.
        """
        ...

    async def close(self) -> None: ...
