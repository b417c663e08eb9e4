"""The API's services as they are deployed: over the stores, the queue and the encoder that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.composition import configured
from api.services import Services
from phoserve.composition import open_platform
from phoserve.settings import Settings


@asynccontextmanager
async def deployed_services(settings: Settings) -> AsyncIterator[Services]:
    """Ready-made services, closed at the end. Raises ConfigurationError."""
    chosen = configured(settings, redis_url=settings.redis.url.get_secret_value())
    async with open_platform(settings) as platform:
        yield Services(
            embedder=platform.embedder,
            pipeline=platform.text,
            index=platform.index,
            registry=platform.registry,
            sources=platform.sources,
            queue=platform.queue,
            **chosen,
        )
