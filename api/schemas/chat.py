"""Chat completions in OpenAI's shape, over a collection."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.answers import CitationView, Usage

MODEL_PREFIX = "collection/"


class ContentPart(Struct, frozen=True, kw_only=True):
    """A part of a message; only text is read."""

    type: str
    text: str = ""


class ChatMessageIn(Struct, frozen=True, kw_only=True):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(Struct, frozen=True, kw_only=True):
    """What else to stream."""

    include_usage: bool = False


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A conversation whose last user message is answered from the collection that `model` names."""

    model: Annotated[str, Meta(description="`collection/<name>`, as GET /v1/models lists them.")]
    messages: Annotated[list[ChatMessageIn], Meta(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    top_k: Annotated[int, Meta(ge=1, le=50, description="Passages to answer from; ours, not OpenAI's.")] = 5


class ReplyMessage(Struct, frozen=True, kw_only=True):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(Struct, frozen=True, kw_only=True):
    """The only choice there is."""

    index: int = 0
    message: ReplyMessage
    finish_reason: Literal["stop"] = "stop"


class ChatResponse(Struct, frozen=True, kw_only=True):
    """A complete reply; `citations` is ours."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    citations: list[CitationView]


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """The next piece of the reply."""

    index: int = 0
    delta: dict[str, Any]
    finish_reason: Literal["stop"] | None = None


class ChatChunk(Struct, frozen=True, kw_only=True):
    """A piece of a streamed reply; `citations` is on the last one with a choice."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    citations: list[CitationView] | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
