"""Chat completions in OpenAI's shape, over a collection.

Unknown fields are ignored, as on the other routes of that shape; docs/llm.md lists what every known one does.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.schemas.answers import CitationView, NoteView, Usage
from phoserve.answers.ports import ChatOptions
from phoserve.errors import InvalidInput, UnsupportedParameter

MODEL_PREFIX = "collection/"
FORWARDED: Final = (
    "top_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "response_format",
    "reasoning_effort",
)
"""Sent to the LLM unchanged."""
NO_TOOLS: Final = "answers come from the collection, so tools are not called; leave it out, or use `response_format`"
UNSUPPORTED: Final = {
    "tools": NO_TOOLS,
    "functions": NO_TOOLS,
    "logprobs": "probabilities of tokens are not returned; leave it out",
    "top_logprobs": "probabilities of tokens are not returned; leave it out",
    "audio": "answers are text; leave it out",
    "web_search_options": "answers come from the collection alone; leave it out",
}
CHOOSES_NO_TOOL: Final = ("none", "auto")


class ContentPart(Struct, frozen=True, kw_only=True):
    """A part of a message; only text is supported."""

    type: str
    text: str = ""


class ChatMessageIn(Struct, frozen=True, kw_only=True):
    """One turn. System and developer messages are ignored: they do not replace the server's own."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(Struct, frozen=True, kw_only=True):
    """What else to stream."""

    include_usage: bool | None = False


class ResponseFormat(Struct, frozen=True, kw_only=True):
    """The form of the reply."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class ChatRequest(Struct, frozen=True, kw_only=True):
    """A conversation whose last user message is answered from the collection that `model` names."""

    model: Annotated[str, Meta(description="`collection/<name>`, as GET /v1/models lists them.")]
    messages: Annotated[list[ChatMessageIn], Meta(min_length=1)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    top_k: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None, Meta(description="Passages to answer from; not of OpenAI's API.")
    ] = None
    include_reasoning: Annotated[
        bool | None, Meta(description="Return what the LLM wrote to think as `reasoning_content`.")
    ] = False
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    n: int | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None


class ReplyMessage(Struct, frozen=True, kw_only=True):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str
    reasoning_content: str | UnsetType = UNSET


class Choice(Struct, frozen=True, kw_only=True):
    """The only choice there is."""

    index: int = 0
    message: ReplyMessage
    finish_reason: str = "stop"


class ChatResponse(Struct, frozen=True, kw_only=True):
    """A complete reply; `citations`, `query_used`, `confidence` and `notes` are not of OpenAI's API."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    citations: list[CitationView]
    query_used: str
    confidence: float | None
    notes: list[NoteView]


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """The next piece of the reply."""

    index: int = 0
    delta: dict[str, Any]
    finish_reason: str | None = None


class ChatChunk(Struct, frozen=True, kw_only=True):
    """A piece of a streamed reply; `citations`, `confidence` and `notes` are on the last one with a choice."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    citations: list[CitationView] | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    notes: list[NoteView] | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET


def chat_options(data: ChatRequest) -> ChatOptions:
    """Return what the request asks of the LLM. Raises UnsupportedParameter for what is not supported."""
    _refuse_unsupported(data)
    forwarded = {name: value for name in FORWARDED if (value := getattr(data, name)) is not None}
    if data.response_format is not None:
        format_ = data.response_format
        schema = {"json_schema": format_.json_schema} if format_.json_schema is not None else {}
        forwarded["response_format"] = {"type": format_.type, **schema}
        if format_.type == "text":
            del forwarded["response_format"]
    return ChatOptions(
        max_tokens=data.max_tokens if data.max_completion_tokens is None else data.max_completion_tokens,
        temperature=data.temperature,
        forwarded=forwarded,
    )


def text_of(message: ChatMessageIn, *, field: str) -> str:
    """Return a message's text. Raises UnsupportedParameter for parts that are not text."""
    if not isinstance(message.content, list):
        return message.content or ""
    for part in message.content:
        if part.type not in {"text", "input_text", "output_text"}:
            raise UnsupportedParameter(f"parts of type {part.type!r} are not supported; send text", field=field)
    return "\n".join(part.text for part in message.content)


def _refuse_unsupported(data: ChatRequest) -> None:
    for name, reason in UNSUPPORTED.items():
        if getattr(data, name):
            raise UnsupportedParameter(f"`{name}` is not supported: {reason}", field=name)
    if data.tool_choice is not None and data.tool_choice not in CHOOSES_NO_TOOL:
        raise UnsupportedParameter(f"`tool_choice` is not supported: {NO_TOOLS}", field="tool_choice")
    if data.n not in {None, 1}:
        raise UnsupportedParameter("`n` is at most 1: there is one answer", field="n")
    if data.modalities and data.modalities != ["text"]:
        raise UnsupportedParameter("`modalities` is `text` only", field="modalities")
    if isinstance(data.stop, list) and len(data.stop) > 4:
        raise InvalidInput("`stop` has at most 4 sequences", field="stop")
