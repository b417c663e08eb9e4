"""The parts of the API's services that settings alone decide: keys, rates, the LLM, the wording of answers."""

from typing import Any

from api.keys import AnonymousAccess, FixedKeys, KeyFile, KeyRing, parse_keys
from api.rates import MemoryRates, NoLimit, RateLimiter, RedisRates
from phoserve.adapters.openai_chat import OpenAIChat
from phoserve.adapters.triton.reranker import TritonReranker
from phoserve.answers.ports import ChatModel
from phoserve.answers.prompt import INSTRUCTIONS, NOT_FOUND, Prompt
from phoserve.errors import ConfigurationError
from phoserve.search.ports import Reranker
from phoserve.settings import KeySettings, LimitSettings, LlmSettings, Settings, TritonSettings


def configured(settings: Settings, *, redis_url: str | None = None) -> dict[str, Any]:
    """Keyword arguments for `Services`, to go with the ports. Raises ConfigurationError."""
    answers = settings.answers
    return {
        "keys": key_ring(settings.keys),
        "rates": rate_limiter(settings.limits, redis_url),
        "chat": chat_model(settings.llm),
        "reranker": reranker(settings.triton),
        "prompt": Prompt(answers.instructions or INSTRUCTIONS, answers.not_found or NOT_FOUND),
        "min_evidence": answers.min_evidence,
        "limits": settings.limits,
    }


def key_ring(settings: KeySettings) -> KeyRing:
    """The keys that the settings name, or the open door. Raises ConfigurationError."""
    if settings.file and settings.inline:
        raise ConfigurationError("set PHOSERVE_KEYS__FILE or PHOSERVE_KEYS__INLINE, not both")
    if settings.file:
        return KeyFile(settings.file)
    if settings.inline:
        return FixedKeys(parse_keys(settings.inline.get_secret_value().encode(), "PHOSERVE_KEYS__INLINE"))
    return AnonymousAccess()


def rate_limiter(limits: LimitSettings, redis_url: str | None) -> RateLimiter:
    """One count for all processes where there is Redis, else one for this process."""
    if limits.requests_per_s is None:
        return NoLimit()
    if redis_url:
        return RedisRates(redis_url, limits.requests_per_s, limits.request_burst)
    return MemoryRates(limits.requests_per_s, limits.request_burst)


def reranker(settings: TritonSettings) -> Reranker | None:
    """The cross-encoder, if Triton has one."""
    if not settings.reranker:
        return None
    return TritonReranker(settings.url, name=settings.reranker, timeout_s=settings.timeout_s)


def chat_model(settings: LlmSettings) -> ChatModel | None:
    """The LLM, if there is one."""
    if not settings.url:
        return None
    return OpenAIChat(
        settings.url,
        settings.model,
        api_key=settings.api_key.get_secret_value(),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        idle_timeout_s=settings.idle_timeout_s,
    )
