"""Open the API's services: use cases over stores, with the keys, limits, reranker and LLM that the settings name."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry

from api.keys import AnonymousAccess, FixedKeys, KeyFile, KeyRing, KeySource, parse_keys
from api.rates import MemoryRates, NoLimit, RateLimiter, RedisRates
from api.registry_keys import RegistryKeys
from api.services import Services, make_services
from phoserve.adapters.openai_chat import ChatSettings, OpenAIChat
from phoserve.adapters.triton.reranker import TritonReranker
from phoserve.administration.keys import KeyStore
from phoserve.answers.ports import ChatModel
from phoserve.answers.prompt import INSTRUCTIONS, Prompt
from phoserve.composition import Stores
from phoserve.contract import RERANKER
from phoserve.errors import ConfigurationError
from phoserve.search.ports import Reranker
from phoserve.settings import KeySettings, LimitSettings, LlmSettings, Settings

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_services(
    settings: Settings,
    stores: Stores,
    *,
    redis_url: str | None = None,
    registries: tuple[CollectorRegistry, ...] = (),
) -> AsyncIterator[Services]:
    """Open the services and close what they opened at the end; `stores` stay open.

    With `redis_url`, all API processes share one count of each key's requests. `registries` hold more metrics for
    /metrics. Raises ConfigurationError.
    """
    answers = settings.answers
    if answers.min_evidence is not None:
        log.warning("setting_without_effect", setting="PHOSERVE_ANSWERS__MIN_EVIDENCE", use="MIN_CONFIDENCE")
    async with AsyncExitStack() as stack:
        rates = open_rates(settings.limits, redis_url)
        stack.push_async_callback(rates.close)
        chat = open_chat(settings.llm)
        if chat:
            stack.push_async_callback(chat.close)
        rerankers = open_rerankers(settings)
        for reranker in rerankers:
            stack.push_async_callback(reranker.close)
        services = make_services(
            stores,
            chat=chat,
            prompt=Prompt(answers.instructions or INSTRUCTIONS, answers.not_found),
            min_confidence=answers.min_confidence,
            falls_back=answers.fallback,
            keep_images=answers.keep_images,
            window=answers.window,
            rerankers=rerankers,
            keys=open_key_ring(settings.keys, stores.keys),
            rates=rates,
            limits=settings.limits,
            http=settings.http,
            registries=registries,
        )
        stack.push_async_callback(services.audit.close)
        yield services


def open_key_ring(settings: KeySettings, store: KeyStore | None) -> KeyRing:
    """Return the keys that the settings name together with the registry's. Raises ConfigurationError.

    Without the settings, access is anonymous, whatever keys the registry has.
    """
    source = load_key_ring(settings)
    if source.is_open or store is None:
        return source
    return RegistryKeys(source, store, outage_s=settings.outage_s)


def load_key_ring(settings: KeySettings) -> KeySource:
    """Load the keys that the settings name; without any, access is anonymous. Raises ConfigurationError."""
    if settings.file is not None and settings.inline is not None:
        raise ConfigurationError("set PHOSERVE_KEYS__FILE or PHOSERVE_KEYS__INLINE, not both")
    if settings.file is not None:
        return KeyFile(settings.file)
    if settings.inline is not None:  # an empty one is an error: it must not open the server
        return FixedKeys(parse_keys(settings.inline.get_secret_value().encode(), "PHOSERVE_KEYS__INLINE"))
    return FixedKeys(()) if settings.required else AnonymousAccess()


def open_rates(limits: LimitSettings, redis_url: str | None) -> RateLimiter:
    """Open the rate limiter: one count for all processes where there is Redis, else one for this process."""
    if limits.requests_per_s is None:
        return NoLimit()
    if redis_url:
        return RedisRates(redis_url, limits.requests_per_s, limits.request_burst)
    return MemoryRates(limits.requests_per_s, limits.request_burst)


def open_rerankers(settings: Settings) -> list[Reranker]:
    """Connect to the cross-encoders that the settings name, the default one first."""
    triton = settings.triton
    models = ({triton.reranker: RERANKER} if triton.reranker else {}) | settings.models.rerankers
    return [
        TritonReranker(triton.url, name=name, model=model, timeout_s=triton.timeout_s, api_key=triton.key)
        for name, model in models.items()
    ]


def open_chat(settings: LlmSettings) -> ChatModel | None:
    """Connect to the LLM; None where the settings name none."""
    if not settings.url:
        return None
    return OpenAIChat(
        ChatSettings(
            url=settings.url,
            model=settings.model,
            api_key=settings.api_key.get_secret_value(),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            context_tokens=settings.context_tokens,
            first_token_timeout_s=settings.first_token_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            max_retries=settings.max_retries,
            extra_body=settings.extra_body,
        )
    )
